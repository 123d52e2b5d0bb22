"""False-discovery control: alone, window by window over a stream, and by the service."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest

from skylike.client import (
    Analysis,
    AsyncClient,
    Client,
    ObjectId,
    discoveries,
    errors,
    tabulate,
)
from skylike.client.windows import windowed
from skylike.service import anomaly
from skylike.v1 import search_pb2, search_pb2_grpc


@pytest.fixture
def cutouts(tmp_path: Path, sky: SimpleNamespace) -> list[Path]:
    """Eight new rings, of which the third and the seventh are checkerboards."""
    board = 50.0 * ((np.indices((32, 32)) // 4).sum(axis=0) % 2)
    paths = []
    for number in range(8):
        paths.append(tmp_path / f"{number}.fits")
        noisy = board + np.random.default_rng(number).normal(0, 1, board.shape)
        is_odd = number in (2, 6)
        content = sky.to_fits(noisy) if is_odd else sky.draw("ring", 7000 + number)
        paths[-1].write_bytes(content)
    return paths


def marks(found: list[tuple[Any, Any]]) -> list[bool | None]:
    return [
        outcome.anomaly.discovered
        if isinstance(outcome, Analysis) and outcome.anomaly
        else None
        for _, outcome in found
    ]


def test_client_and_service_choose_the_same(served: SimpleNamespace) -> None:
    """As functions, and as the answer of a call."""
    random = np.random.default_rng(0)
    with grpc.insecure_channel(served.address) as channel:
        search = search_pb2_grpc.SearchServiceStub(channel)
        for count, rate in itertools.product((0, 1, 7, 500), (0.01, 0.1, 0.9)):
            values = np.round(random.uniform(size=count) ** 3, 3)
            ours = discoveries(values, rate)
            theirs = anomaly.discoveries(values, rate)
            asked = search_pb2.DiscoverRequest(p_values=values, rate=rate)
            told = search.Discover(asked)
            assert list(ours.selected) == list(theirs.selected) == list(told.selected)
            assert ours.threshold == theirs.threshold == told.threshold
        with pytest.raises(grpc.RpcError, match="false-discovery rate is 0"):
            search.Discover(search_pb2.DiscoverRequest(p_values=[0.1]))


@pytest.mark.parametrize(
    ("values", "rate", "reason"),
    [
        ([0.1], 1.5, "bad_rate"),
        ([2.0], 0.1, "bad_p_value"),
        ([[0.1]], 0.1, "bad_p_value"),
    ],
)
def test_what_is_no_probability_is_refused(
    values: Any, rate: float, reason: str
) -> None:
    with pytest.raises(errors.BadInput) as caught:
        discoveries(values, rate)
    assert caught.value.reason == reason


def test_a_window_tells_its_discoveries_in_the_order_of_the_items(
    client: Client, cutouts: list[Path]
) -> None:
    """By the p-values of the window alone: 1 in 40 is too much of eight for 0.05."""
    found = list(
        client.analyze_many(cutouts, collection="sky", false_discovery_rate=0.25)
    )
    assert [key for key, _ in found] == cutouts
    p_values = [
        one.anomaly.p_value
        for _, one in found
        if isinstance(one, Analysis) and one.anomaly
    ]
    assert p_values[2] == p_values[6] == 1 / 40
    expected = discoveries(np.array(p_values, float), 0.25)
    assert marks(found) == expected.selected.tolist()
    assert marks(found)[2]
    table = tabulate(found).to_table()
    assert table["discovered"].sum() >= 2
    strict = client.analyze_many(cutouts, collection="sky", false_discovery_rate=0.05)
    assert marks(list(strict)) == [False] * 8
    plain = client.analyze_many(cutouts, collection="sky")
    assert set(marks(list(plain))) == {None}


def test_each_window_is_judged_by_itself(client: Client, cutouts: list[Path]) -> None:
    """Two of one item each, then one that is left over; the rate is of each."""
    for size in (1, 3, 8, 9):
        found = list(
            client.analyze_many(
                cutouts, collection="sky", false_discovery_rate=0.1, window=size
            )
        )
        assert [key for key, _ in found] == cutouts
        for start in range(0, 8, size):
            part = [
                one.anomaly
                for _, one in found[start : start + size]
                if isinstance(one, Analysis)
            ]
            values = [one.p_value for one in part if one]
            expected = discoveries(np.array(values, float), 0.1).selected
            assert [one.discovered for one in part if one] == expected.tolist()


def test_what_has_no_p_value_is_no_discovery_and_does_not_count(
    client: Client, cutouts: list[Path]
) -> None:
    """Errors, and objects of the archive."""
    items = [ObjectId("ring-1"), *cutouts[:3], b"GIF89a", ObjectId("nobody")]
    [*found] = client.analyze_many(
        enumerate(items), collection="sky", false_discovery_rate=0.1
    )
    assert [key for key, _ in found] == list(range(6))
    assert marks(found) == [None, False, False, True, None, None]


def test_windows_of_an_endless_asynchronous_source(
    served: SimpleNamespace, cutouts: list[Path]
) -> None:
    async def endless() -> AsyncIterator[tuple[int, Path]]:
        for number in itertools.count():
            yield number, cutouts[number % 8]

    async def ask() -> list[tuple[Any, Any]]:
        found = []
        async with AsyncClient(served.address) as client:
            answers = client.analyze_many(
                endless(), collection="sky", false_discovery_rate=0.2, window=8
            )
            async for one in answers:
                found.append(one)
                if len(found) == 20:
                    break
            await answers.aclose()  # type: ignore[attr-defined]
        return found

    found = asyncio.run(ask())
    assert [key for key, _ in found] == list(range(20))
    assert marks(found)[:8] == marks(found)[8:16]


def test_a_rate_or_a_window_that_is_none_is_refused_before_anything_is_asked(
    client: Client,
) -> None:
    for given in (
        {"false_discovery_rate": 0.0},
        {"false_discovery_rate": 0.1, "window": 0},
    ):
        with pytest.raises(errors.BadInput):
            list(client.analyze_many([], collection="sky", **given))  # type: ignore[arg-type]


def test_the_command_line_tells_discoveries(
    skylike: Callable[..., Any], served: SimpleNamespace, cutouts: list[Path]
) -> None:
    options = ("--collection=sky", f"--address={served.address}")
    rate = ("--false-discovery-rate=0.2", "--window=8")
    done = skylike("many", *cutouts, *options, *rate)
    assert done.returncode == 0, done.stderr
    told = [line.endswith("; a discovery") for line in done.stdout.splitlines()]
    assert told[2]
    assert told[6]
    done = skylike("many", *cutouts, *options, *rate, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["anomaly"]["discovered"] for one in lines] == told


def test_what_was_answered_before_a_stream_failed_is_told() -> None:
    """Though nobody knows how its window would have ended; then the error."""
    analysis = Analysis(None, None, (), None, None)  # type: ignore[arg-type]

    async def failing() -> AsyncGenerator[tuple[tuple[int, Any], Any], None]:
        for number in (0, 1, 3, 2, 5):
            yield (number, f"q{number}"), analysis
        raise errors.Unavailable("gone", reason="unavailable")

    found = []

    async def ask() -> None:
        async for key, outcome in windowed(failing(), 0.1, 2):
            assert outcome is analysis
            found.append(key)

    with pytest.raises(errors.Unavailable):
        asyncio.run(ask())
    assert found == ["q0", "q1", "q2", "q3", "q5"]


def test_who_stops_early_closes_the_stream() -> None:
    closed = []

    async def endless() -> AsyncGenerator[tuple[tuple[int, Any], Any], None]:
        try:
            for number in itertools.count():
                yield (number, number), errors.BadInput("no", reason="no")
        finally:
            closed.append(True)

    async def ask() -> None:
        answers = windowed(endless(), 0.1, 2)
        async for _ in answers:
            break
        await answers.aclose()
        assert closed == [True]

    asyncio.run(ask())
