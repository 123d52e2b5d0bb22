"""The catalog over a real socket: writes, lists, aliases."""

import functools
from collections.abc import Iterator
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

SYNC, ASYNC = catalog_pb2.ACK_LEVEL_SYNC, catalog_pb2.ACK_LEVEL_ASYNC


@pytest.fixture
def stubs(data: Path) -> Iterator[SimpleNamespace]:
    """Both services on a copy of the archive."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield SimpleNamespace(
            catalog=catalog_pb2_grpc.CatalogServiceStub(channel),
            search=search_pb2_grpc.SearchServiceStub(channel),
        )


def vector(seed: int) -> types_pb2.Vector:
    numbers = np.random.default_rng(seed).normal(size=24)
    packed = (numbers / np.linalg.norm(numbers)).astype("<f4").tobytes()
    return types_pb2.Vector(packed=packed)


def attribute(name: str, *values: str | int) -> types_pb2.Filter:
    given = [
        types_pb2.Value(text=one)
        if isinstance(one, str)
        else types_pb2.Value(integer=one)
        for one in values
    ]
    return types_pb2.Filter(attribute_in=types_pb2.AttributeIn(name=name, values=given))


def listed(stubs: SimpleNamespace, **asked: Any) -> list[str]:
    """Ids of all pages."""
    ids: list[str] = []
    token = ""
    while True:
        page = stubs.catalog.ListObjects(
            catalog_pb2.ListObjectsRequest(page_token=token, page_size=7, **asked)
        )
        assert len(page.objects) <= 7
        ids += [one.id for one in page.objects]
        token = page.next_page_token
        if not token:
            return ids


def test_a_list_goes_on_in_its_collection_when_the_alias_moves(
    stubs: SimpleNamespace,
) -> None:
    """No row is left out, and none of the other collection comes between."""
    catalog = stubs.catalog
    created = catalog_pb2.CreateCollectionRequest(collection="other", model_of="sky")
    catalog.CreateCollection(created)
    strangers = [
        catalog_pb2.NewObject(id=f"stranger-{i}", vector=vector(i)) for i in range(20)
    ]
    catalog.AddObjects(
        catalog_pb2.AddObjectsRequest(collection="other", objects=strangers)
    )

    def point(target: str) -> None:
        asked = catalog_pb2.SetAliasRequest(alias="live", collection=target)
        catalog.SetAlias(asked)

    def page(token: str = "", **more: Any) -> Any:
        asked = {"collection": "live", "page_size": 7, **more}
        return catalog.ListObjects(
            catalog_pb2.ListObjectsRequest(page_token=token, **asked)
        )

    point("sky")
    wanted, found = listed(stubs, collection="sky"), []
    answer = first = page()
    point("other")
    while True:
        assert answer.context.collection == "sky"
        found += [one.id for one in answer.objects]
        if not answer.next_page_token:
            break
        answer = page(answer.next_page_token)
    assert found == wanted
    assert page().context.collection == "other"
    token = first.next_page_token
    for other in ({"collection": "other"}, {"filter": types_pb2.Filter(label="odd")}):
        again = functools.partial(page, token, **other)
        assert refusal(again) == "BAD_PAGE_TOKEN"
    assert len(page(token, page_size=1000).objects) == len(wanted) - 7


def test_a_sample_is_drawn_by_lot_over_all_pages(stubs: SimpleNamespace) -> None:
    everything = listed(stubs)

    def drawn(size: int, seed: int, **more: Any) -> list[str]:
        return listed(stubs, sample_size=size, sample_seed=seed, **more)

    often = dict.fromkeys(everything, 0)
    for seed in (*range(200), 2**32, 2**64 - 1):
        ids = drawn(15, seed)
        assert len(ids) == len(set(ids)) == 15
        assert ids == sorted(ids, key=everything.index)
        for one in ids:
            often[one] += 1
    # Each of the 60 objects a quarter of the time: 50 times, give or take 6.
    assert min(often.values()) > 25
    assert max(often.values()) < 75
    assert drawn(15, 3) == drawn(15, 3) != drawn(15, 4)
    assert set(drawn(15, 3)) < set(drawn(20, 3))
    assert drawn(1000, 3) == everything
    rings = listed(stubs, filter=attribute("kind", "ring"))
    assert set(drawn(9, 3, filter=attribute("kind", "ring"))) < set(rings)
    asked: dict[str, Any] = {"sample_size": 15, "page_size": 7}
    page = stubs.catalog.ListObjects(catalog_pb2.ListObjectsRequest(**asked))
    other = catalog_pb2.ListObjectsRequest(
        **asked, sample_seed=1, page_token=page.next_page_token
    )
    again = functools.partial(stubs.catalog.ListObjects, other)
    assert refusal(again) == "BAD_PAGE_TOKEN"


def test_objects_are_listed_counted_and_filtered(stubs: SimpleNamespace) -> None:
    assert len(set(listed(stubs))) == len(listed(stubs)) == 60
    both = types_pb2.Filter(
        all=types_pb2.FilterList(
            filters=[
                attribute("kind", "ring", "long"),
                types_pb2.Filter(
                    attribute_range=types_pb2.AttributeRange(name="number", low=18)
                ),
                types_pb2.Filter(negated=attribute("number", 19)),
            ]
        )
    )
    assert listed(stubs, filter=both) == ["long-18", "ring-18"]
    asked = catalog_pb2.CountObjectsRequest(filter=both)
    assert stubs.catalog.CountObjects(asked).num_objects == 2
    assert (
        stubs.catalog.CountObjects(catalog_pb2.CountObjectsRequest()).num_objects == 60
    )
    cone = types_pb2.Filter(
        cone=types_pb2.Cone(
            position=types_pb2.Position(ra_deg=150.05, dec_deg=3), radius_deg=0.0101
        )
    )
    assert listed(stubs, filter=cone) == ["long-4", "long-5", "long-6"]
    ids = types_pb2.Filter(ids=types_pb2.IdSet(ids=["ring-1", "nobody"]))
    assert listed(stubs, filter=ids) == ["ring-1"]


def test_changes_are_seen_at_once_and_done_once(stubs: SimpleNamespace) -> None:
    catalog = stubs.catalog
    named = catalog_pb2.WriteOptions(request_id="night-1", ack=ASYNC)
    change = catalog_pb2.SetAttributesRequest(
        ids=["ring-1", "ring-2", "nobody"], remove=["number"], options=named
    )
    change.attributes["seen"].truth = True
    first, again = catalog.SetAttributes(change), catalog.SetAttributes(change)
    assert (first.num_objects, first.was_done) == (2, False)
    assert list(first.unknown_ids) == ["nobody"]
    assert (again.num_objects, again.was_done) == (2, True)
    assert again.context.collection_version == first.context.collection_version
    labels = catalog_pb2.SetLabelsRequest(ids=["ring-1"], add=["lens", "star"])
    assert catalog.SetLabels(labels).num_objects == 1
    catalog.SetLabels(catalog_pb2.SetLabelsRequest(ids=["ring-1"], remove=["star"]))
    found = catalog.GetObject(catalog_pb2.GetObjectRequest(id="ring-1")).object
    assert list(found.labels) == ["lens"]
    assert found.attributes["seen"].truth
    assert "number" not in found.attributes
    assert listed(stubs, filter=types_pb2.Filter(label="lens")) == ["ring-1"]
    gone = catalog.DeleteObjects(catalog_pb2.DeleteObjectsRequest(ids=["ring-1", "x"]))
    assert (gone.num_objects, list(gone.unknown_ids)) == (1, ["x"])
    request = catalog_pb2.DeleteObjectsRequest(ids=["ring-1", "x", "ring-1"])
    again = catalog.DeleteObjects(request)
    assert (again.num_objects, list(again.unknown_ids)) == (0, ["ring-1", "x"])
    assert again.context.collection_version == gone.context.collection_version
    assert (
        refusal(lambda: catalog.GetObject(catalog_pb2.GetObjectRequest(id="ring-1")))
        == "UNKNOWN_ID"
    )


def test_a_request_id_is_bound_to_what_was_asked(stubs: SimpleNamespace) -> None:
    """Whatever the collection is called, and however durable it shall be."""
    catalog = stubs.catalog
    catalog.SetAlias(catalog_pb2.SetAliasRequest(alias="live", collection="sky"))
    named = catalog_pb2.WriteOptions(request_id="night-1", ack=ASYNC)
    labels = catalog_pb2.SetLabelsRequest(ids=["ring-1"], add=["a"], options=named)
    assert not catalog.SetLabels(labels).was_done
    others = (
        (catalog.DeleteObjects, catalog_pb2.DeleteObjectsRequest(ids=["ring-1"])),
        (catalog.SetLabels, catalog_pb2.SetLabelsRequest(ids=["ring-1"], add=["b"])),
        (catalog.SetLabels, catalog_pb2.SetLabelsRequest(ids=["ring-2"], add=["a"])),
    )
    for call, request in others:
        request.options.CopyFrom(named)
        assert refusal(functools.partial(call, request)) == "REQUEST_ID_REUSED"
    labels.collection, labels.options.ack = "live", SYNC
    assert catalog.SetLabels(labels).was_done
    new = catalog_pb2.NewObject(id="new", vector=vector(1))
    for number in range(5):  # in whatever order a map is sent
        new.attributes[f"n{number}"].integer = number
    add = catalog_pb2.AddObjectsRequest(objects=[new], options=named)
    assert refusal(lambda: catalog.AddObjects(add)) == "REQUEST_ID_REUSED"
    add.options.request_id = "night-2"
    assert not catalog.AddObjects(add).was_done
    again = catalog_pb2.NewObject(id="new", vector=vector(1))
    for number in reversed(range(5)):
        again.attributes[f"n{number}"].integer = number
    del add.objects[:]
    add.objects.append(again)
    assert catalog.AddObjects(add).was_done


def test_objects_are_replaced_when_that_is_asked_for(stubs: SimpleNamespace) -> None:
    new = catalog_pb2.NewObject(id="ring-1", vector=vector(1), labels=["new"])
    add = catalog_pb2.AddObjectsRequest(objects=[new])
    assert refusal(lambda: stubs.catalog.AddObjects(add)) == "ALREADY_EXISTS"
    add.replace = True
    add.options.request_id = "again"
    assert list(stubs.catalog.AddObjects(add).objects[0].labels) == ["new"]
    assert stubs.catalog.AddObjects(add).was_done
    assert (
        stubs.catalog.CountObjects(catalog_pb2.CountObjectsRequest()).num_objects == 60
    )
    assert listed(stubs, filter=types_pb2.Filter(label="new")) == ["ring-1"]


def test_collections_and_aliases_come_and_go(stubs: SimpleNamespace) -> None:
    catalog = stubs.catalog
    made = catalog.CreateCollection(
        catalog_pb2.CreateCollectionRequest(collection="other", model_of="sky")
    ).collection
    sky = catalog.GetCollection(catalog_pb2.GetCollectionRequest(collection="sky"))
    assert made.context.model_id == sky.collection.context.model_id
    assert (made.num_objects, sky.collection.num_objects) == (0, 60)
    for target in ("sky", "other"):
        catalog.SetAlias(catalog_pb2.SetAliasRequest(alias="live", collection=target))
    live = catalog_pb2.GetCollectionRequest(collection="live")
    assert catalog.GetCollection(live).collection.context.collection == "other"
    other = catalog_pb2.DeleteCollectionRequest(collection="other")
    assert refusal(lambda: catalog.DeleteCollection(other)) == "HAS_ALIAS"
    roll_back = catalog_pb2.RollBackAliasRequest(alias="live", from_collection="other")
    assert catalog.RollBackAlias(roll_back).alias.collection == "sky"
    catalog.SetAlias(catalog_pb2.SetAliasRequest(alias="live", collection="sky"))
    assert refusal(lambda: catalog.RollBackAlias(roll_back)) == "ALIAS_MOVED"
    roll_back.from_collection = ""
    assert refusal(lambda: catalog.RollBackAlias(roll_back)) == "NO_EARLIER_TARGET"
    aliases = catalog.ListAliases(catalog_pb2.ListAliasesRequest()).aliases
    assert [(one.alias, one.collection) for one in aliases] == [("live", "sky")]
    catalog.DeleteAlias(catalog_pb2.DeleteAliasRequest(alias="live"))
    catalog.DeleteCollection(other)
    assert refusal(lambda: catalog.GetCollection(live)) == "UNKNOWN_COLLECTION"
    assert refusal(lambda: catalog.DeleteCollection(other)) == "UNKNOWN_COLLECTION"


def test_clusters_are_listed_by_size(stubs: SimpleNamespace) -> None:
    found = stubs.catalog.ListClusters(catalog_pb2.ListClustersRequest())
    sizes = [one.size for one in found.clusters]
    assert found.fit_version == 1
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) + found.num_outside == found.num_objects == 60
    assert sum(one.weight for one in found.clusters) == pytest.approx(1, abs=0.05)
    assert all(one.exemplar_ids and one.name for one in found.clusters)


def test_a_search_goes_as_its_options_say(stubs: SimpleNamespace) -> None:
    search, by_id = stubs.search, types_pb2.Query(object_id="ring-1")

    def ids(k: int = 5, query: types_pb2.Query = by_id, **options: Any) -> list[str]:
        asked = search_pb2.NeighborsRequest(
            query=query, k=k, options=types_pb2.SearchOptions(**options)
        )
        return [hit.object.id for hit in search.Neighbors(asked).hits]

    plain = ids(59)
    assert ids(59, exact=True) == plain
    assert ids(59, least=True) == plain[::-1]
    assert all(id.startswith("long") for id in ids(filter=attribute("kind", "long")))
    assert ids(59, min_score=0.999999) == []
    examples = types_pb2.Query(
        examples=types_pb2.Examples(
            like_ids=["ring-1", "ring-2"], unlike_ids=["long-1"]
        )
    )
    found = ids(20, query=examples)
    assert not {"ring-1", "ring-2", "long-1"} & set(found)
    assert sum(id.startswith("ring") for id in found[:10]) >= 8
    place = types_pb2.SkyQuery(position=types_pb2.Position(ra_deg=150.01, dec_deg=4))
    assert ids(5, query=types_pb2.Query(sky=place)) == ids(5)
    both = search_pb2.AnalyzeRequest(
        query=by_id,
        k=3,
        options=types_pb2.SearchOptions(filter=attribute("kind", "long")),
    )
    analysis = search.Analyze(both)
    assert all(hit.object.id.startswith("long") for hit in analysis.hits)
    assert (
        analysis.anomaly
        == search.Analyze(search_pb2.AnalyzeRequest(query=by_id)).anomaly
    )


def test_vectors_come_in_other_types_too(stubs: SimpleNamespace) -> None:
    numbers = np.random.default_rng(3).normal(size=24)

    def best(dtype: str, name: Any) -> str:
        made = types_pb2.Vector(packed=numbers.astype(dtype).tobytes(), dtype=name)
        asked = search_pb2.NeighborsRequest(query=types_pb2.Query(vector=made), k=1)
        return str(stubs.search.Neighbors(asked).hits[0].object.id)

    wanted = best("<f4", types_pb2.D_TYPE_FLOAT32)
    assert best("<f2", types_pb2.D_TYPE_FLOAT16) == wanted
    assert best("<f8", types_pb2.D_TYPE_FLOAT64) == wanted
    assert refusal(lambda: best("<f4", 17)) == "BAD_VECTOR"


def test_an_axis_kind_that_nobody_knows_is_refused(
    stubs: SimpleNamespace, sky: SimpleNamespace
) -> None:
    """A newer client's would otherwise be read as something else."""
    later: Any = 17
    cutout = types_pb2.Cutout(fits=sky.draw("ring", 7), axis_kind=later)
    asked = search_pb2.EmbedRequest(query=types_pb2.Query(cutout=cutout))
    assert refusal(lambda: stubs.search.Embed(asked)) == "BAD_AXIS_KIND"
    cutout.axis_kind = types_pb2.AXIS_KIND_UNSPECIFIED
    asked = search_pb2.EmbedRequest(query=types_pb2.Query(cutout=cutout))
    assert stubs.search.Embed(asked).vector.packed


def deep(levels: int) -> types_pb2.Filter:
    made = attribute("kind", "ring")
    for _ in range(levels - 1):
        made = types_pb2.Filter(negated=made)
    return made


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (types_pb2.Filter(), "BAD_FILTER"),
        (types_pb2.Filter(negated=types_pb2.Filter()), "BAD_FILTER"),
        (types_pb2.Filter(flags=types_pb2.FlagSet(flags=["NONE"])), "BAD_FILTER"),
        (types_pb2.Filter(cone=types_pb2.Cone(radius_deg=1)), "BAD_FILTER"),
        (deep(17), "BAD_FILTER"),
        (
            types_pb2.Filter(
                attribute_in=types_pb2.AttributeIn(
                    name="kind", values=[types_pb2.Value()]
                )
            ),
            "BAD_ATTRIBUTE",
        ),
        (
            types_pb2.Filter(
                attribute_range=types_pb2.AttributeRange(name="x", low=float("nan"))
            ),
            "BAD_FILTER",
        ),
    ],
)
def test_filters_without_meaning_are_refused(
    stubs: SimpleNamespace, given: types_pb2.Filter, wanted: str
) -> None:
    asked = catalog_pb2.CountObjectsRequest(filter=given)
    assert refusal(lambda: stubs.catalog.CountObjects(asked)) == wanted
    assert len(listed(stubs, filter=deep(15))) == 20


@pytest.mark.parametrize(
    ("call", "request_", "wanted"),
    [
        ("ListObjects", {"page_token": "?"}, "BAD_PAGE_TOKEN"),
        ("ListObjects", {"page_token": "YQ=="}, "BAD_PAGE_TOKEN"),
        ("ListObjects", {"page_size": -1}, "BAD_PAGE_SIZE"),
        ("DeleteObjects", {"ids": ["x"] * 10_001}, "BAD_BATCH_SIZE"),
        ("DeleteObjects", {"options": {"request_id": "a b"}}, "BAD_REQUEST_ID"),
        ("DeleteObjects", {"options": {"ack": 9}}, "BAD_ACK"),
        ("SetLabels", {"ids": ["ring-1"], "add": [""]}, "BAD_OBJECT"),
        ("CreateCollection", {"collection": "No", "model_of": "sky"}, "BAD_NAME"),
        ("CreateCollection", {"collection": "sky"}, "ALREADY_EXISTS"),
        ("SetAlias", {"alias": "sky", "collection": "sky"}, "ALREADY_EXISTS"),
        ("SetAlias", {"alias": "a", "collection": "gone"}, "UNKNOWN_COLLECTION"),
        ("RollBackAlias", {"alias": "gone"}, "UNKNOWN_COLLECTION"),
        ("DeleteAlias", {"alias": "gone"}, "UNKNOWN_COLLECTION"),
    ],
)
def test_what_cannot_be_done_says_why(
    stubs: SimpleNamespace, call: str, request_: dict[str, Any], wanted: str
) -> None:
    made = getattr(catalog_pb2, f"{call}Request")(**request_)
    assert refusal(lambda: getattr(stubs.catalog, call)(made)) == wanted
