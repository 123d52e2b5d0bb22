"""From what a person gives (paths, bytes, arrays) to what the service takes."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.client import pixels
from skylike.client.errors import BadInput
from skylike.client.queries import (
    Cutout,
    Examples,
    NewObject,
    ObjectId,
    Place,
    Source,
)
from skylike.client.types import Attribute, Embedding
from skylike.v1 import catalog_pb2, types_pb2

_WITH_HDU = re.compile(r"^(?P<path>.+?)(?P<hdu>(\[[^\[\]]*\])+)$", re.DOTALL)
_AXIS_KINDS = {
    None: types_pb2.AXIS_KIND_UNSPECIFIED,
    "bands": types_pb2.AXIS_KIND_BANDS,
    "spectral": types_pb2.AXIS_KIND_SPECTRAL,
}


def to_query(query: Source, max_bytes: int) -> types_pb2.Query:
    """The message for what a question is about.

    Raises
    ------
    TypeError
        If it is nothing a question can be about.
    BadInput
        If a file cannot be read, or is larger than the service takes.
    """
    match query:
        case ObjectId():
            return types_pb2.Query(object_id=sendable(query.id))
        case Examples():
            return types_pb2.Query(
                examples=types_pb2.Examples(
                    like_ids=texts(query.like), unlike_ids=texts(query.unlike)
                )
            )
        case Place():
            position = to_position(query.ra_deg, query.dec_deg)
            return types_pb2.Query(
                sky=types_pb2.SkyQuery(position=position, radius_deg=query.radius_deg)
            )
    place = pixels.place_of(query)
    if place is not None:
        return to_query(place, max_bytes)
    content = _content(query, max_bytes)
    if isinstance(content, types_pb2.Vector):
        return types_pb2.Query(vector=content)
    return types_pb2.Query(cutout=content)


def to_new_object(new: NewObject, max_bytes: int) -> catalog_pb2.NewObject:
    """The message for an object to add; raises as `to_query`."""
    content = _content(new.source, max_bytes)
    if (new.ra_deg is None) != (new.dec_deg is None):
        raise BadInput(
            f"object {new.id!r} has one of ra_deg and dec_deg; give both or none",
            reason="bad_position",
        )
    return catalog_pb2.NewObject(
        id=sendable(new.id),
        cutout=content if isinstance(content, types_pb2.Cutout) else None,
        vector=content if isinstance(content, types_pb2.Vector) else None,
        position=(
            None
            if new.ra_deg is None or new.dec_deg is None
            else to_position(new.ra_deg, new.dec_deg)
        ),
        epoch_mjd=new.epoch_mjd,
        source=None if new.uri is None else types_pb2.Source(uri=sendable(new.uri)),
        attributes=to_values(new.attributes),
        labels=texts(new.labels),
    )


def to_position(ra_deg: float, dec_deg: float) -> types_pb2.Position:
    """A position as it is; the service checks it."""
    return types_pb2.Position(ra_deg=ra_deg, dec_deg=dec_deg)


def to_values(attributes: Mapping[str, Attribute]) -> dict[str, types_pb2.Value]:
    """Attributes by their names; `BadInput` (``bad_attribute``) for what is none."""
    return {sendable(name): to_value(name, one) for name, one in attributes.items()}


def texts(several: Sequence[str]) -> list[str]:
    """Texts that a message can hold; a single one is a slip, not a list of letters."""
    if isinstance(several, str):
        raise TypeError(f"expected several texts, not {several!r} alone")
    return [sendable(one) for one in several]


def split_hdu(source: str) -> tuple[Path, str]:
    """Split ``file.fits[SCI][1:64,1:64]``; a file with that very name wins."""
    match = _WITH_HDU.match(source)
    if match is None or os.path.exists(source):  # which never raises, as Path's does
        return Path(source), ""
    hdu = match["hdu"]
    return Path(match["path"]), hdu if "][" in hdu else hdu[1:-1] or hdu


def _content(source: Any, max_bytes: int) -> types_pb2.Cutout | types_pb2.Vector:
    match source:
        case Cutout():
            return _cutout(source, max_bytes)
        case Embedding():
            return _vector(source.vector, source.context.model_id)
        case np.ndarray() if source.ndim < 2:
            return _vector(source, "")
        case bytes() | bytearray() | memoryview():
            return types_pb2.Cutout(fits=bytes(source))
        case str() | PathLike():
            path, hdu = split_hdu(os.fspath(source))
            return types_pb2.Cutout(
                fits=_read(path, max_bytes), hdu=sendable(hdu), name=_readable(path)
            )
    fits = pixels.fits_of(source, None)
    if fits is None and hasattr(source, "read"):
        return _of_open_file(source, max_bytes)
    if fits is None:
        raise TypeError(
            "a query is a file or its path, the bytes of one, an array, an HDU, a Cutout, a vector, "
            "an Embedding, Examples, a Place or an ObjectId; "
            f"this is a {type(source).__name__}"
        )
    return types_pb2.Cutout(fits=fits)


def _cutout(cutout: Cutout, max_bytes: int) -> types_pb2.Cutout:
    if cutout.wcs is None:
        found = _content(cutout.source, max_bytes)
        if not isinstance(found, types_pb2.Cutout):
            raise TypeError("a Cutout is a piece of sky, not a vector")
    else:
        fits = pixels.fits_of(cutout.source, cutout.wcs)
        if fits is None:
            raise TypeError("a wcs goes with an array; a file has its own")
        found = types_pb2.Cutout(fits=fits)
    if cutout.axis_kind not in _AXIS_KINDS:
        raise BadInput(
            f"axis_kind is {cutout.axis_kind!r}; it can be 'bands' or 'spectral'",
            reason="bad_axis_kind",
        )
    found.hdu = sendable(cutout.hdu) or found.hdu
    found.axis_kind = _AXIS_KINDS[cutout.axis_kind]
    found.stokes = sendable(cutout.stokes)
    return found


def _of_open_file(file: Any, max_bytes: int) -> types_pb2.Cutout:
    """What is left to read of a file that somebody has opened."""
    name = getattr(file, "name", "")
    name = _readable(Path(name)) if isinstance(name, str) else ""  # or a number
    try:
        content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # a closed file is a ValueError
        raise BadInput(
            f"the open file {name} cannot be read: {error}", reason="io_error"
        ) from error
    if isinstance(content, str):
        raise TypeError("a FITS file is bytes: open it by open(path, 'rb')")
    if len(content) > max_bytes:
        raise _too_large(f"the open file {name} has more than {max_bytes}", max_bytes)
    return types_pb2.Cutout(fits=bytes(content), name=name)


def _vector(vector: NDArray[Any], model_id: str) -> types_pb2.Vector:
    if vector.ndim != 1:
        raise BadInput(
            f"a vector has one axis; this array has the shape {vector.shape}",
            reason="bad_vector",
        )
    if vector.dtype.kind not in "fiu":
        raise BadInput(
            f"a vector is made of real numbers; this array is {vector.dtype}",
            reason="bad_vector",
        )
    with np.errstate(over="ignore"):
        numbers = vector.astype("<f4")
    if (np.isinf(numbers) & np.isfinite(vector)).any():
        raise BadInput(
            "the vector holds numbers that float32 cannot", reason="bad_vector"
        )
    return types_pb2.Vector(
        packed=numbers.tobytes(), dimension=len(numbers), model_id=model_id
    )


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path} is not a file", reason="io_error")
        if status.st_size > max_bytes:
            raise _too_large(f"{path} has {status.st_size}", max_bytes)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file", reason="file_missing") from error
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        why = getattr(error, "strerror", None) or error
        raise BadInput(f"{path} cannot be read: {why}", reason="io_error") from error


def _too_large(told: str, max_bytes: int) -> BadInput:
    return BadInput(
        f"{told} bytes; the service takes at most {max_bytes}: cut out the part of "
        "interest first",
        reason="upload_limit",
    )


def sendable(text: str) -> str:
    """The text itself, if a message can hold it.

    Raises
    ------
    BadInput
        ``bad_text`` if it is not Unicode, as the names of some files are not.
    """
    if not isinstance(text, str):
        raise TypeError(f"expected text, not a {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(
            f"{text!r} is not valid Unicode text; name it otherwise", reason="bad_text"
        ) from error
    return text


def _readable(path: Path) -> str:
    """A file's name for error messages, whatever bytes it is made of."""
    return path.name.encode("utf-8", "backslashreplace").decode()


def to_value(name: str, value: Attribute | np.generic) -> types_pb2.Value:
    """An attribute's value."""
    match value.item() if isinstance(value, np.generic) else value:
        case bool(truth):  # before int, of which it is one
            return types_pb2.Value(truth=truth)
        case int(integer) if -(2**63) <= integer < 2**63:
            return types_pb2.Value(integer=integer)
        case float(number):
            return types_pb2.Value(number=number)
        case str(text):
            return types_pb2.Value(text=sendable(text))
    raise BadInput(
        f"the attribute {name!r} is {value!r}; it can be a text, a number, a whole "
        "number of 64 bits or a truth value",
        reason="bad_attribute",
    )
