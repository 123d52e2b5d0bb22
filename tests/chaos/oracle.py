"""What a process does to a library, and what must be there afterwards.

Its operations follow from a seed, so that whoever reads what it acknowledged knows what
it has done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from skylike.service import snapshot
from skylike.service.collection import Collection, SkyObject
from skylike.service.errors import DamagedData
from skylike.service.library import Library

NUM_OPERATIONS = 30
NUM_IDS = 12
_K = 100
_KINDS = [
    *["upsert"] * 4,
    *["delete", "label", "compact", "compact", "alias"],
    *["snapshot", "restore", "drop"],
]

Objects = Mapping[str, tuple[SkyObject, int]]  # with the seed of the vector


@dataclass(frozen=True)
class State:
    """What a library must hold after some operations."""

    collections: Mapping[str, Objects] = field(default_factory=dict)
    alias: str | None = None
    snapshots: Mapping[str, Objects] = field(default_factory=dict)

    @property
    def objects(self) -> Objects:
        """Of the collection that is worked on."""
        return self.collections.get("sky", {})

    @property
    def restored(self) -> list[str]:
        """Collections that were made of snapshots, the oldest first."""
        return [name for name in self.collections if name not in ("sky", "other")]


def vector(seed: int, dimension: int) -> Any:
    """One of unit norm."""
    found = np.random.default_rng(seed).normal(size=dimension)
    return (found / np.linalg.norm(found)).astype(np.float32)


def operations(seed: int) -> list[dict[str, Any]]:
    """What is done, in order."""
    random = np.random.default_rng(seed)
    found: list[dict[str, Any]] = [
        {"kind": "create", "names": [name]} for name in ("sky", "other")
    ]
    for number in range(100 * seed, 100 * seed + NUM_OPERATIONS):
        names = [f"o{i}" for i in random.choice(NUM_IDS, 3, replace=False)]
        kind = str(random.choice(_KINDS))
        found.append({"kind": kind, "names": names, "number": number})
    return found


def after(state: State, one: dict[str, Any]) -> State:
    """What must be there after one more operation."""
    names, number = one["names"], one.get("number", 0)
    there = [name for name in names if name in state.objects]
    match one["kind"]:
        case "create":
            return replace(state, collections={names[0]: {}, **state.collections})
        case "upsert":
            new = {
                name: (made(name, number), 3 * number + i)
                for i, name in enumerate(names)
            }
            return _with(state, "sky", {**state.objects, **new})
        case "delete":
            kept = {k: v for k, v in state.objects.items() if k not in there}
            return _with(state, "sky", kept)
        case "label":
            known = dict(state.objects)
            for name in there:
                old, seed = known[name]
                labels = old.labels | {f"l{number}"}
                known[name] = replace(old, labels=labels), seed
            return _with(state, "sky", known)
        case "alias":
            return replace(state, alias=target(number))
        case "snapshot":
            snapshots = {**state.snapshots, f"{number}.snapshot": state.objects}
            return replace(state, snapshots=snapshots)
        case "restore" if state.snapshots:
            return _with(state, f"r{number}", list(state.snapshots.values())[-1])
        case "drop" if state.restored:
            gone = state.restored[0]
            left = {k: v for k, v in state.collections.items() if k != gone}
            return replace(state, collections=left)
    return state


def state_after(history: Sequence[tuple[int, int]]) -> State:
    """After the first operations of some seeds, one after the other."""
    state = State()
    for seed, count in history:
        for one in operations(seed)[:count]:
            state = after(state, one)
    return state


def survived(
    folder: Path, history: Sequence[tuple[int, int]], seed: int, acknowledged: int
) -> int | None:
    """How many operations of a seed a library shows, which were acknowledged before.

    None if it shows neither these nor one more, or anything is wrong with what is the
    truth. What is derived is mended.
    """
    counts = range(acknowledged, min(acknowledged + 1, len(operations(seed))) + 1)
    states = {count: state_after([*history, (seed, count)]) for count in counts}
    with Library(folder / "data") as library:
        for count, state in states.items():
            if not holds(library, folder, state):
                continue
            for name in library.names():
                if any(not one.is_derived for one in library.verify(name, repair=True)):
                    return None
            is_whole = not any(map(library.verify, library.names()))
            return count if is_whole and holds(library, folder, state) else None
    return None


def holds(library: Library, folder: Path, state: State) -> bool:
    """Whether all is there, as it must be, and nothing else; answers are exact."""
    return (
        library.names() == sorted(state.collections)
        and library.aliases().get("live") == state.alias
        and {path.name for path in folder.glob("*.snapshot")} == set(state.snapshots)
        and all(
            _has(library.collection(name), objects)
            for name, objects in state.collections.items()
        )
        and all(
            _is_whole(folder / name, objects)
            for name, objects in state.snapshots.items()
        )
    )


def _has(collection: Collection, objects: Objects) -> bool:
    if len(collection) != len(objects) or collection.known(objects) != set(objects):
        return False
    query = vector(10**9, collection.dimension)
    scores = {}
    for name, (expected, seed) in objects.items():
        known = vector(seed, collection.dimension)
        if collection.get(name) != expected:
            return False
        if not np.array_equal(collection.vector(name), known):
            return False
        scores[name] = float(known.astype(float) @ query)
    nearest = sorted(scores, key=lambda name: (-scores[name], name))[:_K]
    return [hit.id for hit in collection.nearest(query[None], _K)[0]] == nearest


def _is_whole(path: Path, objects: Objects) -> bool:
    try:
        return snapshot.verify(path).num_objects == len(objects)
    except DamagedData:
        return False


def _with(state: State, name: str, objects: Objects) -> State:
    return replace(state, collections={**state.collections, name: objects})


def made(name: str, number: int) -> SkyObject:
    """The object that an upsert of a number stores."""
    return SkyObject(name, attributes={"n": number}, thumbnail=b"png")


def target(number: int) -> str:
    """The collection that an alias points to."""
    return ("sky", "other")[number % 2]
