"""Lists in the order of a fit, over a real socket: the oddest, and members of clusters."""

import functools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from tests.told import refusal

from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
)

ANOMALIES, MEMBERS = "ListAnomalies", "ListClusterMembers"
BOTH = pytest.mark.parametrize("method", [ANOMALIES, MEMBERS])


@pytest.fixture
def sky(data: Path) -> Iterator[SimpleNamespace]:
    """A server on a copy of the archive, fitted: 60 objects."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield SimpleNamespace(
            library=library,
            catalog=catalog_pb2_grpc.CatalogServiceStub(channel),
            search=search_pb2_grpc.SearchServiceStub(channel),
        )


def page(sky: SimpleNamespace, method: str, **asked: Any) -> Any:
    asked = {"collection": "sky", **asked}
    request = getattr(catalog_pb2, f"{method}Request")(**asked)
    return getattr(sky.catalog, method)(request)


def rows(answer: Any) -> list[Any]:
    is_anomalies = isinstance(answer, catalog_pb2.ListAnomaliesResponse)
    return list(answer.anomalies if is_anomalies else answer.members)


def listed(
    sky: SimpleNamespace,
    method: str,
    between: Callable[[int], None] = lambda _: None,
    **asked: Any,
) -> list[Any]:
    """All pages; `between` them something may happen."""
    found, token, number = [], "", 0
    while True:
        answer = page(sky, method, page_token=token, **asked)
        found += rows(answer)
        token = answer.next_page_token
        if not token:
            return found
        between(number)
        number += 1


def ids(found: list[Any]) -> list[str]:
    return [one.object.id for one in found]


def vectors_of(sky: SimpleNamespace) -> tuple[list[str], Any]:
    """Ids in the order of writing, and their vectors."""
    objects = sky.catalog.ListObjects(catalog_pb2.ListObjectsRequest()).objects
    names = [one.id for one in objects]
    found = [
        sky.catalog.GetObject(catalog_pb2.GetObjectRequest(id=id, with_vector=True))
        for id in names
    ]
    return names, np.stack([np.frombuffer(one.vector.packed, "<f4") for one in found])


def add(sky: SimpleNamespace, id: str, seed: int, *, replace: bool = False) -> None:
    numbers = np.random.default_rng(seed).normal(size=24)
    packed = (numbers / np.linalg.norm(numbers)).astype("<f4").tobytes()
    new = catalog_pb2.NewObject(id=id, vector=types_pb2.Vector(packed=packed))
    asked = catalog_pb2.AddObjectsRequest(objects=[new], replace=replace)
    sky.catalog.AddObjects(asked)


def is_ring() -> types_pb2.Filter:
    value = types_pb2.Value(text="ring")
    return types_pb2.Filter(
        attribute_in=types_pb2.AttributeIn(name="kind", values=[value])
    )


def test_anomalies_come_as_brute_force_orders_them(sky: SimpleNamespace) -> None:
    """Reachability of the 20 nearest, by their gaps, computed here from vectors."""
    names, vectors = vectors_of(sky)
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, :20]
    away = 1 - np.take_along_axis(cosines, nearest, axis=1)
    spacing = np.maximum(away, away[nearest, -1]).mean(axis=1)
    gaps = np.maximum(away[:, :5].mean(axis=1), 0.4 * spacing)
    scores = spacing / gaps[nearest].mean(axis=1) ** (2 / 3)
    found = listed(sky, ANOMALIES, page_size=7)
    told = np.array([one.score for one in found])
    # Some are equal but for the last bits: those whose neighbours are the same.
    expected = [scores[names.index(id)] for id in ids(found)]
    np.testing.assert_allclose(told, expected, rtol=1e-6)
    assert len(set(ids(found))) == 60
    assert told.tolist() == sorted(told, reverse=True)
    assert [one.rank for one in found] == list(range(1, 61))
    below = [100 * np.count_nonzero(told < own) / 60 for own in told]
    np.testing.assert_allclose([one.percentile for one in found], below)
    assert not any(one.calibrated for one in found)


def test_an_object_is_as_odd_in_the_list_as_when_it_is_asked_about(
    sky: SimpleNamespace,
) -> None:
    for one in listed(sky, ANOMALIES)[::6]:
        query = types_pb2.Query(object_id=one.object.id)
        told = sky.search.Anomaly(search_pb2.AnomalyRequest(query=query)).anomaly
        assert (one.score, one.percentile) == (told.score, told.percentile)
        assert one.calibrated == told.calibrated


def test_members_are_those_whose_cluster_it_is_the_nearest_to_its_centre_first(
    sky: SimpleNamespace,
) -> None:
    """Each object is in one cluster; the first of each are its exemplars."""
    clusters = sky.catalog.ListClusters(catalog_pb2.ListClustersRequest()).clusters
    seen: list[str] = []
    for cluster in clusters:
        found = listed(sky, MEMBERS, label=cluster.label, page_size=4)
        seen += ids(found)
        assert len(found) == cluster.size
        assert ids(found)[:5] == list(cluster.exemplar_ids)
        similarities = [one.similarity for one in found]
        assert similarities == sorted(similarities, reverse=True)
        for one in found[::5]:
            query = types_pb2.Query(object_id=one.object.id)
            asked = search_pb2.ClusterRequest(query=query)
            told = sky.search.Cluster(asked).cluster
            assert told.best.label == cluster.label
            assert one.probability == pytest.approx(told.best.probability)
    names, _ = vectors_of(sky)
    assert sorted(seen) == sorted(names)


@BOTH
def test_pages_stay_what_they_are_while_objects_come_and_go(
    sky: SimpleNamespace, method: str
) -> None:
    """Those that come are counted, those that go are left out with their places."""
    before = listed(sky, method)
    gone = before[-2]

    def write(number: int) -> None:
        add(sky, f"late-{number}", number)
        if number == 0:
            asked = catalog_pb2.DeleteObjectsRequest(ids=[gone.object.id])
            sky.catalog.DeleteObjects(asked)

    found = listed(sky, method, write, page_size=5)
    expected = [one for one in before if one.object.id != gone.object.id]
    assert [(one.rank, one.object.id) for one in found] == [
        (one.rank, one.object.id) for one in expected
    ]
    answer = page(sky, method, page_size=1)
    assert answer.num_unranked == -(-len(before) // 5) - 1
    add(sky, before[0].object.id, 99, replace=True)
    answer = page(sky, method, page_size=1)
    assert ids(rows(answer)) == [before[1].object.id]
    assert answer.num_unranked == -(-len(before) // 5)


@BOTH
def test_filters_leave_out_and_keep_the_places(
    sky: SimpleNamespace, method: str
) -> None:
    label = sky.search.Cluster(
        search_pb2.ClusterRequest(query=types_pb2.Query(object_id="ring-1"))
    ).cluster.best.label
    asked = {"label": label} if method == MEMBERS else {}
    every = listed(sky, method, **asked)
    expected = [one for one in every if one.object.id.startswith("ring")]
    assert expected
    found = listed(sky, method, filter=is_ring(), page_size=3, **asked)
    assert [(one.rank, one.object.id) for one in found] == [
        (one.rank, one.object.id) for one in expected
    ]
    add(sky, "late", 1)
    answer = page(sky, method, filter=is_ring(), **asked)
    assert answer.num_unranked == 0
    nobody = types_pb2.Filter(label="nothing is called so")
    answer = page(sky, method, filter=nobody, **asked)
    assert (rows(answer), answer.next_page_token) == ([], "")
    cone = types_pb2.Cone(
        position=types_pb2.Position(ra_deg=150.03, dec_deg=4), radius_deg=0.001
    )
    near = types_pb2.Filter(cone=cone)
    assert ids(listed(sky, ANOMALIES, filter=near)) == ["ring-3"]
    sky.catalog.SetLabels(catalog_pb2.SetLabelsRequest(ids=["ring-3"], add=["seen"]))
    unseen = types_pb2.Filter(negated=types_pb2.Filter(label="seen"))
    assert "ring-3" not in ids(listed(sky, method, filter=unseen, **asked))


@BOTH
def test_thumbnails_come_when_asked_for(sky: SimpleNamespace, method: str) -> None:
    plain, pictured = (
        rows(page(sky, method, thumbnails=wanted, page_size=3))
        for wanted in (False, True)
    )
    assert not any(one.object.thumbnail_png for one in plain)
    assert all(one.object.thumbnail_png.startswith(b"\x89PNG") for one in pictured)


@BOTH
def test_a_list_that_was_begun_ends_in_its_own_fit(
    sky: SimpleNamespace, method: str
) -> None:
    """Another fit does not change it; after one more the token says that it is over."""
    before = listed(sky, method)
    first = page(sky, method, page_size=5)
    token = first.next_page_token
    for number in range(40):
        add(sky, f"new-{number}", number)
    archive = sky.library.collection("sky")
    archive.fit()
    answer = page(sky, method, page_token=token, page_size=1000)
    assert answer.fit_version == first.fit_version == 1
    assert ids(rows(answer)) == ids(before)[5:]
    assert archive.clusters is not None
    # There are so many more objects that clusters may be others, of other labels.
    which = {"label": archive.clusters.labels[0]} if method == MEMBERS else {}
    fresh = page(sky, method, page_size=1000, **which)
    assert (fresh.fit_version, fresh.num_unranked) == (2, 0)
    if method == ANOMALIES:
        assert len(fresh.anomalies) == 100
    archive.fit()
    assert refusal(lambda: page(sky, method, page_token=token)) == "BAD_PAGE_TOKEN"


@BOTH
def test_tokens_belong_to_their_question(sky: SimpleNamespace, method: str) -> None:
    """Not to how many are wanted, nor to what the collection is called."""
    token = page(sky, method, page_size=5).next_page_token
    alias = catalog_pb2.SetAliasRequest(alias="live", collection="sky")
    sky.catalog.SetAlias(alias)
    same = page(sky, method, page_token=token, collection="live", thumbnails=True)
    assert rows(same)[0].rank == 6
    other = ANOMALIES if method == MEMBERS else MEMBERS
    asked: list[tuple[str, dict[str, Any]]] = [
        (method, {"filter": is_ring()}),
        (other, {}),
        (method, {"page_token": "?"}),
        (method, {"page_token": "YS9iL2MvZA=="}),  # a/b/c/d
    ]
    if method == MEMBERS:
        asked.append((method, {"label": 1}))
    for which, how in asked:
        again = functools.partial(page, sky, which, **{"page_token": token, **how})
        assert refusal(again) == "BAD_PAGE_TOKEN"
    new = catalog_pb2.CreateCollectionRequest(collection="other", model_of="sky")
    sky.catalog.CreateCollection(new)
    sky.catalog.SetAlias(catalog_pb2.SetAliasRequest(alias="live", collection="other"))
    assert (
        refusal(lambda: page(sky, method, page_token=token, collection="live"))
        == "BAD_PAGE_TOKEN"
    )


@BOTH
def test_what_is_not_fitted_says_so(sky: SimpleNamespace, method: str) -> None:
    """An empty collection, and one of two objects before its fit and after."""
    new = catalog_pb2.CreateCollectionRequest(collection="tiny", model_of="sky")
    sky.catalog.CreateCollection(new)
    not_fitted = "NOT_FITTED"
    assert refusal(lambda: page(sky, method, collection="tiny")) == not_fitted
    tiny = sky.library.collection("tiny")
    vectors = np.eye(2, 24, dtype=np.float32)
    tiny.add(
        list(sky.library.collection("sky").objects(["ring-1", "ring-2"]).values()),
        vectors[:2],
    )
    assert refusal(lambda: page(sky, method, collection="tiny")) == not_fitted
    tiny.fit()
    assert sorted(ids(listed(sky, method, collection="tiny"))) == ["ring-1", "ring-2"]
    tiny.delete(["ring-1", "ring-2"])
    answer = page(sky, method, collection="tiny")
    assert (rows(answer), answer.num_unranked, answer.next_page_token) == ([], 0, "")


def test_a_cluster_that_is_not_there_is_named(sky: SimpleNamespace) -> None:
    with pytest.raises(grpc.RpcError, match="no cluster 4000000000"):
        page(sky, MEMBERS, label=4_000_000_000)
    assert refusal(lambda: page(sky, MEMBERS, label=99)) == "UNKNOWN_CLUSTER"


def test_a_fit_of_an_older_skylike_answers_all_but_lists(
    data: Path, tmp_path: Path
) -> None:
    """It kept no ranks; the next fit does."""
    older = shutil.copytree(data, tmp_path / "older")
    catalog = older / "collections/sky/catalog.sqlite3"
    with sqlite3.connect(catalog) as connection:
        connection.execute("DELETE FROM fits WHERE kind = 'ranks'")
    connection.close()
    settings = Settings(data=older, address="127.0.0.1:0", grace_seconds=1)
    with (
        Library(older) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        sky = SimpleNamespace(
            catalog=catalog_pb2_grpc.CatalogServiceStub(channel),
            search=search_pb2_grpc.SearchServiceStub(channel),
        )
        query = types_pb2.Query(object_id="ring-1")
        asked = search_pb2.AnomalyRequest(query=query)
        assert sky.search.Anomaly(asked).anomaly.fit_version == 1
        assert refusal(lambda: page(sky, ANOMALIES)) == "NOT_RANKED"
        library.collection("sky").fit()
        assert len(listed(sky, ANOMALIES)) == 60


def test_equal_objects_are_listed_in_the_order_of_writing(
    sky: SimpleNamespace,
) -> None:
    """Copies score 0 and are all as near to their centre."""
    new = catalog_pb2.CreateCollectionRequest(collection="copies", model_of="sky")
    sky.catalog.CreateCollection(new)
    archive = sky.library.collection("copies")
    known = sky.library.collection("sky").objects([f"ring-{i}" for i in range(9)])
    vector = sky.library.collection("sky").vector("ring-1")
    archive.add(list(known.values()), np.repeat(vector[None], 9, axis=0))
    archive.fit()
    for method in (ANOMALIES, MEMBERS):
        found = listed(sky, method, collection="copies", page_size=2)
        assert ids(found) == list(known)
    assert {one.percentile for one in listed(sky, ANOMALIES, collection="copies")} == {
        0
    }
