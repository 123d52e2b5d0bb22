"""Bytes of a FITS file, whatever it is packed in.

Containers are told by their first bytes, never by a file's name, and unpacked
under a limit: a hostile file of a kilobyte can inflate to gigabytes.
"""

import bz2
import gzip
import io
import lzma
import stat
import zlib
from pathlib import Path
from typing import Any

from skylike.service.errors import BadCutout

MAX_FILE_BYTES = 2**31
MAX_INFLATED_BYTES = 2**29

_UNPACKERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip,
    b"BZh": bz2,
    b"\xfd7zXZ\x00": lzma,
}
_UNSUPPORTED = {b"\x1f\x9d": "Unix compress (.Z)", b"PK\x03\x04": "zip"}


def load(source: Path | bytes) -> bytes:
    """The bytes of a plain FITS file, from a path or from packed or plain bytes.

    Raises
    ------
    BadCutout
        ``file_missing``, ``io_error``, ``empty_file``, ``upload_limit``,
        ``unsupported_container``, ``truncated``, ``inflate_limit`` or ``not_fits``.
    """
    data = source if isinstance(source, bytes) else _read_file(source)
    if not data:
        raise BadCutout("the file is empty", reason="empty_file")
    data = _unpack(data)
    if not data.startswith(b"SIMPLE  ="):
        raise BadCutout(
            "this is not a FITS file: it does not begin with 'SIMPLE  ='",
            reason="not_fits",
        )
    if data[10:30].strip() != b"T":
        raise BadCutout(
            "the file says SIMPLE = F: its contents do not follow the FITS standard",
            reason="not_fits",
        )
    return data


def _read_file(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadCutout("this is not a file", reason="io_error")
        size = status.st_size
        if size > MAX_FILE_BYTES:
            raise BadCutout(
                f"the file has {size} bytes; at most {MAX_FILE_BYTES} are read",
                reason="upload_limit",
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadCutout("there is no such file", reason="file_missing") from error
    except OSError as error:
        raise BadCutout(
            f"the file cannot be read: {error.strerror}", reason="io_error"
        ) from error


def _unpack(data: bytes) -> bytes:
    for magic, name in _UNSUPPORTED.items():
        if data.startswith(magic):
            raise BadCutout(
                f"the file is packed with {name}, which is not read: unpack it first, "
                "or use gzip, bzip2 or xz",
                reason="unsupported_container",
            )
    for magic, unpacker in _UNPACKERS.items():
        if data.startswith(magic):
            return _inflate(data, unpacker)
    return data


def _inflate(data: bytes, unpacker: Any) -> bytes:
    try:
        with unpacker.open(io.BytesIO(data)) as stream:
            inflated: bytes = stream.read(MAX_INFLATED_BYTES + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadCutout(
            f"the packed stream is cut off or damaged: {error}", reason="truncated"
        ) from error
    if len(inflated) > MAX_INFLATED_BYTES:
        raise BadCutout(
            f"the file inflates beyond {MAX_INFLATED_BYTES} bytes",
            reason="inflate_limit",
        )
    return inflated
