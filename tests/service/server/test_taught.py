"""Teaching over a real socket: pages that fit together, and whom learning keeps waiting."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from tests.told import refusal

from skylike.service.catalog import SkyObject
from skylike.service.config import Settings
from skylike.service.encoder import BASE
from skylike.service.engine import Engine
from skylike.service.index import Kind
from skylike.service.keys import Keys, Scope
from skylike.service.library import Library
from skylike.service.server.serve import Server
from skylike.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    teaching_pb2,
    teaching_pb2_grpc,
    types_pb2,
)


def stubs(channel: grpc.Channel) -> SimpleNamespace:
    return SimpleNamespace(
        catalog=catalog_pb2_grpc.CatalogServiceStub(channel),
        search=search_pb2_grpc.SearchServiceStub(channel),
        teaching=teaching_pb2_grpc.TeachingServiceStub(channel),
    )


@pytest.fixture
def sky(data: Path) -> Iterator[SimpleNamespace]:
    """A server on a copy of the archive, twice: ``sky`` and ``other``, called ``now``."""
    settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        old = library.collection("sky")
        new = library.create("other", library.model_path("sky"))
        ids = [f"{kind}-{n}" for kind in ("ring", "round", "long") for n in range(20)]
        vectors = np.stack([old.vector(id) for id in ids])
        new.add([old.get(id) for id in ids], np.roll(vectors, 7, axis=0))
        library.point_alias("now", "sky")
        yield SimpleNamespace(library=library, **vars(stubs(channel)))


def query(*ids: str) -> types_pb2.Query:
    return types_pb2.Query(examples=types_pb2.Examples(like_ids=ids))


def replaced(sky: SimpleNamespace) -> None:
    collection = sky.library.collection("sky")
    collection.upsert([collection.get("ring-0")], collection.vector("long-3")[None])


@pytest.mark.parametrize(
    "change",
    [
        lambda sky: sky.library.point_alias("now", "other"),
        replaced,
        lambda sky: sky.library.collection("sky").compact(Kind.IVF),
    ],
    ids=["alias switched", "query replaced", "vectors rounded"],
)
def test_pages_of_the_nearest_are_of_one_space_and_one_question(
    sky: SimpleNamespace, change: Callable[[SimpleNamespace], None]
) -> None:
    request = search_pb2.ListNearestRequest(
        collection="now", query=query("ring-0"), page_size=10
    )
    request.page_token = sky.search.ListNearest(request).next_page_token
    assert sky.search.ListNearest(request).hits[0].rank == 11
    change(sky)
    assert refusal(lambda: sky.search.ListNearest(request)) == "BAD_PAGE_TOKEN"


def test_pages_of_ratings_are_of_one_collection(sky: SimpleNamespace) -> None:
    """Though both were changed last in the same version."""
    opinions = [
        teaching_pb2.NewRating(object_id=f"ring-{n}", score=n) for n in range(5)
    ]
    for name in ("sky", "other"):
        sky.teaching.RateObjects(
            teaching_pb2.RateObjectsRequest(
                collection=name, who="a/b", ratings=opinions
            )
        )
    request = teaching_pb2.ListRatingsRequest(collection="now", page_size=2)
    found = []
    while True:
        page = sky.teaching.ListRatings(request)
        found += page.ratings
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert [one.score for one in found] == [0, 1, 2, 3, 4]
    sky.library.point_alias("now", "other")
    assert refusal(lambda: sky.teaching.ListRatings(request)) == "BAD_PAGE_TOKEN"


def test_examples_are_not_named_without_end(sky: SimpleNamespace) -> None:
    """A thousand will do; a million would be looked up for nobody."""
    many = query(*["ring-0"] * 1001)
    asked = search_pb2.NeighborsRequest(collection="sky", query=many, k=3)
    assert refusal(lambda: sky.search.Neighbors(asked)) == "BAD_BATCH_SIZE"
    asked.query.CopyFrom(query(*["ring-0"] * 1000))
    assert len(sky.search.Neighbors(asked).hits) == 3


def test_with_which_key_something_was_rated_is_kept(tmp_path: Path, data: Path) -> None:
    """Who says so is what a caller writes; the key is what it has."""
    keys = Keys(tmp_path / "keys.toml")
    secret = keys.add("night-shift", Scope.WRITE)
    settings = Settings(data=data, address="127.0.0.1:0", keys=keys.path)
    metadata = (("authorization", f"Bearer {secret}"),)
    with (
        Library(data) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        ask = stubs(channel).teaching
        ask.RateObjects(
            teaching_pb2.RateObjectsRequest(
                collection="sky",
                who="ann",
                ratings=[teaching_pb2.NewRating(object_id="ring-0", score=5)],
            ),
            metadata=metadata,
        )
        [one] = ask.ListRatings(
            teaching_pb2.ListRatingsRequest(collection="sky"), metadata=metadata
        ).ratings
        assert (one.who, one.key) == ("ann", "night-shift")


@pytest.fixture
def learning(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A server that does one thing at a time, on what takes seconds to learn from."""
    count = 3000
    random = np.random.default_rng(0)
    settings = Settings(
        data=tmp_path, address="127.0.0.1:0", workers=1, max_wait_seconds=0.2
    )
    with (
        Library(tmp_path) as library,
        Server(Engine(library), settings) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        sky = library.create("sky", BASE)
        vectors = random.normal(size=(count, sky.dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        sky.add(
            [
                SkyObject(f"o{n}", attributes={"tilt": float(tilt)})
                for n, tilt in enumerate(vectors[:, 0])
            ],
            vectors,
        )
        sky.fit(method="kmeans", number=2)
        yield stubs(channel)


def test_questions_are_answered_while_somebody_waits_for_a_lesson(
    learning: SimpleNamespace,
) -> None:
    query = types_pb2.Query(object_id="o1")
    asked = search_pb2.PredictRequest(collection="sky", query=query, attribute="tilt")
    quick = search_pb2.AnalyzeRequest(collection="sky", query=query, k=3)
    learning.search.Analyze(quick)
    odd, taught = (
        catalog_pb2.ListAnomaliesRequest(collection="sky", order=order)
        for order in (
            catalog_pb2.ANOMALY_ORDER_ODDEST,
            catalog_pb2.ANOMALY_ORDER_TAUGHT,
        )
    )
    ended: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        lessons = [
            pool.submit(learning.search.Predict, asked, timeout=100) for _ in range(3)
        ]
        for lesson in lessons:  # whichever comes first
            lesson.add_done_callback(lambda _: ended.append("lesson"))
        time.sleep(0.2)
        other = pool.submit(learning.catalog.ListAnomalies, taught, timeout=100)
        other.add_done_callback(lambda _: ended.append("taught"))
        learning.catalog.ListAnomalies(odd, timeout=20)
        ended.append("odd")
        count = 0
        while "lesson" not in ended:
            learning.search.Analyze(quick, timeout=20)
            count += 1
        assert count >= 5
        assert other.exception(100) is not None  # nothing was rated
        assert ended[:2] == ["odd", "lesson"]
        told = [lesson.result().value.number for lesson in lessons]
    assert told == told[:1] * 3
