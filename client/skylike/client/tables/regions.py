"""Region files of DS9: where objects are, and what was asked about."""

import re
from collections.abc import Iterator

from skylike.client.errors import BadInput
from skylike.client.tables.table import Cell, Table

# DS9 reads a region file as a little language: of strangers' text only this is kept.
_UNSAFE = re.compile(r"[^A-Za-z0-9 ._+:/@=,()<>-]")


def content(table: Table) -> bytes:
    """Marks in ICRS, labelled with rank and id; what has no place is left out.

    Raises
    ------
    BadInput
        ``no_position`` if nothing in the table has a place on the sky.
    """
    lines = ["# Region file format: DS9 version 4.1"]
    lines += [f"# {_safe(name)}: {_safe(fact)}" for name, fact in table.facts.items()]
    lines += ["global color=green", "icrs"]
    queries = _marks(table, "query_ra", "query_dec", "query_radius_deg", "", "query")
    objects = _marks(table, "ra", "dec", "radius_deg", "rank", "object_id")
    marks = dict.fromkeys(
        [*queries, *objects]
    )  # a query once, not for each of its hits
    if not marks:
        raise BadInput(
            f"none of the {len(table)} rows has a place on the sky for a region; write "
            "another format",
            reason="no_position",
        )
    return "\n".join([*lines, *marks, ""]).encode("ascii")


def _marks(table: Table, *names: str) -> Iterator[str]:
    """A circle where the extent is known, a cross where the place alone is."""
    for ra, dec, radius, rank, name in _cells(table, *names):
        if ra is None or dec is None:
            continue
        text = f"text={{{_label(rank, name)}}}"
        if isinstance(radius, float):
            yield f'circle({ra:.8f},{dec:.8f},{3600 * radius:.3f}") # {text}'
        else:
            yield f"point({ra:.8f},{dec:.8f}) # point=cross {text}"


def _cells(table: Table, *names: str) -> list[tuple[Cell, ...]]:
    """These columns row by row, None where there is no such column."""
    there = {column.name: column.values for column in table.columns}
    absent = (None,) * len(table)
    return list(zip(*(there.get(name, absent) for name in names), strict=True))


def _label(rank: Cell, name: Cell) -> str:
    return " ".join(_safe(str(part)) for part in (rank, name) if part is not None)


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)
