"""Tables as files: the format follows the name's ending, and no file is ever half."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from skylike.client.errors import BadInput, MissingPackage
from skylike.client.tables.table import Table


@dataclass(frozen=True, slots=True)
class _Format:
    """A format: the module that writes it, and how its files are called."""

    module: str
    endings: tuple[str, ...]


FORMATS = {
    "csv": _Format("delimited", (".csv",)),
    "ds9": _Format("regions", (".reg",)),
    "ecsv": _Format("quantities", (".ecsv",)),
    "npy": _Format("arrays", (".npy",)),
    "parquet": _Format("parquet", (".parquet", ".pq")),
    "votable": _Format("votable", (".vot", ".votable", ".xml")),
}


SAMP = "samp:"
"""In place of a file: whoever on this machine loads tables, such as TOPCAT."""

_EXTRAS = {"PIL": "figures", "pyvo": "samp"}


def write(table: Table, path: str | os.PathLike[str], format: str | None) -> None:
    """Write a table; see `Tabular.write`."""
    if os.fspath(path) == SAMP and format is None:
        door("samp").send(table, "skylike")
        return
    target = Path(path)
    put(target, writer(format_of(target, format)).content(table))


def put(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all; `BadInput` (``io_error``) if it cannot be."""
    if "\0" in str(target) or (os.path.exists(target) and not os.path.isfile(target)):
        raise BadInput(f"{str(target)!r} is not a file", reason="io_error")
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        raise BadInput(
            f"{target} cannot be written: {error.strerror}", reason="io_error"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def format_of(path: str | os.PathLike[str], format: str | None = None) -> str:
    """The format that is named, or else the one of the path's ending.

    Raises
    ------
    BadInput
        ``bad_format`` if there is no such format.
    """
    if format is not None:
        if format not in FORMATS:
            raise BadInput(
                f"format is {format!r}; it can be {', '.join(FORMATS)}",
                reason="bad_format",
            )
        return format
    ending = Path(path).suffix.lower()
    for name, one in FORMATS.items():
        if ending in one.endings:
            return name
    known = ", ".join(ending for one in FORMATS.values() for ending in one.endings)
    raise BadInput(
        f"{path}: the ending tells the format, and {ending!r} tells none; there are {known}",
        reason="bad_format",
    )


def writer(format: str) -> Any:
    """The module that writes a format; raises as `door`."""
    return door(FORMATS[format].module)


def door(name: str) -> Any:
    """The module of that name here, which may need a package that is not installed.

    Raises
    ------
    MissingPackage
        If it does.
    """
    try:
        return import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "skylike":
            raise
        raise MissingPackage(
            f"this needs {missing}, which is not installed: "
            f"pip install 'skylike[{_EXTRAS.get(missing, 'tables')}]'",
            reason="missing_package",
        ) from error
