"""Collections beside dictionaries: whatever is done in whatever order, they agree."""

import dataclasses
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from skylike.service.catalog import SkyObject
from skylike.service.collection import Collection, Opinion
from skylike.service.columns import (
    All,
    AnyOf,
    Between,
    Cone,
    Equals,
    Filter,
    Flagged,
    Labelled,
    Not,
    WithIds,
)
from skylike.service.columns import names as attributes_of
from skylike.service.errors import (
    AlreadyExists,
    BadRequest,
    UnknownCollection,
    UnknownId,
)
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag
from skylike.service.index import Kind
from skylike.service.library import Library

DIMENSION = 24  # of the model
# A longer run of the same: STEPS=200 EXAMPLES=500.
EXAMPLES = int(os.environ.get("EXAMPLES", "15"))
STEPS = int(os.environ.get("STEPS", "25"))

names = st.sampled_from(["one", "two", "three"])
aliases = st.sampled_from(["live", "best"])
ids = st.sampled_from([f"o{i}" for i in range(25)])
objects = st.builds(
    SkyObject,
    id=ids,
    position=st.none()
    | st.builds(
        SkyPosition, st.sampled_from([0.0, 10.0, 359.9]), st.sampled_from([-5.0, 80.0])
    ),
    attributes=st.dictionaries(
        st.sampled_from(["z", "kind"]),
        st.sampled_from([1, 0.5, True, "disc"]),
        max_size=2,
    ),
    labels=st.frozensets(st.sampled_from(["odd", "ring"]), max_size=2),
    flags=st.sampled_from([Flag(0), Flag(0), Flag.EDGE, Flag.CONSTANT]),
    thumbnail=st.sampled_from([b"", b"png"]),
)
batches = st.lists(objects, min_size=1, max_size=6, unique_by=lambda one: one.id)
seeds = st.integers(0, 20)  # few, so that vectors are often equal
filters: st.SearchStrategy[Filter] = st.sampled_from(
    [
        Equals("z", 1),
        Between("z", 0.6),
        Equals("kind", "disc"),
        Labelled("odd"),
        Flagged(Flag.EDGE),
        Cone(SkyPosition(0.0, -5.0), 1.0),
        WithIds(frozenset({"o1", "o2", "o3"})),
        Not(Labelled("odd")),
        All((Labelled("ring"), Not(Equals("z", True)))),
        AnyOf((Equals("z", 0.5), Labelled("odd"))),
    ]
)


def vector(seed: int) -> Any:
    found = np.random.default_rng(seed).normal(size=DIMENSION)
    return (found / np.linalg.norm(found)).astype(np.float32)


def chosen(wanted: Filter, one: SkyObject) -> bool:
    """Of the filters above, in plain words."""
    match wanted:
        case Equals(name=name, value=value):
            found = one.attributes.get(name)
            return found == value and isinstance(found, bool) == isinstance(value, bool)
        case Between(name=name, low=low):
            found = one.attributes.get(name)
            is_number = isinstance(found, int | float) and not isinstance(found, bool)
            return is_number and float(found) >= (low or 0)  # type: ignore[arg-type]
        case Labelled(label=label):
            return label in one.labels
        case Flagged(flags=flags):
            return flags in one.flags
        case Cone():
            where = one.position
            return (
                where is not None and where.dec_deg < 0 and where.ra_deg in (0, 359.9)
            )
        case WithIds(ids=names):
            return one.id in names
        case Not(part=part):
            return not chosen(part, one)
        case All(parts=parts):
            return all(chosen(part, one) for part in parts)
        case AnyOf(parts=parts):
            return any(chosen(part, one) for part in parts)
    raise AssertionError(wanted)


@dataclass
class Store:
    """What a collection holds.

    Attributes
    ----------
    known
        Objects and vectors by id.
    order
        The ids in the order of writing.
    rated
        Scores by id and by who; they go with their objects.
    version
        Of the collection, when it was copied.
    """

    known: dict[str, tuple[SkyObject, Any]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    rated: dict[tuple[str, str], float] = field(default_factory=dict)
    version: int = 0

    def copied(self, version: int) -> "Store":
        return Store(dict(self.known), list(self.order), dict(self.rated), version)

    def forget_ratings(self, id: str) -> None:
        self.rated = {key: one for key, one in self.rated.items() if key[0] != id}


class Machine(RuleBasedStateMachine):
    """What is stored, beside the library that stores it."""

    model: ClassVar[Path]

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.library = Library(self.folder / "data")
        self.library.create("one", self.model)
        self.name = "one"  # that is worked on
        self.stores = {"one": Store()}
        self.snapshots: list[tuple[Path, Store]] = []
        self.targets: dict[str, list[str]] = {}  # of each alias, the newest first

    def teardown(self) -> None:
        if hasattr(self, "library"):
            self.library.close()
            shutil.rmtree(self.folder)

    @property
    def collection(self) -> Collection:
        return self.library.collection(self.name)

    @property
    def known(self) -> dict[str, tuple[SkyObject, Any]]:
        return self.stores[self.name].known

    @property
    def order(self) -> list[str]:
        return self.stores[self.name].order

    def store(self, batch: list[SkyObject], vectors: Any) -> None:
        for one, made in zip(batch, vectors, strict=True):
            if one.id in self.known:
                self.order.remove(one.id)
                self.stores[self.name].forget_ratings(one.id)
            self.order.append(one.id)
            self.known[one.id] = one, made

    @rule(batch=batches, seed=seeds)
    def add(self, batch: list[SkyObject], seed: int) -> None:
        vectors = np.stack([vector(seed + i) for i in range(len(batch))])
        if any(one.id in self.known for one in batch):
            version = self.collection.version
            with pytest.raises(AlreadyExists):
                self.collection.add(batch, vectors)
            assert self.collection.version == version
        else:
            self.collection.add(batch, vectors)
            self.store(batch, vectors)

    @rule(batch=batches, seed=seeds)
    def upsert(self, batch: list[SkyObject], seed: int) -> None:
        vectors = np.stack([vector(seed + i) for i in range(len(batch))])
        self.collection.upsert(batch, vectors)
        self.store(batch, vectors)

    @rule(names=st.lists(ids, max_size=4))
    def delete(self, names: list[str]) -> None:
        there = set(names) & set(self.known)
        assert self.collection.delete(names) == there
        for name in there:
            del self.known[name]
            self.order.remove(name)
            self.stores[self.name].forget_ratings(name)

    @rule(names=st.lists(ids, max_size=4), value=st.sampled_from([1, 0.5, None]))
    def set_attributes(self, names: list[str], value: float | None) -> None:
        there = set(names) & set(self.known)
        assert self.collection.set_attributes(names, {"z": value}) == there
        for name in there:
            one, made = self.known[name]
            told = {key: v for key, v in one.attributes.items() if key != "z"}
            told |= {} if value is None else {"z": value}
            self.known[name] = dataclasses.replace(one, attributes=told), made

    @rule(names=st.lists(ids, max_size=4))
    def label(self, names: list[str]) -> None:
        there = set(names) & set(self.known)
        assert self.collection.label(names, ["odd"], ["ring"]) == there
        for name in there:
            one, made = self.known[name]
            told = (one.labels | {"odd"}) - {"ring"}
            self.known[name] = dataclasses.replace(one, labels=told), made

    @rule(
        names=st.lists(ids, max_size=4),
        who=st.sampled_from(["ann", "bob"]),
        score=st.sampled_from([0.0, 2.5, 5.0, None]),
    )
    def rate(self, names: list[str], who: str, score: float | None) -> None:
        there = set(names) & set(self.known)
        opinion = None if score is None else Opinion(score)
        assert self.collection.rate(who, dict.fromkeys(names, opinion)) == there
        rated = self.stores[self.name].rated
        for name in there:
            rated.pop((name, who), None)
            if score is not None:
                rated[name, who] = score

    @rule(kind=st.sampled_from([None, Kind.FLAT, Kind.HNSW]))
    def compact(self, kind: Kind | None) -> None:
        self.collection.compact(kind)

    @rule()
    def restart(self) -> None:
        self.library.close()
        self.library = Library(self.folder / "data")

    @rule(pattern=st.sampled_from(["manifest.json", "*.faiss", "*.columns"]))
    def lose_what_is_derived(self, pattern: str) -> None:
        self.library.close()
        directory = self.folder / "data" / "collections" / self.name
        for path in list(directory.rglob(pattern))[:1]:
            path.write_bytes(path.read_bytes()[:-3])
        self.library = Library(self.folder / "data")

    @rule()
    def snapshot(self) -> None:
        path = self.folder / f"{len(self.snapshots)}.snapshot"
        facts = self.library.snapshot(self.name, path)
        assert (facts.collection, facts.num_objects) == (self.name, len(self.known))
        store = self.stores[self.name].copied(facts.version)
        self.snapshots.append((path, store))

    @precondition(lambda self: self.snapshots)
    @rule(name=names, data=st.data())
    def restore(self, name: str, data: st.DataObject) -> None:
        path, store = data.draw(st.sampled_from(self.snapshots))
        if name in self.stores:
            with pytest.raises(AlreadyExists):
                self.library.restore(path, name)
            return
        assert self.library.restore(path, name).version == store.version
        self.stores[name] = store.copied(store.version)

    @rule(name=names)
    def work_on(self, name: str) -> None:
        if name in self.stores:
            self.name = name

    @rule(name=names)
    def delete_a_collection(self, name: str) -> None:
        if name not in self.stores:
            with pytest.raises(UnknownCollection):
                self.library.delete(name)
        elif name in [targets[0] for targets in self.targets.values()]:
            with pytest.raises(BadRequest, match="points to"):
                self.library.delete(name)
        elif name != self.name:
            self.library.delete(name)
            del self.stores[name]
            for targets in self.targets.values():
                targets[:] = [one for one in targets if one != name]

    @rule(alias=aliases, name=names)
    def point(self, alias: str, name: str) -> None:
        if name not in self.stores:
            with pytest.raises(UnknownCollection):
                self.library.point_alias(alias, name)
            return
        self.library.point_alias(alias, name)
        before = [one for one in self.targets.get(alias, []) if one != name]
        self.targets[alias] = [name, *before]

    @rule(alias=aliases)
    def roll_back(self, alias: str) -> None:
        targets = self.targets.get(alias, [])
        if len(targets) < 2:
            with pytest.raises(BadRequest if targets else UnknownCollection):
                self.library.rollback_alias(alias)
            return
        assert self.library.rollback_alias(alias) == targets[1]
        del targets[0]

    @rule(alias=aliases)
    def drop(self, alias: str) -> None:
        if self.targets.pop(alias, None):
            self.library.drop_alias(alias)
        else:
            with pytest.raises(UnknownCollection):
                self.library.drop_alias(alias)

    def is_refused(self, wanted: Filter | None) -> bool:
        """Whether a filter is, which is only for an attribute that no object has."""
        try:
            self.collection.count(wanted)
        except BadRequest:
            told = {name for one, _ in self.known.values() for name in one.attributes}
            if wanted is None or attributes_of(wanted) <= told:
                raise
            return True
        return False

    @rule(
        seed=seeds,
        k=st.integers(1, 30),
        wanted=st.none() | filters,
        least=st.booleans(),
    )
    def search(self, seed: int, k: int, wanted: Filter | None, least: bool) -> None:
        query = vector(seed)
        if self.is_refused(wanted):
            return
        found = self.collection.search(
            query[None], k, where=wanted, least=least, thumbnails=True
        )[0]
        scores = {
            one.id: float(made.astype(float) @ query)
            for one, made in self.known.values()
            if one.is_searchable and (wanted is None or chosen(wanted, one))
        }
        sign = 1 if least else -1
        expected = sorted(
            scores, key=lambda name: (sign * round(scores[name], 9), name)
        )
        assert [hit.object.id for hit in found] == expected[:k]
        for hit in found:
            assert hit.object == self.known[hit.object.id][0]
            assert hit.score == pytest.approx(scores[hit.object.id], abs=1e-6)

    @rule(wanted=st.none() | filters, limit=st.integers(1, 7))
    def scroll(self, wanted: Filter | None, limit: int) -> None:
        found: list[SkyObject] = []
        row = 0
        if self.is_refused(wanted):
            return
        while page := self.collection.scroll(wanted, after_row=row, limit=limit):
            found += [one for _, one in page]
            row = page[-1][0]
        kept = [self.known[name][0] for name in self.order]
        expected = [one for one in kept if wanted is None or chosen(wanted, one)]
        plain = [dataclasses.replace(one, thumbnail=b"") for one in expected]
        assert found == plain
        assert self.collection.count(wanted) == len(plain)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def get(self, data: st.DataObject) -> None:
        name = data.draw(ids)
        if name not in self.known:
            with pytest.raises(UnknownId):
                self.collection.get(name)
            return
        one, made = self.known[name]
        assert self.collection.get(name) == one
        np.testing.assert_array_equal(self.collection.vector(name), made)

    @invariant()
    def is_as_large(self) -> None:
        if not hasattr(self, "library"):
            return
        assert self.library.names() == sorted(self.stores)
        for name, store in self.stores.items():
            found = self.library.collection(name)
            assert len(found) == len(store.known)
            told = found.ratings().ratings
            scores = {(one.id, one.who): one.opinion.score for one in told}
            assert scores == store.rated
        pointing = {alias: targets[0] for alias, targets in self.targets.items()}
        assert self.library.aliases() == pointing
        for alias, name in pointing.items():
            assert self.library.collection(alias) is self.library.collection(name)


@pytest.fixture(autouse=True, scope="module")
def _model(model: Path) -> None:
    Machine.model = model


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None
)
