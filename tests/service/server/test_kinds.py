"""Clusters over a real socket: what they look like, what people call them, old fits."""

import functools
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from tests.conftest import draw, to_fits
from tests.told import refusal

from skylike.service.config import Settings
from skylike.service.engine import CutoutQuery, Engine, NewObject
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
)


@pytest.fixture
def sky(data: Path) -> Iterator[SimpleNamespace]:
    """A service on a copy of the archive, in which rings and discs stand apart."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
    with (
        Library(data) as library,
        Server(engine := Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        library.collection("sky").fit(method="kmeans", number=2)
        yield SimpleNamespace(
            archive=library.collection("sky"),
            engine=engine,
            catalog=catalog_pb2_grpc.CatalogServiceStub(channel),
            search=search_pb2_grpc.SearchServiceStub(channel),
        )


def clusters(sky: SimpleNamespace, **asked: Any) -> catalog_pb2.ListClustersResponse:
    answer: catalog_pb2.ListClustersResponse = sky.catalog.ListClusters(
        catalog_pb2.ListClustersRequest(**asked)
    )
    return answer


def rename(sky: SimpleNamespace, label: int, name: str, **options: Any) -> Any:
    return sky.catalog.RenameCluster(
        catalog_pb2.RenameClusterRequest(
            label=label, name=name, options=catalog_pb2.WriteOptions(**options)
        )
    )


def test_how_clusters_were_found_is_told(sky: SimpleNamespace) -> None:
    found = clusters(sky)
    assert (found.method, found.num_clusters, found.seed) == ("kmeans", 2, 0)
    assert 0 < found.stability <= 1
    assert found.num_objects == found.num_outside + sum(o.size for o in found.clusters)
    assert list(found.fit_versions) == [1, 2]
    chosen = clusters(sky, fit_version=1)
    assert (chosen.fit_version, chosen.method) == (1, "full-mixture")
    assert chosen.HasField("stability")


def test_portraits_tell_what_members_have_in_common(sky: SimpleNamespace) -> None:
    """Of all members: quartiles of numbers, shares of labels, a picture."""
    assert not any(one.HasField("portrait") for one in clusters(sky).clusters)
    label = clusters(sky).clusters[0].label
    members = sky.catalog.ListClusterMembers(
        catalog_pb2.ListClusterMembersRequest(label=label, page_size=1000)
    ).members
    ids = [one.object.id for one in members]
    for number, id in enumerate(ids):
        value = (
            types_pb2.Value(integer=number)
            if number % 2
            else types_pb2.Value(number=float(number))
        )
        sky.catalog.SetAttributes(
            catalog_pb2.SetAttributesRequest(ids=[id], attributes={"width": value})
        )
    sky.catalog.SetLabels(catalog_pb2.SetLabelsRequest(ids=ids[:4], add=["seen"]))
    sky.archive.fit()
    [found] = [
        one for one in clusters(sky, portraits=True).clusters if one.label == label
    ]
    width = next(one for one in found.portrait.numbers if one.name == "width")
    expected = np.quantile(np.arange(len(ids)), [0.25, 0.5, 0.75])
    assert width.count == found.size == len(ids)
    np.testing.assert_allclose([width.low, width.median, width.high], expected)
    [seen] = found.portrait.labels
    assert seen.name == "seen"
    assert seen.share == pytest.approx(4 / len(ids))
    assert found.portrait.mean_thumbnail_png.startswith(b"\x89PNG")
    pictures = [
        one.portrait.mean_thumbnail_png
        for one in clusters(sky, portraits=True).clusters
    ]
    assert len(set(pictures)) == len(pictures)
    # What was not asked about members of others is not told of them.
    [other] = [
        one for one in clusters(sky, portraits=True).clusters if one.label != label
    ]
    assert not other.portrait.labels
    assert "width" not in [one.name for one in other.portrait.numbers]


def decoded(png: bytes) -> Any:
    """The levels of a grey picture."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("L"), float)


def test_portraits_tell_shares_of_flags_and_the_mean_of_the_pictures(
    sky: SimpleNamespace,
) -> None:
    """Counted and averaged here over the members, which come with both."""
    rings = [fits.getdata(io.BytesIO(draw("ring", 900 + i))) for i in range(5)]
    sky.engine.add(
        "sky",
        [
            NewObject(f"cut-{i}", CutoutQuery(to_fits(np.minimum(ring, 60))))
            for i, ring in enumerate(rings)
        ],
    )
    sky.archive.fit()
    shares, means, own = [], [], []
    for one in clusters(sky, portraits=True).clusters:
        asked = catalog_pb2.ListClusterMembersRequest(
            label=one.label, page_size=1000, thumbnails=True
        )
        members = [x.object for x in sky.catalog.ListClusterMembers(asked).members]
        counts = Counter(flag for member in members for flag in member.flags)
        told = {flag.name: flag.share for flag in one.portrait.flags}
        expected = {flag: count / len(members) for flag, count in counts.items()}
        assert told == pytest.approx(expected)
        shares.append(told.get("SATURATED", 0))
        means.append(decoded(one.portrait.mean_thumbnail_png))
        own.append(np.mean([decoded(x.thumbnail_png) for x in members], axis=0))
    assert 0 < max(shares) < 1
    for i, mean in enumerate(means):  # rounded once, as pictures are
        np.testing.assert_allclose(mean, own[i], atol=0.51)
        assert all(np.abs(mean - other).max() > 5 for other in own[:i] + own[i + 1 :])


def test_a_name_is_kept_by_later_fits_and_told_in_answers(
    sky: SimpleNamespace,
) -> None:
    version = clusters(sky).context.collection_version
    answer = rename(sky, 1, "rings with a bar")
    assert answer.context.collection_version == version + 1
    sky.archive.fit()
    [named] = [one for one in clusters(sky).clusters if one.label == 1]
    assert named.name == "rings with a bar"
    query = types_pb2.Query(object_id=named.exemplar_ids[0])
    told = sky.search.Cluster(search_pb2.ClusterRequest(query=query)).cluster
    assert (told.best.label, told.best.name) == (1, "rings with a bar")
    shares = [one.probability for one in told.shares]
    assert sum(shares) + told.no_cluster_probability == pytest.approx(1, abs=1e-5)
    assert not told.in_no_cluster


def test_a_repeated_naming_is_done_once(sky: SimpleNamespace) -> None:
    first = rename(sky, 1, "rings", request_id="once")
    rename(sky, 1, "bars")
    again = rename(sky, 1, "rings", request_id="once")
    assert (first.was_done, again.was_done) == (False, True)
    assert again.context == first.context
    assert "bars" in [one.name for one in clusters(sky).clusters]
    assert refusal(lambda: rename(sky, 0, "rings", request_id="once")) == (
        "REQUEST_ID_REUSED"
    )


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", " rings", "x" * 201, "cluster 0", "cluster 7"]
)
def test_a_name_that_says_nothing_is_refused(sky: SimpleNamespace, name: str) -> None:
    assert refusal(lambda: rename(sky, 1, name)) == "BAD_CLUSTER_NAME"


def test_what_is_not_there_cannot_be_named(sky: SimpleNamespace) -> None:
    assert refusal(lambda: rename(sky, 7, "rings")) == "UNKNOWN_CLUSTER"
    sky.catalog.CreateCollection(
        catalog_pb2.CreateCollectionRequest(collection="empty", model_of="sky")
    )
    asked = catalog_pb2.RenameClusterRequest(collection="empty", label=0, name="rings")
    assert refusal(lambda: sky.catalog.RenameCluster(asked)) == "NOT_FITTED"
    assert clusters(sky, collection="empty").fit_version == 0


def test_the_last_five_fits_can_be_read(sky: SimpleNamespace) -> None:
    """As they were, with their own names."""
    before = clusters(sky, portraits=True)
    rename(sky, 1, "rings")
    for _ in range(4):
        sky.archive.fit()
    again = clusters(sky, fit_version=2, portraits=True)
    assert [one.portrait for one in again.clusters] == [
        one.portrait for one in before.clusters
    ]
    assert list(again.fit_versions) == [2, 3, 4, 5, 6]
    for version in (1, 2**63, 2**64 - 1):  # SQLite cannot even be asked for the last
        unkept = functools.partial(clusters, sky, fit_version=version)
        assert refusal(unkept) == "UNKNOWN_FIT"


def test_what_is_in_no_cluster_is_listed(sky: SimpleNamespace) -> None:
    """An object unlike all others; a query like it is in none."""
    vector = np.random.default_rng(5).normal(size=24)
    packed = (vector / np.linalg.norm(vector)).astype("<f4").tobytes()
    query = types_pb2.Query(vector=types_pb2.Vector(packed=packed))
    told = sky.search.Cluster(search_pb2.ClusterRequest(query=query)).cluster
    assert told.in_no_cluster
    assert told.no_cluster_probability > 0.5
    assert told.best.label in [one.label for one in clusters(sky).clusters]
    listed = sky.catalog.ListClusterMembers(
        catalog_pb2.ListClusterMembersRequest(in_no_cluster=True)
    )
    assert listed.in_no_cluster
    assert len(listed.members) == clusters(sky).num_outside
    assert all(one.probability > 0.5 for one in listed.members)
