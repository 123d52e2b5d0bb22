"""How objects, vectors and fits are written into rows, and checked when read."""

import functools
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.catalog.sky_object import SkyObject, stored
from skylike.service.errors import DamagedData
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag

# Bytes of the text are what its CRC is of, and JSON knows no damaged ones.
OBJECT_COLUMNS = "row, id, uri, CAST(body AS BLOB), crc"
VECTOR_COLUMNS = "row, searchable, vector, crc"
THUMBNAIL_COLUMNS = "row, png, crc"
COLLECTION_COLUMNS = "model_id, dimension, version, num_objects, last_row, crc"
JOURNAL_COLUMNS = "row, version, is_gone, crc"
REQUEST_COLUMNS = "row, id, digest, version, num_objects, crc"
FIT_COLUMNS = "version, kind, arrays, crc"
RATING_COLUMNS = "row, who, body, crc"
RATED_COLUMNS = "version, crc"
NUM_COLUMNS = {
    "objects": OBJECT_COLUMNS.count(",") + 1,
    "vectors": VECTOR_COLUMNS.count(",") + 1,
    "thumbnails": THUMBNAIL_COLUMNS.count(",") + 1,
    "journal": JOURNAL_COLUMNS.count(",") + 1,
}

_MOST_OF_FIT = 1 << 28  # bytes in a row: SQLite takes less than 1 GB

_flags = functools.cache(Flag)
_decode = json.JSONDecoder().raw_decode
# `default` is for numbers of numpy.
_encode = json.JSONEncoder(allow_nan=False, default=float, separators=(",", ":")).encode


def object_row(row: int, sky_object: SkyObject) -> tuple[Any, ...]:
    """The values of a row of objects, CRC included."""
    position = sky_object.position
    # All but what is looked up stands in one text: a hit is read twice as fast.
    body = _encode(
        [
            None if position is None else (position.ra_deg, position.dec_deg),
            sky_object.epoch_mjd,
            sky_object.hdu,
            None if sky_object.box is None else [int(edge) for edge in sky_object.box],
            int(sky_object.flags),
            sky_object.valid_fraction,
            dict(sky_object.attributes),
            sorted(sky_object.labels),
        ]
    )
    id, uri = sky_object.id, sky_object.uri
    return row, id, uri, body, _object_crc(row, id, uri, body.encode())


def read_object(values: tuple[Any, ...], thumbnail: bytes) -> SkyObject:
    """The object of a row made by `object_row`.

    Raises
    ------
    DamagedData
        If the row is not as it was written.
    """
    row, id, uri, body, crc = values
    if _object_crc(row, id, uri, body) != crc:
        raise damaged(f"object {id!r}")
    whole, _ = _decode(str(body, "utf-8"))
    place, epoch_mjd, hdu, box, flags, valid, attributes, labels = whole
    return stored(
        id,
        None if place is None else SkyPosition(*place),
        epoch_mjd,
        uri,
        hdu,
        None if box is None else tuple(box),
        attributes,
        frozenset(labels),
        _flags(flags),
        valid,
        thumbnail,
    )


def vector_row(
    row: int, searchable: bool, vector: NDArray[np.float32]
) -> tuple[Any, ...]:
    """The values of `VECTOR_COLUMNS`, CRC included."""
    blob = vector.astype("<f4").tobytes()
    return row, int(searchable), blob, _vector_crc(row, searchable, blob)


def read_vectors(
    values: list[tuple[Any, ...]], dimension: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float32]]:
    """Rows, whether they are searchable, and vectors of many `vector_row`.

    Raises
    ------
    DamagedData
        If one of them is not as it was written.
    """
    for row, searchable, blob, crc in values:
        if not (
            isinstance(blob, bytes)
            and len(blob) == 4 * dimension
            and _vector_crc(row, searchable, blob) == crc
        ):
            raise damaged(f"the vector in row {row}")
    flat = np.frombuffer(b"".join(value[2] for value in values), "<f4")
    return (
        np.array([value[0] for value in values], np.int64),
        np.array([value[1] for value in values], np.bool_),
        flat.reshape(len(values), dimension).astype(np.float32),
    )


def thumbnail_row(row: int, png: bytes) -> tuple[Any, ...]:
    """The values of `THUMBNAIL_COLUMNS`, CRC included."""
    return row, png, _blob_crc(row, png)


def read_thumbnail(values: tuple[Any, ...]) -> bytes:
    """The picture of a `thumbnail_row`; `DamagedData` if it has changed."""
    row, png, crc = values
    if not isinstance(png, bytes) or _blob_crc(row, png) != crc:
        raise damaged(f"the thumbnail in row {row}")
    return png


def collection_row(
    model_id: str, dimension: int, version: int, num_objects: int, last_row: int
) -> tuple[Any, ...]:
    """The values of `COLLECTION_COLUMNS`, CRC included."""
    values = (model_id, dimension, version, num_objects, last_row)
    return (*values, checksum(values))


def read_collection(values: tuple[Any, ...]) -> tuple[str, int, int, int, int]:
    """What `collection_row` took; `DamagedData` if it has changed."""
    _check(values, "the row of the collection")
    model_id, dimension, version, num_objects, last_row, _ = values
    return model_id, dimension, version, num_objects, last_row


def journal_row(row: int, version: int, *, is_gone: bool) -> tuple[Any, ...]:
    """The values of `JOURNAL_COLUMNS`, CRC included."""
    values = (row, version, int(is_gone))
    return (*values, checksum(values))


def read_journal(values: tuple[Any, ...]) -> tuple[int, int, bool]:
    """What `journal_row` took; `DamagedData` if it has changed."""
    _check(values, f"the journal of row {values[0]}")
    return values[0], values[1], bool(values[2])


def request_row(
    row: int, id: str, digest: str, version: int, num_objects: int
) -> tuple[Any, ...]:
    """The values of `REQUEST_COLUMNS`, CRC included."""
    values = (row, id, digest, version, num_objects)
    return (*values, checksum(values))


def read_request(values: tuple[Any, ...]) -> tuple[str, str, int, int]:
    """What `request_row` took but for the row; `DamagedData` if it has changed."""
    _check(values, f"the request in row {values[0]}")
    _, id, digest, version, num_objects, _ = values
    return id, digest, version, num_objects


def rating_row(row: int, who: str, body: str) -> tuple[Any, ...]:
    """The values of `RATING_COLUMNS`, CRC included."""
    values = (row, who, body)
    return (*values, checksum(values))


def read_rating(values: tuple[Any, ...]) -> tuple[int, str, str]:
    """What `rating_row` took; `DamagedData` if it has changed."""
    _check(values, f"a rating of row {values[0]}")
    row, who, body, _ = values
    return row, who, body


def rated_row(version: int) -> tuple[int, int]:
    """The values of `RATED_COLUMNS`, CRC included."""
    return version, checksum((version,))


def read_rated(values: tuple[Any, ...]) -> int:
    """What `rated_row` took; `DamagedData` if it has changed."""
    _check(values, "the version of the ratings")
    return int(values[0])


def fit_rows(
    version: int, kind: str, arrays: Mapping[str, NDArray[Any]]
) -> list[tuple[Any, ...]]:
    """The values of `FIT_COLUMNS`, CRC included: an npz file, without pickle.

    A large one is cut into several rows, whose kinds are ``kind``, ``kind/1``,
    ``kind/2`` and so on.
    """
    buffer = io.BytesIO()
    # Packed, those of a million objects take two seconds, while writers wait, and two
    # thirds of the space.
    np.savez(buffer, allow_pickle=False, **arrays)
    blob, made = buffer.getbuffer(), []
    for number, start in enumerate(range(0, len(blob), _MOST_OF_FIT)):
        part = bytes(blob[start : start + _MOST_OF_FIT])
        name = f"{kind}/{number}" if number else kind
        made.append((version, name, part, fit_crc(version, name, part)))
    return made


def check_fit(values: tuple[Any, ...]) -> None:
    """Raise `DamagedData` if one of `fit_rows` has changed."""
    version, kind, blob, crc = values
    if not isinstance(blob, bytes) or fit_crc(version, kind, blob) != crc:
        raise damaged(f"fit {version} of the {kind}")


def read_fit(rows: Sequence[tuple[Any, ...]]) -> dict[str, NDArray[Any]]:
    """The arrays of all `fit_rows`, in any order; `DamagedData` if they have changed."""
    for values in rows:
        check_fit(values)
    version, kind = min(values[:2] for values in rows)
    parts = {values[1]: values[2] for values in rows}
    names = [kind, *(f"{kind}/{number}" for number in range(1, len(parts)))]
    try:
        blob = b"".join(parts[name] for name in names)
        with np.load(io.BytesIO(blob), allow_pickle=False) as arrays:
            return dict(arrays)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise damaged(f"fit {version} of the {kind}") from error


def damaged(what: str) -> DamagedData:
    """The error for stored data that fail their check."""
    return DamagedData(
        f"The catalog is damaged: {what} is not as it was written. "
        "Restore the collection from a backup or index it again."
    )


def checksum(values: tuple[Any, ...]) -> int:
    """The CRC32 of what SQLite holds of a row; -1 for what none of ours can hold."""
    # JSON writes floats exactly, so equal values and only they have equal text.
    try:
        return zlib.crc32(json.dumps(values).encode())
    except TypeError:  # damage has made bytes of something
        return -1


def _check(values: tuple[Any, ...], what: str) -> None:
    if checksum(values[:-1]) != values[-1]:
        raise damaged(what)


def _object_crc(row: int, id: Any, uri: Any, body: Any) -> int:
    try:
        head = f"{row} {'' if uri is None else len(uri)} {uri} {id}"
        before = zlib.crc32(head.encode(errors="surrogateescape"))
        return zlib.crc32(body, before)
    except (TypeError, AttributeError):  # damage has made something else of text
        return -1


def _vector_crc(row: int, searchable: int, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(struct.pack("<q?", row, searchable)))


def fit_crc(version: int, kind: str, blob: bytes) -> int:
    """The CRC of one of `fit_rows`."""
    return zlib.crc32(blob, checksum((version, kind)))


def _blob_crc(row: int, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(struct.pack("<q", row)))
