"""What the objects of a collection teach: places, and what is learned once and kept."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skylike.service import caller
from skylike.service.catalog import SkyObject
from skylike.service.collection import Collection, Opinion, Target
from skylike.service.collection.learned import Learned
from skylike.service.collection.places import places_of
from skylike.service.columns import OneOf
from skylike.service.errors import BadRequest, Cancelled
from skylike.service.fits import SkyPosition

TILT = Target(attribute="tilt")


def at(*positions: tuple[float, float]) -> list[SkyObject]:
    """Objects at some right ascensions and declinations, degrees."""
    return [
        SkyObject(f"o{n}", SkyPosition(*position))
        for n, position in enumerate(positions)
    ]


def make(tmp_path: Path, count: int = 100, **attributes: Any) -> Collection:
    """Objects 1.5 degrees apart, in any direction."""
    directory = tmp_path / "sky"
    directory.mkdir()
    Collection.create(directory, "m" * 64, 8)
    collection = Collection(directory)
    collection.add(objects("o", count, **attributes), unit(count))
    return collection


def objects(prefix: str, count: int, **attributes: Any) -> list[SkyObject]:
    return [
        SkyObject(
            f"{prefix}{n}",
            SkyPosition(n * 1.5 % 360, 10.0),
            attributes={"tilt": n % 7 * 0.1, **attributes},
        )
        for n in range(count)
    ]


def unit(count: int, seed: int = 0) -> Any:
    vectors = np.random.default_rng(seed).normal(size=(count, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


@pytest.mark.parametrize("dec", [-89.999, -60.0, 0.0, 30.0, 89.9999])
def test_two_epochs_are_of_one_place_wherever_it_lies(dec: float) -> None:
    """Half an arcsec apart: across the edges of any grid, and where 360 degrees are 0."""
    away = 0.5 / 3600
    across = away / np.cos(np.radians(dec)) / 2
    for ra in (0.0, 123.456, 123.456 + across, 359.9999):
        first, second = places_of(
            at(((ra - across) % 360, dec), ((ra + across) % 360, dec))
        )
        assert first == second
        first, second = places_of(at((ra, dec - np.sign(dec) * away), (ra, dec)))
        assert first == second


def test_friends_of_friends_are_of_one_place_and_others_are_not() -> None:
    chain = [(10.0, 15 / 3600 * n) for n in range(5)]
    places = places_of(at(*chain, (10.0, 82 / 3600), (10.0, 0.05)))
    assert len(set(places[:5].tolist())) == 1
    assert len(set(places.tolist())) == 3


def test_epochs_by_the_thousand_are_joined_in_little_memory() -> None:
    random = np.random.default_rng(0)
    near = random.normal(0, 0.3 / 3600, (5000, 2)) + np.array([200.0, 20.0])
    assert set(places_of(at(*map(tuple, near))).tolist()) == {0}


def test_what_has_no_position_is_where_its_file_is() -> None:
    files = ["a.fits", "b.fits", "a.fits", None, None]
    found = places_of([SkyObject(f"o{n}", uri=uri) for n, uri in enumerate(files)])
    assert found[0] == found[2]
    assert len(set(found.tolist())) == 4


def test_a_lesson_is_kept_until_its_examples_change(tmp_path: Path) -> None:
    """Ratings, objects that tell nothing of it and compaction leave it as it is."""
    with make(tmp_path) as collection:
        lesson = collection.lesson(TILT)
        collection.rate("ann", {"o1": Opinion(5.0)})
        assert collection.lesson(TILT) is lesson
        collection.add([SkyObject("mute", SkyPosition(3.0, 3.0))], unit(1, seed=1))
        assert collection.lesson(TILT).model is lesson.model
        collection.compact()
        assert collection.lesson(TILT).model is lesson.model
        collection.add(objects("new", 1), unit(1, seed=2))
        more = collection.lesson(TILT)
        assert len(more.ids) == 101
        collection.label(["o3"], add=["seen"])
        assert collection.lesson(TILT).model is more.model
        collection.upsert(objects("o", 1, tilt=9.0), unit(1))
        changed = collection.lesson(TILT)
        assert changed.model is not more.model
        assert collection.lesson(TILT) is changed


def test_filters_that_python_calls_equal_teach_each_their_own(tmp_path: Path) -> None:
    with make(tmp_path, 60, kind=1) as collection:
        collection.add(
            [
                SkyObject(
                    f"t{n}",
                    SkyPosition(n * 1.5, -10.0),
                    attributes={"tilt": 0.1 * n, "kind": True},
                )
                for n in range(40)
            ],
            unit(40, seed=3),
        )
        numbers = collection.lesson(TILT, OneOf("kind", (1,)))
        truths = collection.lesson(TILT, OneOf("kind", (True,)))
        assert (len(numbers.ids), len(truths.ids)) == (60, 40)


def test_objects_that_are_deleted_meanwhile_are_not_learned_from(
    tmp_path: Path,
) -> None:
    """Between reading what they tell and reading their vectors."""
    with make(tmp_path, 100) as collection:
        stop = threading.Event()

        def write() -> None:
            for number in range(10_000):
                if stop.is_set():
                    return
                collection.delete([f"o{number % 60}"])
                collection.add(
                    [
                        SkyObject(
                            f"o{number % 60}",
                            SkyPosition(number % 60, 40.0),
                            attributes={"tilt": 0.5},
                        )
                    ],
                    unit(1, seed=number),
                )

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            try:
                for _ in range(30):
                    assert len(collection.lesson(TILT).ids) >= 90
            finally:
                stop.set()
            writing.result()


@pytest.mark.parametrize("value", [1e154, -2e300])
def test_numbers_that_cannot_be_squared_are_refused(
    tmp_path: Path, value: float
) -> None:
    with make(tmp_path) as collection:
        collection.add(
            [SkyObject("huge", SkyPosition(3.0, 3.0), attributes={"tilt": value})],
            unit(1, seed=1),
        )
        with pytest.raises(BadRequest, match="leave these out by a filter") as caught:
            collection.lesson(TILT)
        assert caught.value.reason == "bad_target"


def test_an_object_is_an_example_by_its_id_or_its_vector(tmp_path: Path) -> None:
    with make(tmp_path) as collection:
        lesson = collection.lesson(TILT)
        vector = collection.vector("o7")
        assert lesson.example(unit(1, seed=9)[0], ["o7"]) == lesson.ids.index("o7")
        assert lesson.example(vector) == lesson.ids.index("o7")
        assert lesson.example(unit(1, seed=9)[0]) is None


class _Lessons:
    """Things to learn, and how often each was."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.began = threading.Event()
        self.go_on = threading.Event()

    def of(self, key: str) -> Callable[[str | None], str]:
        def learn(_: str | None) -> str:
            self.counts[key] = self.counts.get(key, 0) + 1
            self.began.set()
            assert self.go_on.wait(10)
            caller.check()
            return key.upper()

        return learn


def test_what_many_ask_for_at_once_is_learned_once_and_stops_no_other() -> None:
    lessons, learned = _Lessons(), Learned[str, str](2)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(learned.of, "a", lessons.of("a")) for _ in range(4)]
        assert lessons.began.wait(10)
        assert learned.of("b", lambda _: "B") == "B"
        lessons.go_on.set()
        assert [one.result() for one in asked] == ["A"] * 4
    assert lessons.counts == {"a": 1}
    learned.of("c", lambda _: "C")
    assert (learned.known("a"), learned.known("b")) == ("A", None)


def test_who_waits_for_another_does_so_no_longer_than_its_caller() -> None:
    lessons, learned = _Lessons(), Learned[str, str](2)
    is_gone = threading.Event()

    def still() -> None:
        if is_gone.is_set():
            raise Cancelled("the caller has gone")

    def ask() -> str:
        with caller.waits(still):
            return learned.of("a", lessons.of("a"))

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(learned.of, "a", lessons.of("a"))
        assert lessons.began.wait(10)
        second = pool.submit(ask)
        is_gone.set()
        with pytest.raises(Cancelled):
            second.result(10)
        assert not first.done()
        lessons.go_on.set()
        assert first.result(10) == "A"


def test_if_the_first_gives_up_the_next_learns_by_itself() -> None:
    lessons, learned = _Lessons(), Learned[str, str](2)

    def gone() -> None:
        raise Cancelled("the caller has gone")

    def ask() -> str:
        with caller.waits(gone):
            return learned.of("a", lessons.of("a"))

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask)
        assert lessons.began.wait(10)
        second = pool.submit(learned.of, "a", lessons.of("a"))
        lessons.go_on.set()
        with pytest.raises(Cancelled):
            first.result(10)
        assert second.result(10) == "A"
    assert lessons.counts == {"a": 2}
