"""`Columns`: what filters ask of n rows, as Arrow keeps it."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from skylike.service.catalog import SkyObject
from skylike.service.columns import healpix
from skylike.service.columns.values import known, values

_TEXT = pa.dictionary(pa.int32(), pa.string())
_FIXED = {
    "row": pa.int64(),
    "id": pa.large_string(),
    "ra_deg": pa.float64(),
    "dec_deg": pa.float64(),
    "epoch_mjd": pa.float64(),
    "valid_fraction": pa.float64(),
    "flags": pa.int64(),
    "labels": pa.list_(_TEXT),
}
# An attribute may be of another type in every object: each type has its column.
TYPES = {"text": _TEXT, "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
# What filters call the numbers that every object may have, as if they were attributes.
FACTS = {
    "ra": "ra_deg",
    "dec": "dec_deg",
    "ra_deg": "ra_deg",
    "dec_deg": "dec_deg",
    "epoch_mjd": "epoch_mjd",
    "valid_fraction": "valid_fraction",
}
_TYPE_OF: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "text"}
_FEW = 50
_CELLS, _BY_CELL = "cells", "by_cell"
_BY = "by:"  # what the order of a column's numbers is called, before its name


class Columns:
    """What filters ask of n rows. Never changes; safe from any thread.

    Parameters
    ----------
    table
        One that `write` has written, or that another method made.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @classmethod
    def of(cls, rows: Sequence[int], objects: Sequence[SkyObject]) -> Self:
        """Those of objects, each in its row."""
        positions = [one.position for one in objects]
        fixed: dict[str, list[Any]] = {
            "row": list(rows),
            "id": [one.id for one in objects],
            "ra_deg": [None if p is None else p.ra_deg for p in positions],
            "dec_deg": [None if p is None else p.dec_deg for p in positions],
            "epoch_mjd": [one.epoch_mjd for one in objects],
            "valid_fraction": [one.valid_fraction for one in objects],
            "flags": [int(one.flags) for one in objects],
            "labels": [sorted(one.labels) for one in objects],
        }
        arrays = {name: pa.array(fixed[name], kind) for name, kind in _FIXED.items()}
        known: dict[tuple[str, str], list[Any]] = {}
        for number, one in enumerate(objects):
            for name, value in one.attributes.items():
                key = name, _TYPE_OF.get(type(value)) or _type(value)
                if key not in known:
                    known[key] = [None] * len(objects)
                known[key][number] = value
        for name, kind in sorted(known):
            arrays[f"{kind}:{name}"] = pa.array(known[name, kind], TYPES[kind])
        return cls(pa.table(arrays))

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """The rows of all parts, in their order; there is at least one part."""
        tables = [part._without_orders() for part in parts]
        table = pa.concat_tables(tables, promote_options="default")
        return cls(table.unify_dictionaries().combine_chunks())

    def taken(self, positions: NDArray[np.int64]) -> Self:
        """Some of the rows, in the order of `positions`."""
        table = self._without_orders().take(pa.array(positions))
        return type(self)(table.combine_chunks())

    def with_orders(self) -> Self:
        """The same, with what makes cones on the sky and few numbers quick to find."""
        table = self._without_orders()
        cells = healpix.cells(self.numbers("ra_deg"), self.numbers("dec_deg"))
        order = np.argsort(cells, kind="stable")
        for name in table.column_names:
            if name == "epoch_mjd" or name.startswith(("int:", "float:")):
                by_value = pa.array(_ascending(self.array(name)))
                table = table.append_column(_BY + name, by_value)
        table = table.append_column(_CELLS, pa.array(cells[order]))
        return type(self)(table.append_column(_BY_CELL, pa.array(order)))

    @functools.cached_property
    def attributes(self) -> frozenset[str]:
        """The names of attributes that a row may have."""
        pairs = (name.partition(":") for name in self._names)
        return frozenset(name for kind, _, name in pairs if kind in TYPES)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The catalog row of each, (n,) int64."""
        rows: NDArray[np.int64] = self.array("row").to_numpy()
        return rows

    def ids(self, positions: NDArray[np.int64]) -> list[str]:
        """The ids at some positions."""
        if len(positions) > _FEW:
            some = self.array("id").take(pa.array(positions))
            # Ten times as quick as `to_pylist`.
            found: list[str] = some.to_numpy(zero_copy_only=False).tolist()
            return found
        # Arrow's own way to a few of them takes five times as long.
        offsets, texts = self._id_texts
        begins, ends = offsets[positions].tolist(), offsets[positions + 1].tolist()
        return [
            str(texts[begin:end], "utf-8")
            for begin, end in zip(begins, ends, strict=True)
        ]

    @functools.cached_property
    def _id_texts(self) -> tuple[NDArray[np.int64], memoryview]:
        array = self.array("id")
        _, offsets, texts = array.buffers()
        if texts is None or not len(array):
            return np.zeros(1, np.int64), memoryview(b"")
        numbers = np.frombuffer(offsets, np.int64)
        return numbers[array.offset : array.offset + len(array) + 1], memoryview(texts)

    def array(self, name: str) -> Any:
        """A column as one Arrow array; None if no row has it."""
        if name not in self._names:
            return None
        column = self._table[name]
        if column.num_chunks == 1:
            return column.chunk(0)
        return pa.concat_arrays(column.chunks or [pa.array([], column.type)])

    @functools.cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self._table.column_names)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of floats, (n,) float64, NaN where unknown."""
        found: NDArray[np.float64] = self.array(name).to_numpy(zero_copy_only=False)
        return found

    def by_cell(self) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """HEALPix cells, ascending, and the position of each; None without them."""
        if _CELLS not in self._names:
            return None
        return self.array(_CELLS).to_numpy(), self.array(_BY_CELL).to_numpy()

    def by_value(self, name: str) -> NDArray[np.int32] | None:
        """Positions of the numbers that a column has, ascending; None without order."""
        order = self.array(_BY + name)
        if order is None:
            return None
        positions: NDArray[np.int32] = order.to_numpy()
        return positions[: len(self) - self.array(name).null_count]

    def write(self, path: Path) -> None:
        """Write a new Arrow IPC file."""
        table = self._table.combine_chunks()
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table, max_chunksize=max(1, len(table)))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The columns that `write` put there, mapped into memory.

        Raises
        ------
        ValueError
            If this is not what `write` writes.
        """
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        if not set(_FIXED) <= set(table.column_names):
            raise ValueError(f"{path} lacks columns")
        return cls(table)

    def _without_orders(self) -> pa.Table:
        names = [
            name
            for name in self._table.column_names
            if name not in (_CELLS, _BY_CELL) and not name.startswith(_BY)
        ]
        return self._table.select(names)


def _ascending(array: Any) -> NDArray[np.int32]:
    """Positions by the numbers there; those without one are the last."""
    there = known(array)
    if there is None:
        return np.argsort(values(array), kind="stable").astype(np.int32)
    some = np.flatnonzero(there)
    order = some[np.argsort(values(array)[some], kind="stable")]
    return np.concatenate([order, np.flatnonzero(~there)]).astype(np.int32)


def has_attribute(columns: Columns, name: str) -> NDArray[np.bool_]:
    """Which rows have an attribute, of whatever type: (n,)."""
    found = np.zeros(len(columns), np.bool_)
    for kind in TYPES:
        array = columns.array(f"{kind}:{name}")
        if array is not None:
            there = known(array)
            found |= True if there is None else there
    return found


def has_label(columns: Columns, label: str) -> NDArray[np.bool_]:
    """Which rows have a label: (n,)."""
    lists = columns.array("labels")
    found = np.zeros(len(columns), np.bool_)
    values = lists.flatten()
    code = pc.index(values.dictionary, label).as_py() if len(values) else -1
    if code >= 0:
        parents = pc.list_parent_indices(lists).to_numpy()
        found[parents[values.indices.to_numpy() == code]] = True
    return found


def _type(value: str | int | float | bool) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
    return "text"
