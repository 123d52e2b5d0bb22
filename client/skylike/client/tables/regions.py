"""Region files of DS9: a cross at each object, and a circle around what was asked about."""

import re

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
    marks = dict.fromkeys(_circles(table)) | dict.fromkeys(_crosses(table))
    if not marks:
        raise BadInput(
            f"none of the {len(table)} rows has a place on the sky for a region; write "
            "another format",
            reason="no_position",
        )
    return "\n".join([*lines, *marks, ""]).encode("ascii")


def _crosses(table: Table) -> list[str]:
    return [
        f"point({ra:.8f},{dec:.8f}) # point=cross text={{{_label(rank, name)}}}"
        for ra, dec, rank, name in _cells(table, "ra", "dec", "rank", "object_id")
        if ra is not None and dec is not None
    ]


def _circles(table: Table) -> list[str]:
    """Each query once, though it stands beside each of its hits."""
    names = ("query_ra", "query_dec", "query_radius_deg", "query")
    return [
        f'circle({ra:.8f},{dec:.8f},{3600 * radius:.3f}") # text={{{_label(None, name)}}}'
        for ra, dec, radius, name in _cells(table, *names)
        if ra is not None and dec is not None and isinstance(radius, float)
    ]


def _cells(table: Table, *names: str) -> list[tuple[Cell, ...]]:
    """These columns row by row, None where there is no such column."""
    there = {column.name: column.values for column in table.columns}
    absent = (None,) * len(table)
    return list(zip(*(there.get(name, absent) for name in names), strict=True))


def _label(rank: Cell, name: Cell) -> str:
    return " ".join(_safe(str(part)) for part in (rank, name) if part is not None)


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)
