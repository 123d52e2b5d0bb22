"""The bytes of a FITS file, wherever they lie and whatever they are packed in.

Containers are told by their first bytes, never by a file's name, and unpacked
under a limit: a hostile file of a kilobyte can inflate to gigabytes. A plain file is
left where it is, and only what is asked for is read.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from skylike.service.errors import BadCutout
from skylike.service.fits.header import printable
from skylike.service.fits.limits import Limits
from skylike.service.fits.selector import is_url

_SMALL = 2**20  # read in one go, which is faster than asking for the parts

_UNPACKERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip,
    b"BZh": bz2,
    b"\xfd7zXZ\x00": lzma,
}
_ZIP = b"PK\x03\x04"
_COMPRESS = b"\x1f\x9d"
_MAGIC = 8


class Store(Protocol):
    """Bytes that can be read from anywhere in them."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from `offset` on; fewer than `length` only at the end."""

    def view(self, offset: int, length: int) -> memoryview:
        """The same without a copy, where they are in memory."""


class _Memory:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def view(self, offset: int, length: int) -> memoryview:
        return memoryview(self._data)[offset : offset + length]


class _File:
    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        if offset >= self.size:  # perhaps beyond what a file can have
            return b""
        try:
            self._file.seek(offset)
            return self._file.read(max(0, min(length, self.size - offset)))
        except Exception as error:  # a disk, or a server far away, each with its own
            raise BadCutout(
                printable(f"the file cannot be read: {type(error).__name__}: {error}"),
                reason="io_error",
            ) from error

    def view(self, offset: int, length: int) -> memoryview:
        return memoryview(self.read(offset, length))


@contextlib.contextmanager
def opened(source: Path | str | bytes, limits: Limits) -> Iterator[Store]:
    """Open a plain FITS file, from a path, a URL, or packed or plain bytes.

    Raises
    ------
    BadCutout
        ``file_missing``, ``io_error``, ``empty_file``, ``unsupported_container``,
        ``truncated``, ``inflate_limit`` or ``not_fits``.
    """
    if isinstance(source, bytes):
        yield _unpacked(io.BytesIO(source), len(source), source, limits)
        return
    with _speaking_of_files():
        file, size = (
            _open_url(source)
            if isinstance(source, str) and is_url(source)
            else _open_path(source)
        )
    with file:
        with _speaking_of_files():
            data = file.read(size) if size <= _SMALL else None
            store = _unpacked(file, size, data, limits)
        yield store


@contextlib.contextmanager
def _speaking_of_files() -> Iterator[None]:
    """Turn what the operating system says into an error of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadCutout("there is no such file", reason="file_missing") from error
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        words = getattr(error, "strerror", None) or printable(str(error))
        raise BadCutout(
            f"the file cannot be read: {words}", reason="io_error"
        ) from error


def _open_path(path: Path | str) -> tuple[IO[bytes], int]:
    # Not blocking: a pipe in the place of a file would be waited for.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise BadCutout("this is not a file", reason="io_error")
    return open(descriptor, "rb"), status.st_size


def _open_url(url: str) -> tuple[IO[bytes], int]:
    try:
        import fsspec  # noqa: PLC0415 -- slow, and seldom needed

        system, path = fsspec.core.url_to_fs(url)
        file = system.open(path, "rb", block_size=_SMALL)  # some fetch 50 MB ahead
        return file, int(file.size)
    except PermissionError:
        raise
    except Exception as error:  # every protocol raises its own
        told: BaseException | None = error
        if isinstance(error, FileNotFoundError):
            told = error.__cause__  # perhaps that nobody answered
            if not isinstance(told, OSError) or isinstance(told, FileNotFoundError):
                raise
        raise BadCutout(
            printable(f"the address cannot be opened: {type(told).__name__}: {told}"),
            reason="io_error",
        ) from error


def _unpacked(file: IO[bytes], size: int, data: bytes | None, limits: Limits) -> Store:
    """The plain FITS file in a file; `data` is all of it if it has been read."""
    if size == 0:
        raise BadCutout("the file is empty", reason="empty_file")
    if data is None:
        file.seek(0)
        magic = file.read(_MAGIC)
        file.seek(0)
    else:
        magic = data[:_MAGIC]
        file = io.BytesIO(data)
    if _is_packed(magic):
        inflated = _inflate(file, magic, limits)
        if not inflated:
            raise BadCutout("the file is packed, and empty", reason="empty_file")
        if _is_packed(inflated[:_MAGIC]):
            raise BadCutout(
                "the file is packed more than once: unpack it first",
                reason="unsupported_container",
            )
        magic, data = inflated[:_MAGIC], inflated
    if magic != b"SIMPLE  ":
        raise BadCutout(
            "this is not a FITS file: it does not begin with 'SIMPLE  ='",
            reason="not_fits",
        )
    return _File(file, size) if data is None else _Memory(data)


def _is_packed(magic: bytes) -> bool:
    return magic.startswith((*_UNPACKERS, _ZIP, _COMPRESS))


def _inflate(file: IO[bytes], magic: bytes, limits: Limits) -> bytes:
    if magic.startswith(_COMPRESS):
        raise BadCutout(
            "the file is packed with Unix compress (.Z), which is not read: unpack it "
            "first, or use gzip, bzip2, xz or zip",
            reason="unsupported_container",
        )
    try:
        with _stream(file, magic) as stream:
            inflated: bytes = stream.read(limits.inflated_bytes + 1)
    except BadCutout:
        raise
    except MemoryError as error:  # an xz stream may want gigabytes for its dictionary
        raise BadCutout(
            "the file takes more memory to unpack than there is: unpack it first",
            reason="inflate_limit",
        ) from error
    except Exception as error:  # every packer raises its own, and zipfile anything
        raise BadCutout(
            f"the packed stream is cut off or damaged: {printable(str(error))}",
            reason="truncated",
        ) from error
    if len(inflated) > limits.inflated_bytes:
        raise BadCutout(
            f"the file inflates beyond {limits.inflated_bytes} bytes: unpack it first",
            reason="inflate_limit",
        )
    return inflated


@contextlib.contextmanager
def _stream(file: IO[bytes], magic: bytes) -> Iterator[Any]:
    if not magic.startswith(_ZIP):
        [unpacker] = [u for start, u in _UNPACKERS.items() if magic.startswith(start)]
        with unpacker.open(file) as stream:
            yield stream
        return
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise BadCutout(
                f"the zip archive has {len(names)} members; one is read: unpack it first",
                reason="unsupported_container",
            )
        with archive.open(names[0]) as member:
            yield member
