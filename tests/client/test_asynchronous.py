"""`Client` and `AsyncClient` are one thing, asked in two ways."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_origin

import numpy as np
import pytest

from skylike.client import AsyncClient, Client, NewObject, errors, filters
from skylike.client.types import Analysis, Embedding

_IN_CLIENT = sorted(
    name
    for name, member in inspect.getmembers(AsyncClient, inspect.isfunction)
    if not name.startswith("_")
)


def test_there_is_something_to_compare() -> None:
    assert {"embed", "analyze_many", "objects", "watch_job", "close"} <= {*_IN_CLIENT}


@pytest.mark.parametrize("name", _IN_CLIENT)
def test_each_method_is_in_both_with_its_types_and_its_text(name: str) -> None:
    """For help() and editors; iterators are of the one kind or the other."""
    one, other = getattr(Client, name), getattr(AsyncClient, name)
    assert inspect.getdoc(one) == inspect.getdoc(other)
    assert one.__qualname__ == f"Client.{name}"
    assert not inspect.iscoroutinefunction(one)
    signature, expected = inspect.signature(one), inspect.signature(other)
    assert signature.parameters == expected.parameters
    gives = expected.return_annotation
    if get_origin(gives) is AsyncIterator:
        [item] = get_args(gives)
        assert get_origin(signature.return_annotation) is Iterator
        assert get_args(signature.return_annotation) == (item,)
    else:
        assert inspect.iscoroutinefunction(other) or name == "within"
        assert signature.return_annotation == gives


def test_the_types_are_known_to_mypy(client: Client) -> None:
    """Checked with the rest of this file: the assignments have to fit."""
    embedding: Embedding = client.embed(object_id="ring-0", collection="sky")
    count: int = client.count(collection="sky").num_objects
    name: str = next(client.objects(collection="sky")).id
    assert (len(embedding.vector), count > 0, bool(name)) == (24, True, True)


def test_both_give_the_same(
    client: Client, served: SimpleNamespace, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Answers, pages and errors; many at once on one loop."""
    path = tmp_path / "ring.fits"
    path.write_bytes(sky.draw("ring", 5))
    some = filters.OneOf("kind", ["ring"])

    async def ask() -> list[Any]:
        async with AsyncClient(served.address) as other:
            await other.wait_ready()
            with pytest.raises(errors.NotFound) as caught:
                await other.get("nobody", collection="sky")
            assert caught.value.reason == "unknown_id"
            answers = await asyncio.gather(
                *(other.analyze(path, collection="sky", where=some) for _ in range(20))
            )
            assert all(_alike(answer, answers[0]) for answer in answers)
            listed = other.objects(some, collection="sky", page_size=7)
            return [
                answers[0],
                [one async for one in listed],
                await other.collections(),
            ]

    analysis, listed, collections = asyncio.run(ask())
    assert _alike(analysis, client.analyze(path, collection="sky", where=some))
    assert listed == list(client.objects(some, collection="sky"))
    assert len(listed) == 20
    assert [one.name for one in collections] == [c.name for c in client.collections()]


def _alike(one: Analysis, other: Analysis) -> bool:
    """The same, but for the last bits of probabilities that were told in company."""
    assert one.cluster is not None
    assert other.cluster is not None
    outside = other.cluster.no_cluster_probability
    assert one.cluster.no_cluster_probability == pytest.approx(outside, rel=1e-9)
    cluster = replace(one.cluster, no_cluster_probability=outside)
    return replace(one, cluster=cluster) == other


def test_one_client_serves_one_loop_after_another(served: SimpleNamespace) -> None:
    """Its connection belongs to none."""
    other = AsyncClient(served.address)
    for _ in range(3):
        asyncio.run(other.get("ring-0", collection="sky"))
    asyncio.run(other.close())
    with pytest.raises(errors.Unavailable, match="closed"):
        asyncio.run(other.get("ring-0", collection="sky"))


def test_a_file_does_not_hold_up_the_loop(
    served: SimpleNamespace, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """It is read by a thread; the loop goes on."""
    done = threading.Event()

    class Slow:
        """A file name that takes its time."""

        def __fspath__(self) -> str:
            done.wait(10)
            return str(path)

    path = tmp_path / "one.fits"
    path.write_bytes(sky.draw())

    async def ask() -> None:
        async with AsyncClient(served.address) as other:
            slow = asyncio.create_task(other.embed(Slow(), collection="sky"))
            await other.get("ring-0", collection="sky")
            assert not slow.done()
            done.set()
            assert (await slow).vector.any()

    asyncio.run(ask())


def test_a_cancelled_call_leaves_the_client_usable(served: SimpleNamespace) -> None:
    async def ask() -> None:
        async with AsyncClient(served.address) as other:
            call = asyncio.create_task(
                other.neighbors(object_id="ring-0", collection="sky", k=59)
            )
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert (await other.count(collection="sky")).num_objects == 60

    asyncio.run(ask())


def test_objects_are_added_by_either(
    client: Client, served: SimpleNamespace, sky: SimpleNamespace
) -> None:
    async def add() -> str:
        async with AsyncClient(served.address) as other:
            new = NewObject("async/1", sky.draw("ring", 12), labels=["spare"])
            added = await other.add([new], collection="bare")
            return added.objects[0].id

    name = asyncio.run(add())
    found = client.get(name, collection="bare", with_vector=True)
    assert found.object.labels == ("spare",)
    assert found.vector is not None
    assert np.isfinite(found.vector).all()
