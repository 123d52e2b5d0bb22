"""Filters on columns: they choose what a reading of each object would choose."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skylike.service.catalog import SkyObject
from skylike.service.columns import (
    All,
    AnyOf,
    Between,
    Columns,
    Cone,
    Equals,
    Filter,
    Flagged,
    Labelled,
    Not,
    Observed,
    OneOf,
    WithIds,
    check,
    evaluate,
)
from skylike.service.errors import BadRequest
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag


def told(one: SkyObject, name: str) -> list[Any]:
    """What goes by a name: an attribute, and a fact of every object."""
    where = one.position
    facts = {
        "id": one.id,
        "ra": where and where.ra_deg,
        "dec": where and where.dec_deg,
        "epoch_mjd": one.epoch_mjd,
        "valid_fraction": one.valid_fraction,
    }
    return [one.attributes.get(name), facts.get(name)]


def fulfils(wanted: Filter, one: SkyObject) -> bool:
    """The same in plain words, for one object."""
    match wanted:
        case All(parts=parts):
            return all(fulfils(part, one) for part in parts)
        case AnyOf(parts=parts):
            return any(fulfils(part, one) for part in parts)
        case Not(part=part):
            return not fulfils(part, one)
        case Cone(position=middle, radius_deg=radius):
            where = one.position
            return where is not None and angle(middle, where) <= radius
        case Equals(name=name, value=value):
            return fulfils(OneOf(name, (value,)), one)
        case OneOf(name=name, values=values):
            return any(
                like(found) == like(value) and found == value
                for found in told(one, name)
                for value in values
            )
        case Between(name=name, low=low, high=high):
            return any(
                like(found) == "number" and lies(found, low, high)
                for found in told(one, name)
            )
        case Observed(low_mjd=low, high_mjd=high):
            return one.epoch_mjd is not None and lies(one.epoch_mjd, low, high)
        case Flagged(flags=flags):
            return flags in one.flags
        case Labelled(label=label):
            return label in one.labels
        case WithIds(ids=ids):
            return one.id in ids


def like(value: object) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else type(value).__name__


def lies(value: object, low: float | None, high: float | None) -> bool:
    assert isinstance(value, int | float)
    return (low is None or value >= low) and (high is None or value <= high)


def angle(one: SkyPosition, other: SkyPosition) -> float:
    """By the haversine, another formula than that of the columns."""
    ra = math.radians(other.ra_deg - one.ra_deg)
    dec, middle = math.radians(other.dec_deg), math.radians(one.dec_deg)
    half = math.sin((dec - middle) / 2) ** 2
    half += math.cos(dec) * math.cos(middle) * math.sin(ra / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(half))))


names = st.sampled_from(["z", "kind", "a:b", "ra", "dec", "id", "valid_fraction"])
values = (
    st.sampled_from(["disc", "ring", "", "1"])
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
    | st.sampled_from([0.0, 1.0, 0.5, -2.5, 1e300, float(2**53)])
)
positions = st.builds(
    SkyPosition,
    st.sampled_from([0.0, 359.999999, 0.000001, 45.0, 180.0])
    | st.floats(0, 360, exclude_max=True),
    st.sampled_from([90.0, -90.0, 89.9999, 0.0, 41.8103]) | st.floats(-90, 90),
)
labels = st.sampled_from(["odd", "ΛCDM", "merger"])
flags = st.sampled_from([Flag(0), Flag.EDGE, Flag.EDGE | Flag.LOW_SN, Flag.CONSTANT])
epochs = st.sampled_from([59000.0, 59000.5, -1.0]) | st.floats(0, 1e5)
objects = st.lists(
    st.builds(
        SkyObject,
        id=st.sampled_from([f"o{i}" for i in range(30)]),
        position=st.none() | positions,
        epoch_mjd=st.none() | epochs,
        attributes=st.dictionaries(names, values, max_size=3),
        labels=st.frozensets(labels),
        flags=flags,
        valid_fraction=st.sampled_from([1.0, 0.5, 0.0]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda one: one.id,
)
ends = st.none() | st.sampled_from(
    [0, 1.0, 0.5, 2**53, 2**53 + 1, 1e300, -1e300, 2**64]
)
leaves: st.SearchStrategy[Filter] = (
    st.builds(
        Cone,
        positions,
        st.sampled_from([0.0, 1e-6, 0.01, 1.0, 30.0, 90.0, 179.0, 180.0])
        | st.floats(0, 180),
    )
    | st.builds(Equals, names, values)
    | st.builds(OneOf, names, st.lists(values, max_size=3).map(tuple))
    | st.builds(Between, names, ends, ends)
    | st.builds(Observed, st.none() | epochs, st.none() | epochs)
    | st.builds(Flagged, flags)
    | st.builds(Labelled, labels | st.just("nobody"))
    | st.builds(WithIds, st.frozensets(st.sampled_from(["o1", "o2", "o9", "none"])))
)
filters = st.recursive(
    leaves,
    lambda inner: (
        st.builds(All, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=6,
)


def columns(known: Sequence[SkyObject]) -> Columns:
    return Columns.of(range(1, len(known) + 1), known)


def near_the_edge(wanted: Filter, known: Sequence[SkyObject]) -> bool:
    """Where two formulas for an angle may disagree by rounding."""
    match wanted:
        case Cone(position=middle, radius_deg=radius):
            found = [angle(middle, one.position) for one in known if one.position]
            return any(abs(one - radius) < 2e-6 for one in found)
        case All(parts=parts) | AnyOf(parts=parts):
            return any(near_the_edge(part, known) for part in parts)
        case Not(part=part):
            return near_the_edge(part, known)
    return False


@settings(max_examples=400, deadline=None)
@given(known=objects, wanted=filters)
@example([SkyObject("a", attributes={"z": 2**53 + 1})], Equals("z", float(2**53)))
@example([SkyObject("a", attributes={"z": 2**53 + 1})], Between("z", None, 2**53))
@example([SkyObject("a", attributes={"z": True})], Equals("z", 1))
@example([SkyObject("a", attributes={"z": 2.0**53})], Between("z", 2**53 + 1))
@example([SkyObject("a", attributes={"z": 2.0**53 + 2})], Between("z", None, 2**53 + 1))
def test_columns_choose_what_the_objects_say(
    known: list[SkyObject], wanted: Filter
) -> None:
    """One by one, joined from parts, taken in another order, and with cells."""
    if near_the_edge(wanted, known):
        return
    expected = [fulfils(wanted, one) for one in known]
    whole = columns(known)
    assert evaluate(wanted, whole).tolist() == expected
    assert evaluate(wanted, whole.with_orders()).tolist() == expected
    half = len(known) // 2
    parts = [Columns.of(range(half), known[:half]), columns(known[half:])]
    joined = Columns.joined(parts)
    assert evaluate(wanted, joined).tolist() == expected
    order = np.arange(len(known))[::-1]
    backwards = joined.with_orders().taken(order)
    assert evaluate(wanted, backwards).tolist() == expected[::-1]
    assert backwards.ids(np.array([0])) == [known[-1].id]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), low=ends, high=ends)
def test_few_numbers_among_many_are_found_in_order(
    seed: int, low: float | None, high: float | None
) -> None:
    """Whole or not, equal or different, in every row or in some."""
    random = np.random.default_rng(seed)
    some = np.array([0, 1.0, 0.5, 2**53, 1e300, -1e300]) + random.integers(-1, 2, 6)
    drawn = random.choice([*some, *[7.5] * 300], 500).tolist()
    known = [
        SkyObject(
            f"{number}",
            epoch_mjd=value if number % 7 else None,
            attributes={"z": 2**53 + int(value) % 3 if value > 1e6 else value}
            if number % 5
            else {},
        )
        for number, value in enumerate(drawn)
    ]
    plain = columns(known)
    quick = plain.with_orders()
    for wanted in (
        Between("z", low, high),
        Observed(low, high),
        Between("z", 7.4, 7),
        OneOf("z", (1.0, 2**53 + 1, 1e300)),
        Equals("z", 7.5),
    ):
        expected = [fulfils(wanted, one) for one in known]
        assert evaluate(wanted, plain).tolist() == expected
        assert evaluate(wanted, quick).tolist() == expected


def test_an_order_of_numbers_is_used_and_kept(tmp_path: Path) -> None:
    """Those that are unknown stand in none."""
    known = [SkyObject("a", attributes={"z": 2.5}), SkyObject("b")]
    known += [SkyObject("c", attributes={"z": -1.0}), SkyObject("d", epoch_mjd=5.0)]
    plain = columns(known)
    assert plain.by_value("float:z") is None
    plain.with_orders().write(tmp_path / "file")
    read = Columns.read(tmp_path / "file")
    for name, expected in (("float:z", [2, 0]), ("epoch_mjd", [3])):
        order = read.by_value(name)
        assert order is not None
        assert order.tolist() == expected
    turned = read.taken(np.array([2, 0]))
    assert turned.by_value("float:z") is None


@pytest.mark.parametrize("radius", [0.0003, 0.02, 1.0, 25.0, 95.0])
@pytest.mark.parametrize(
    "middle", [(0.0, 0.0), (359.9, -0.1), (12.0, 89.95), (300, -90)]
)
def test_cells_find_every_position_of_a_cone(
    middle: tuple[float, float], radius: float
) -> None:
    """At the poles and across the wrap too; many positions, mostly around it."""
    random = np.random.default_rng(0)
    distance = radius * random.uniform(0, 2, 4000)
    turn = np.radians(random.uniform(0, 360, 4000))
    dec = middle[1] + distance * np.cos(turn)
    stretch = np.cos(np.radians(middle[1])).clip(1e-3)
    ra = middle[0] + distance * np.sin(turn) / stretch
    beyond = np.abs(dec) > 90
    dec = np.where(beyond, np.sign(dec) * 180 - dec, dec).clip(-90, 90)
    ra = np.where(beyond, ra + 180, ra) % 360
    ra[ra == 360] = 0
    known = [
        SkyObject(f"{i}", SkyPosition(*p))
        for i, p in enumerate(zip(ra, dec, strict=True))
    ]
    cone = Cone(SkyPosition(*middle), radius)
    plain = columns(known)
    found = evaluate(cone, plain.with_orders())
    np.testing.assert_array_equal(found, evaluate(cone, plain))
    assert 100 < found.sum() < 4000 or radius > 90


def test_columns_come_back_from_their_file(tmp_path: Path) -> None:
    """With rows, types and everything filters ask for."""
    known = [
        SkyObject(
            "a", SkyPosition(1, 2), 59000.5, attributes={"z": 0.5, "n": 2**63 - 1}
        ),
        SkyObject(
            "b", attributes={"z": "text", "barred": True}, labels=frozenset({"x"})
        ),
    ]
    columns(known).with_orders().write(tmp_path / "file")
    read = Columns.read(tmp_path / "file")
    assert read.rows.tolist() == [1, 2]
    assert read.ids(np.array([1, 0])) == ["b", "a"]
    for wanted in (
        Equals("n", 2**63 - 1),
        Equals("z", "text"),
        Labelled("x"),
        Cone(SkyPosition(1, 2), 0.1),
    ):
        assert evaluate(wanted, read).tolist() == [fulfils(wanted, o) for o in known]
    empty = Columns.of([], [])
    assert evaluate(Not(Labelled("x")), Columns.joined([empty, empty])).tolist() == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cone(SkyPosition(10, 10), 181),
        lambda: Cone(SkyPosition(10, 10), math.nan),
        lambda: Equals("z", math.inf),
        lambda: OneOf("z", (1, 2**64)),
        lambda: Between("z", math.nan),
        lambda: Between("z", 10**400),
        lambda: Observed(None, math.nan),
    ],
)
def test_what_has_no_meaning_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(BadRequest, match="no filter"):
        make()


def test_filters_are_bounded() -> None:
    deep: Filter = Labelled("x")
    for _ in range(15):
        deep = Not(deep)
    check(deep)
    with pytest.raises(BadRequest, match="deeper than 16"):
        check(Not(deep))
    with pytest.raises(BadRequest, match="longer than 100000"):
        check(WithIds(frozenset(map(str, range(100_001)))))
