"""Lists in the order of a fit: by the client, asynchronously, and from a shell."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from astropy.table import QTable

from skylike.client import Anomalies, AsyncClient, Client, ClusterMembers, errors
from skylike.client.filters import Between, OneOf

Run = Callable[..., "CompletedProcess[str]"]

RINGS = OneOf("kind", ["ring"])


def test_the_oddest_come_first_and_as_odd_as_when_they_are_asked_about(
    client: Client,
) -> None:
    found = client.anomalies(collection="sky", limit=None)
    assert (len(found.items), found.fit_version, found.num_unranked) == (60, 1, 0)
    assert [one.rank for one in found.items] == list(range(1, 61))
    scores = [one.score for one in found.items]
    assert scores == sorted(scores, reverse=True)
    for one in (found.items[0], found.items[-1]):
        told = client.anomaly(object_id=one.id, collection="sky").anomaly
        assert (told.score, told.percentile) == (one.score, one.percentile)
        assert told.calibrated is one.calibrated is False
    few = client.anomalies(RINGS, collection="sky", limit=3, thumbnails=True)
    rings = [one for one in found.items if one.id.startswith("ring")]
    assert [(one.rank, one.id) for one in few.items] == [
        (one.rank, one.id) for one in rings[:3]
    ]
    assert few.items[0].object.thumbnail_png.startswith(b"\x89PNG")


def test_pages_are_fetched_as_they_are_needed(client: Client) -> None:
    """Together they are the whole list."""
    pages = client.anomaly_pages(collection="sky", page_size=25)
    first: Anomalies = next(pages)
    assert len(first.items) == 25
    rest = [one for page in pages for one in page.items]
    whole = client.anomalies(collection="sky", limit=None)
    assert (*first.items, *rest) == whole.items
    assert client.anomalies(collection="sky", limit=25).items == first.items


def test_members_of_every_cluster_are_all_objects(client: Client) -> None:
    """The first of each are those that stand for it."""
    seen = []
    for cluster in client.clusters("sky").clusters:
        found: ClusterMembers = client.members(cluster.label, collection="sky")
        assert (found.label, len(found.items)) == (cluster.label, cluster.size)
        assert [one.id for one in found.items[:5]] == list(cluster.exemplar_ids)
        pages = client.member_pages(cluster.label, collection="sky", page_size=3)
        assert tuple(one for page in pages for one in page.items) == found.items
        seen += [one.id for one in found.items]
    assert len(set(seen)) == len(seen) == 60


def test_both_clients_list_the_same(client: Client, served: SimpleNamespace) -> None:
    async def ask() -> tuple[Anomalies, list[ClusterMembers]]:
        async with AsyncClient(served.address) as other:
            pages = other.member_pages(0, collection="sky", page_size=7)
            return (
                await other.anomalies(RINGS, collection="sky"),
                [page async for page in pages],
            )

    anomalies, pages = asyncio.run(ask())
    assert anomalies == client.anomalies(RINGS, collection="sky")
    assert pages == list(client.member_pages(0, collection="sky", page_size=7))


def test_what_cannot_be_listed_says_why(client: Client) -> None:
    for call, reason in (
        (lambda: client.anomalies(collection="bare"), "not_fitted"),
        (lambda: client.members(0, collection="empty"), "not_fitted"),
        (lambda: client.members(99, collection="sky"), "unknown_cluster"),
        (lambda: client.members(-1, collection="sky"), "bad_label"),
        (lambda: client.anomalies(collection="sky", limit=0), "bad_limit"),
    ):
        with pytest.raises(errors.SkylikeClientError) as caught:
            call()
        assert caught.value.reason == reason


def test_lists_are_tables_that_tell_what_they_are_of(
    client: Client, tmp_path: Path
) -> None:
    """Attributes are columns; the fit, the cluster and the filter are in the origin."""
    table = client.anomalies(Between("number", high=3), collection="sky").to_table()
    assert len(table) == 12
    assert list(table["anomaly_score"]) == sorted(table["anomaly_score"], reverse=True)
    assert set(table["kind"]) == {"round", "long", "ring"}
    assert table.meta["anomaly_fit_version"] == "1"
    assert json.loads(table.meta["request"].partition(" ")[2])["filter"]
    found = client.members(0, collection="sky", limit=5)
    path = tmp_path / "typical.ecsv"
    found.write(path)
    written = QTable.read(path, format="ascii.ecsv")
    assert list(written["object_id"]) == [one.id for one in found.items]
    assert list(written["rank"]) == [1, 2, 3, 4, 5]
    assert written.meta["cluster"] == "0"
    assert (
        len(client.anomalies(Between("number", 99), collection="sky").to_table()) == 0
    )


def test_a_shell_lists_them_for_people_and_machines(
    skylike: Run, served: SimpleNamespace, client: Client, tmp_path: Path
) -> None:
    def run(*arguments: str | Path, code: int = 0) -> str:
        done = skylike(*arguments, SKYLIKE_ADDRESS=served.address)
        assert done.returncode == code, done.stdout + done.stderr
        return str(done.stdout)

    sky = "--collection=sky"
    odd = client.anomalies(collection="sky").items
    lines = run("anomalies", sky, "--limit=3").splitlines()
    assert [line.split()[1] for line in lines[3:]] == [one.id for one in odd[:3]]
    assert lines[1] == "fit 1"
    told: dict[str, Any] = json.loads(
        run("anomalies", sky, "--limit=2", "--thumbnails", "--json")
    )
    assert [one["object"]["id"] for one in told["items"]] == [one.id for one in odd[:2]]
    picture = base64.b64decode(told["items"][0]["object"]["thumbnail_png"])
    assert picture.startswith(b"\x89PNG")
    assert told["items"][0]["calibrated"] is False
    path = tmp_path / "odd.csv"
    run("anomalies", sky, "--filter=kind = ring", "--limit=7", "--out", path)
    assert [id.partition("-")[0] for id in pd.read_csv(path)["object_id"]] == [
        "ring"
    ] * 7

    typical = client.members(0, collection="sky").items
    lines = run("clusters", "members", "0", sky, "--limit=3").splitlines()
    assert [line.split()[1] for line in lines[3:]] == [one.id for one in typical[:3]]
    run("clusters", "members", "0", sky, "--out", path)
    assert list(pd.read_csv(path)["object_id"]) == [one.id for one in typical]
    failed = json.loads(run("clusters", "members", "99", sky, "--json", code=1))
    assert failed["error"]["reason"] == "unknown_cluster"
