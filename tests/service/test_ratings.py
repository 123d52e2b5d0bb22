"""Ratings in a collection: kept, counted, lost with their objects, learned from."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from skylike.service.catalog import Catalog, Rating, Writing
from skylike.service.collection import Collection, Opinion, SkyObject
from skylike.service.collection.rating import _slices
from skylike.service.columns import OneOf
from skylike.service.engine import (
    Engine,
    ExamplesQuery,
    IdQuery,
    Order,
    Target,
    VectorQuery,
    Wanted,
)
from skylike.service.errors import AlreadyDone, BadRequest, DamagedData, NotReady
from skylike.service.fits import SkyPosition
from skylike.service.library import Library

MODEL = "m" * 64
GREAT, DULL = Opinion(5.0), Opinion(0.0)


def make(tmp_path: Path, count: int = 200, *, fitted: bool = True) -> Collection:
    """Objects ``o0`` and on; the last ten are of a small group far from the others."""
    directory = tmp_path / "sky"
    directory.mkdir()
    Collection.create(directory, MODEL, 8)
    collection = Collection(directory)
    random = np.random.default_rng(0)
    vectors = random.normal(0, 0.2, (count, 8))
    vectors[:, 0] += 1
    vectors[-10:, :2] -= (1, 1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    objects = [
        SkyObject(
            f"o{n}",
            SkyPosition(n * 1.5 % 360, 10.0),
            attributes={
                "side": "left" if vector[1] < 0 else "right",
                "tilt": float(vector[2]),
                "bright": bool(vector[3] > 0),
                "mixed": "text" if n % 2 else n,
            },
            labels=frozenset({"up" if vector[4] > 0 else "down"}),
        )
        for n, vector in enumerate(vectors)
    ]
    collection.add(objects, vectors.astype(np.float32))
    if fitted:
        collection.fit()
    return collection


def test_ratings_are_kept_with_who_and_when(tmp_path: Path) -> None:
    """The last of each person counts; the version rises, also of what is opened anew."""
    collection = make(tmp_path, fitted=False)
    version = collection.version
    assert collection.rate("ann", {"o1": GREAT, "o2": DULL, "none": GREAT}) == {
        "o1",
        "o2",
    }
    assert collection.version == version + 1
    collection.rate("bob", {"o1": Opinion(2.5, is_artefact=True, note="a ghost")})
    collection.rate("ann", {"o2": Opinion(1.0)})
    with collection:
        pass
    with Collection(tmp_path / "sky") as again:
        found = again.ratings()
        assert (found.version, again.version) == (version + 3, version + 3)
        told = [(one.id, one.who, one.opinion.score) for one in found.ratings]
        assert told == [("o1", "ann", 5.0), ("o1", "bob", 2.5), ("o2", "ann", 1.0)]
        assert found.ratings[1].opinion.note == "a ghost"
        assert found.ratings[1].opinion.interest == 0
        assert found.ratings[0].time > 1.6e9


def test_what_changes_nothing_leaves_the_version(tmp_path: Path) -> None:
    with make(tmp_path, fitted=False) as collection:
        collection.rate("ann", {"o1": GREAT})
        version = collection.version
        collection.rate("ann", {"o1": GREAT, "o2": None, "none": DULL})
        assert (collection.version, collection.ratings().version) == (version, version)
        collection.rate("ann", {"o1": None})
        assert collection.ratings() == (version + 1, ())


def test_a_rating_that_was_sent_twice_is_written_once(tmp_path: Path) -> None:
    with make(tmp_path, fitted=False) as collection:
        collection.rate("ann", {"o1": GREAT}, Writing("first"))
        with pytest.raises(AlreadyDone):
            collection.rate("ann", {"o1": GREAT}, Writing("first"))


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_ratings_go_with_their_objects(tmp_path: Path, how: str) -> None:
    with make(tmp_path, fitted=False) as collection:
        collection.rate("ann", {"o1": GREAT, "o2": DULL})
        if how == "deleted":
            collection.delete(["o1"])
        else:
            collection.upsert([collection.get("o1")], collection.vector("o1")[None])
        found = collection.ratings()
        assert [one.id for one in found.ratings] == ["o2"]
        assert found.version == collection.version
        collection.delete(["o3"])
        assert collection.ratings().version == found.version


def test_ratings_are_in_copies_and_taken_over(tmp_path: Path) -> None:
    """As a snapshot and a collection of another model have them."""
    with make(tmp_path, fitted=False) as old:
        old.rate("ann", {"o1": GREAT, "o199": DULL})
        old.copy_catalog(tmp_path / "copy.sqlite3")
        copied = Catalog(tmp_path / "copy.sqlite3")
        assert copied.ratings.all() == old.ratings()
        copied.close()
        (tmp_path / "other").mkdir()
        with make(tmp_path / "other", count=150, fitted=False) as new:
            new.rate("bob", {"o5": DULL})
            new.take_over_ratings(old)
            assert [one[1:] for one in new.ratings().ratings] == [
                one[1:] for one in old.ratings().ratings[:1]
            ]
            version = new.version
            new.take_over_ratings(old)
            assert new.version == version


def test_a_catalog_of_before_gets_room_for_ratings(tmp_path: Path) -> None:
    make(tmp_path, fitted=False).close()
    path = tmp_path / "sky" / "catalog.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE ratings")
        connection.execute("DROP TABLE rated")
        connection.execute("PRAGMA user_version = 4")
    connection.close()
    with Collection(tmp_path / "sky") as collection:
        assert collection.ratings() == (0, ())
        collection.rate("ann", {"o1": GREAT})
        assert len(collection.ratings().ratings) == 1


def test_a_flipped_bit_in_a_rating_is_told(tmp_path: Path) -> None:
    collection = make(tmp_path, fitted=False)
    collection.rate("ann", {"o1": GREAT})
    collection.close()
    path = tmp_path / "sky" / "catalog.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE ratings SET body = replace(body, '5', '4')")
    connection.close()
    with Collection(tmp_path / "sky") as again, pytest.raises(DamagedData):
        again.ratings()
    catalog = Catalog(path)
    assert any("rating" in flaw.message for flaw in catalog.scrub())
    catalog.close()


@pytest.mark.parametrize(
    "make_it",
    [
        lambda: Opinion(5.1),
        lambda: Opinion(-0.1),
        lambda: Opinion(float("nan")),
        lambda: Opinion(1, note="x" * 1001),
    ],
)
def test_an_opinion_that_breaks_a_rule_is_refused(make_it: object) -> None:
    assert callable(make_it)
    with pytest.raises(BadRequest) as caught:
        make_it()
    assert caught.value.reason == "bad_rating"


@pytest.mark.parametrize("who", ["", "  ", "x" * 201, "a\nb"])
def test_who_rates_has_a_name(tmp_path: Path, who: str) -> None:
    with make(tmp_path, 3, fitted=False) as collection:
        with pytest.raises(BadRequest) as caught:
            collection.rate(who, {"o1": GREAT})
        assert caught.value.reason == "bad_rating"


@pytest.fixture
def engine(data: Path) -> Iterator[Engine]:
    """Sixty objects of three kinds, fitted."""
    with Library(data) as library:
        yield Engine(library)


def rated(engine: Engine) -> None:
    engine.rate(
        "sky",
        "ann",
        {f"ring-{n}": GREAT for n in range(5)}
        | {f"{kind}-{n}": DULL for kind in ("round", "long") for n in range(5)},
    )


def test_what_was_taught_ranks_the_archive(engine: Engine) -> None:
    """Rings, which are liked, come before all that is like what is not."""
    with pytest.raises(NotReady) as caught:
        engine.anomalies("sky", Wanted(), Order.TAUGHT)
    assert caught.value.reason == "not_rated"
    rated(engine)
    found = engine.anomalies("sky", Wanted(), Order.TAUGHT)
    assert {one.object.id.split("-")[0] for one in found.items[:20]} == {"ring"}
    assert {one.object.id for one in found.items[:5]} == {f"ring-{n}" for n in range(5)}
    assert [one.interest for one in found.items[:5]] == [5.0] * 5
    interests = [one.interest or 0.0 for one in found.items]
    assert interests == sorted(interests, reverse=True)
    assert len(found.items) == 60


def test_an_archive_is_ranked_in_slices(tmp_path: Path) -> None:
    """Also a segment of which something is gone, which is not copied as a whole."""
    with make(tmp_path, 240, fitted=False) as collection:
        more = np.repeat(collection.vector("o0")[None], 20_000, axis=0)
        collection.add([SkyObject(f"more{n}") for n in range(len(more))], more)
        collection.compact()
        collection.delete(["more7"])
        found = [(len(rows), len(some)) for rows, some in _slices(collection._view)]
        assert all(num == num_vectors for num, num_vectors in found)
        assert sum(num for num, _ in found) == 20_239
        assert max(num for num, _ in found) <= 1 << 14


def test_pages_of_the_taught_order_are_of_one_state(engine: Engine) -> None:
    """A rating between two pages changes nothing; a second one ends the list."""
    rated(engine)
    whole = engine.anomalies("sky", Wanted(), Order.TAUGHT)
    first = engine.anomalies("sky", Wanted(limit=30), Order.TAUGHT)
    engine.rate("sky", "bob", {"round-9": GREAT})
    rest = engine.anomalies("sky", Wanted(after=first.last), Order.TAUGHT)
    assert (*first.items, *rest.items) == whole.items
    newest = engine.anomalies("sky", Wanted(limit=30), Order.TAUGHT)
    assert newest.ratings_version > first.ratings_version
    engine.rate("sky", "bob", {"round-8": GREAT})
    engine.anomalies("sky", Wanted(limit=30), Order.TAUGHT)
    with pytest.raises(BadRequest) as caught:
        engine.anomalies("sky", Wanted(after=first.last), Order.TAUGHT)
    assert caught.value.reason == "bad_page_token"


def test_the_typical_order_is_the_other_way_round(engine: Engine) -> None:
    odd = engine.anomalies("sky", Wanted())
    typical = engine.anomalies("sky", Wanted(), Order.TYPICAL)
    scores = [one.score for one in typical.items]
    assert scores == sorted(scores)
    assert {one.object.id for one in odd.items} == {
        one.object.id for one in typical.items
    }
    few = engine.anomalies(
        "sky", Wanted(where=OneOf("kind", ("ring",)), limit=3), Order.TYPICAL
    )
    rings = [one for one in typical.items if one.object.attributes["kind"] == "ring"]
    assert few.items == tuple(rings[:3])


def test_suggestions_are_not_rated_yet_and_go_where_ratings_point(
    engine: Engine,
) -> None:
    before = engine.suggestions("sky", num=10)
    oddest = engine.anomalies("sky", Wanted(limit=9)).items
    assert [one.object.id for one in before.suggestions[:9]] == [
        one.object.id for one in oddest
    ]
    assert [one.is_random for one in before.suggestions] == [False] * 9 + [True]
    assert before.num_rated == 0
    rated(engine)
    after = engine.suggestions("sky", num=10)
    assert after.num_rated == 15
    ids = [one.object.id for one in after.suggestions]
    assert all(id.startswith("ring") for id in ids[:9])
    taken = {one.id for one in engine.ratings("sky").ratings}
    assert not taken & set(ids)
    assert engine.suggestions("sky", num=10) == after
    rounds = engine.suggestions("sky", OneOf("kind", ("round",)), num=100)
    assert len(rounds.suggestions) == 15


def test_ratings_come_in_pages(engine: Engine) -> None:
    rated(engine)
    engine.rate("sky", "bob", {"ring-0": DULL})
    whole = engine.ratings("sky")
    assert (len(whole.ratings), whole.last) == (16, None)
    first = engine.ratings("sky", limit=10)
    assert (len(first.ratings), first.version) == (10, whole.version)
    rest = engine.ratings("sky", after=first.last)
    assert (*first.ratings, *rest.ratings) == whole.ratings
    assert len(engine.ratings("sky", "bob").ratings) == 1
    found: list[Rating] = []
    last = None
    while True:
        page = engine.ratings("sky", "ann", after=last, limit=4)
        found += page.ratings
        last = page.last
        if last is None:
            break
    assert found == [one for one in whole.ratings if one.who == "ann"]
    engine.rate("sky", "bob", {"ring-1": DULL})
    with pytest.raises(BadRequest) as caught:
        engine.ratings("sky", after=first.last)
    assert caught.value.reason == "bad_page_token"


def test_kinds_and_numbers_are_predicted(engine: Engine) -> None:
    """Of an object from the others, and of what is not there."""
    found = engine.predict("sky", IdQuery("ring-3"), Target(attribute="kind"))
    assert found.value == "ring"
    assert found.classes[0].name == "ring"
    assert sum(one.probability for one in found.classes) == pytest.approx(1.0)
    assert found.quality["balanced_accuracy"] > 0.9
    assert (found.num_examples, found.num_folds) == (60, 5)
    assert "ring-3" not in found.neighbor_ids
    right = 0
    for n in range(20):
        vector = engine.get("sky", f"long-{n}", with_vector=True).vector
        assert vector is not None
        other = engine.predict("sky", VectorQuery(vector), Target(attribute="kind"))
        right += other.value == "long"
        # An equal vector is that example itself.
        assert f"long-{n}" not in other.neighbor_ids
        asked = engine.predict("sky", IdQuery(f"long-{n}"), Target(attribute="kind"))
        assert other.classes == asked.classes
    assert right >= 17
    number = engine.predict("sky", IdQuery("ring-3"), Target(attribute="number"))
    assert number.low is not None
    assert number.high is not None
    assert isinstance(number.value, float)
    assert number.low < number.value < number.high


def test_labels_and_truth_are_predicted_where_written(tmp_path: Path) -> None:
    """Also after a write, which is learned from."""
    with make(tmp_path, fitted=False) as collection:
        lesson = collection.lesson(Target(labels=("up", "down")))
        assert lesson.classes == ("down", "up")
        assert lesson.model.quality(0.9)["balanced_accuracy"] > 0.85
        assert collection.lesson(Target(labels=("up", "down"))) is lesson
        truth = collection.lesson(Target(attribute="bright"))
        assert truth.classes == ("false", "true")
        collection.label(["o3"], remove=["up", "down"])
        fewer = collection.lesson(Target(labels=("up", "down")))
        assert len(fewer.ids) == len(lesson.ids) - 1
        collection.label(["o4"], add=["up", "down"])
        assert "o4" not in collection.lesson(Target(labels=("up", "down"))).ids
        part = collection.lesson(Target(attribute="tilt"), OneOf("side", ("left",)))
        assert 20 < len(part.ids) < 200


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (Target(attribute="nothing"), "unknown_attribute"),
        (Target(labels=("up", "sideways")), "too_few_examples"),
        (Target(attribute="mixed"), "bad_target"),
    ],
)
def test_what_cannot_be_predicted_is_told(
    tmp_path: Path, target: Target, reason: str
) -> None:
    with (
        make(tmp_path, fitted=False) as collection,
        pytest.raises((NotReady, BadRequest)) as caught,
    ):
        collection.lesson(target)
    assert caught.value.reason == reason


def test_who_misspells_what_to_predict_is_told_what_there_is(tmp_path: Path) -> None:
    """Only what objects have can be predicted, and not what else is known of them."""
    with make(tmp_path, fitted=False) as collection:
        with pytest.raises(BadRequest, match=r"an attribute 'tlit'; is it 'tilt'\?$"):
            collection.lesson(Target(attribute="tlit"))
        there = r"'valid_fraction'; there are: bright, mixed, side, tilt\.$"
        with pytest.raises(BadRequest, match=there):
            collection.lesson(Target(attribute="valid_fraction"))
    (bare := tmp_path / "bare").mkdir()
    Collection.create(bare, MODEL, 8)
    with Collection(bare) as collection:
        collection.add([SkyObject("o")], np.eye(1, 8, dtype=np.float32))
        with pytest.raises(BadRequest, match=r"an attribute 'tilt', nor any other\.$"):
            collection.lesson(Target(attribute="tilt"))


def test_a_class_that_has_no_other_is_named(tmp_path: Path) -> None:
    with make(tmp_path, fitted=False) as collection:
        left = OneOf("side", ("left",))
        with pytest.raises(NotReady, match=r"'side' have 'left': there is nothing"):
            collection.lesson(Target(attribute="side"), left)


def test_few_objects_and_those_of_few_places_teach_nothing(tmp_path: Path) -> None:
    with make(tmp_path, 19, fitted=False) as collection:
        with pytest.raises(NotReady, match="19 searchable objects"):
            collection.lesson(Target(attribute="tilt"))
        again = [
            SkyObject(f"again{n}", SkyPosition(0.0, 10.0), attributes={"tilt": 1.0})
            for n in range(30)
        ]
        vector = collection.vector("o0")
        collection.add(again, np.stack([vector] * 30))
        with pytest.raises(NotReady, match="49 searchable objects of 'sky', at 19"):
            collection.lesson(Target(attribute="tilt"))


@pytest.mark.parametrize(
    "wrong", [{}, {"attribute": "a", "labels": ("b", "c")}, {"labels": ("b", "b")}]
)
def test_a_target_is_one_thing(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequest) as caught:
        Target(**wrong)  # type: ignore[arg-type]
    assert caught.value.reason == "bad_target"


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, float("nan")])
def test_a_confidence_is_a_share(engine: Engine, confidence: float) -> None:
    with pytest.raises(BadRequest) as caught:
        engine.predict(
            "sky", IdQuery("ring-3"), Target(attribute="kind"), confidence=confidence
        )
    assert caught.value.reason == "bad_confidence"


def test_the_nearest_come_in_the_order_of_a_search(engine: Engine) -> None:
    """Page by page as at once, without the query, whatever is written meanwhile."""
    query = ExamplesQuery(("ring-0", "ring-1"), ("round-0",))
    whole = engine.alike("sky", query)
    assert whole.last is None
    wanted = engine.neighbors("sky", query, 100).hits
    assert [one.object.id for one in whole.hits] == [one.object.id for one in wanted]
    np.testing.assert_allclose(
        [one.score for one in whole.hits], [one.score for one in wanted], atol=1e-6
    )
    first = engine.alike("sky", query, limit=20)
    engine.delete("sky", ["ring-5"])
    engine.library.collection("sky").compact()
    rest = engine.alike("sky", query, after=first.last)
    ids = [one.object.id for one in (*first.hits, *rest.hits)]
    assert len(ids) == len(set(ids))
    assert [id for id in ids if id != "ring-5"] == [
        one.object.id for one in whole.hits if one.object.id != "ring-5"
    ]
    assert rest.hits[0].rank == 21
    rings = engine.alike("sky", query, OneOf("kind", ("ring",)), limit=4)
    assert [one.object.id.split("-")[0] for one in rings.hits] == ["ring"] * 4


def test_empty_and_constant_collections_give_clear_answers(tmp_path: Path) -> None:
    """Nothing to learn from, nothing to rank, one vector for all."""
    directory = tmp_path / "empty"
    directory.mkdir()
    Collection.create(directory, MODEL, 8)
    with Collection(directory) as empty:
        assert empty.rate("ann", {"none": GREAT}) == set()
        assert empty.ratings() == (0, ())
        with pytest.raises(NotReady):
            empty.lesson(Target(attribute="tilt"))
        assert empty.alike(np.eye(8, dtype=np.float32)[0]) == []
        objects = [
            SkyObject(f"o{n}", attributes={"tilt": 1.0, "kind": "one"})
            for n in range(40)
        ]
        vectors = np.repeat(np.eye(8, dtype=np.float32)[:1], 40, axis=0)
        empty.add(objects, vectors)
        empty.fit()
        empty.rate("ann", {"o0": GREAT, "o1": DULL})
        ranks = empty.ranks()
        assert ranks is not None
        taught = empty.taught(ranks)
        assert taught is not None
        assert np.isfinite(taught.interests).all()
        assert (taught.interests[0], taught.interests[1]) == (5.0, 0.0)
        model = empty.lesson(Target(attribute="tilt")).model
        assert model.quality(0.8)["median_absolute_error"] == pytest.approx(0)
        with pytest.raises(NotReady, match="nothing to tell apart"):
            empty.lesson(Target(attribute="kind"))
        found = empty.alike(vectors[0], limit=3)
        assert [one.id for _, one in found] == ["o0", "o1", "o2"]


def test_an_unfitted_collection_says_how_to_fit_it(engine: Engine) -> None:
    engine.create("new", "sky")
    for ask in (
        lambda: engine.suggestions("new"),
        lambda: engine.anomalies("new", Wanted(), Order.TAUGHT),
        lambda: engine.anomalies("new", Wanted(), Order.TYPICAL),
    ):
        with pytest.raises(NotReady) as caught:
            ask()
        assert caught.value.reason == "not_fitted"
