"""What a bulk run did, and what it left out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from skylike.service import durable
from skylike.service.errors import BadRequest
from skylike.service.fits.address import text
from skylike.service.logs import printable
from skylike.service.prepare import Reject

_GROUP = 1000  # rows that are read together
_REJECTS = pa.schema(
    [
        ("path", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Attributes
    ----------
    indexed, known
        Objects added, and those that were in the collection before.
    rejects
        What gave no stamp, or has an id that another object has.
    seconds
        Wall time.
    left_out
        Rows of a catalogue, and objects, that have no place or size in their image.
    """

    indexed: int
    known: int
    rejects: tuple[Reject, ...]
    seconds: float
    left_out: int = 0


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Write the table of files that were not indexed, possibly with no row, durably.

    Raises
    ------
    BadRequest
        ``not_rejects`` if there is a file already, and it is no such table.
    """
    require_rejects(path)
    now = datetime.now(UTC)
    rows = [
        {
            "path": text(reject.path),
            "code": reject.code,
            "message": printable(reject.message),
            "time": now,
        }
        for reject in rejects
    ]
    unfinished = path.with_name(f".{path.name}.new")
    table = pa.Table.from_pylist(rows, _REJECTS)
    pq.write_table(table, unfinished, row_group_size=_GROUP)
    durable.sync(unfinished)
    unfinished.replace(path)
    durable.sync(path.parent)


def read_rejects(path: Path, start: int, count: int) -> list[Reject]:
    """Some rows of a table that `write_rejects` wrote: `count` at most, from one on."""
    with pq.ParquetFile(path) as file:
        first, last = start // _GROUP, (start + count - 1) // _GROUP
        groups = range(first, min(last + 1, file.num_row_groups))
        rows = file.read_row_groups(groups, ["path", "code", "message"])
    return [Reject(**row) for row in rows.slice(start % _GROUP, count).to_pylist()]


@contextmanager
def tabled(path: Path) -> Iterator[list[Reject]]:
    """A list of which the table is written in the end, also where an error is the end.

    Raises
    ------
    BadRequest
        ``not_rejects``, before anything is done.
    """
    require_rejects(path)
    refused: list[Reject] = []
    try:
        yield refused
    finally:
        write_rejects(path, refused)


def require_rejects(path: Path) -> None:
    """Refuse a place where no table of rejects can be written, before long work.

    Raises
    ------
    BadRequest
        ``not_rejects`` if there is a file already, and it is no such table.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch()
        path.unlink()
        return
    try:
        is_ours = pq.read_schema(path).names == _REJECTS.names
    except (OSError, pa.ArrowInvalid):
        is_ours = False
    if not is_ours:
        raise BadRequest(
            f"{path} is there already and is no table of rejects: it is left alone; "
            "name another place by --rejects",
            reason="not_rejects",
        )
