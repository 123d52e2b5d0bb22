"""What a bulk run did, and what it left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from skylike.service.errors import BadRequest
from skylike.service.fits.address import text
from skylike.service.logs import printable
from skylike.service.prepare import Reject

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
    """Write the table of files that were not indexed, possibly with no row.

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
    pq.write_table(pa.Table.from_pylist(rows, _REJECTS), unfinished)
    unfinished.replace(path)


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
