"""A folder for TensorBoard's projector: vectors, what is known of them, thumbnails.

``tensorboard --logdir FOLDER`` shows it. The projector takes one picture of all thumbnails,
8192 pixels a side at most: of many objects they are made smaller.

References
----------
tensorboard/plugins/projector/projector_config.proto, of TensorBoard 2.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skylike.client.client import Client
from skylike.client.errors import BadInput, NotFound
from skylike.client.filters import Filter
from skylike.client.handover.everything import Described, Everything, of_ids
from skylike.client.tables.table import Cell
from skylike.client.tables.writing import door, put

_LARGEST_SPRITE = 8192
_THUMBNAIL = 96
_MOST = 10_000


def tensorboard(
    client: Client,
    folder: str | os.PathLike[str],
    where: Filter | None = None,
    *,
    collection: str | None = None,
    limit: int = _MOST,
) -> int:
    """Write a folder that TensorBoard's projector shows, with thumbnails.

    Parameters
    ----------
    client
        Whom to ask.
    folder
        Made if it is not there; files of the same names in it are replaced.
    where
        Which objects, by `skylike.client.filters`; None: all that can be searched.
    collection
        May be left out where the service has only one.
    limit
        At most so many objects; of more a uniform sample. The projector holds some ten
        thousand.

    Returns
    -------
    int
        How many objects there are in the folder.

    Raises
    ------
    MissingPackage
        If Pillow is not installed.
    """
    pictures = door("sprite")
    target = Path(folder)
    shown = client.map(where, collection=collection, limit=limit)
    name = shown.context.collection
    items: list[Described] = []
    vectors: list[NDArray[np.float32]] = []
    thumbnails: list[bytes] = []
    for one in of_ids(client, shown.ids, name):
        try:
            found = client.get(one.object.id, collection=name, with_vector=True)
        except NotFound:  # it was deleted meanwhile
            continue
        assert found.vector is not None
        items.append(one)
        vectors.append(found.vector)
        thumbnails.append(found.object.thumbnail_png)
    if not items:
        raise BadInput("no object can be shown", reason="nothing_to_show")
    columns = math.ceil(math.sqrt(len(items)))
    side = min(_THUMBNAIL, _LARGEST_SPRITE // columns)
    table = Everything(shown.context, tuple(items))._table()
    names = [column.name for column in table.columns]
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{target} cannot be made: {error.strerror}", reason="io_error"
        ) from error
    put(target / "tensors.tsv", _lines(_numbers(one) for one in vectors))
    put(target / "metadata.tsv", _lines([_row(names), *map(_row, table.rows())]))
    put(target / "sprite.png", pictures.sprite(thumbnails, columns, side))
    put(target / "projector_config.pbtxt", _config(shown.context.collection, side))
    return len(items)


def _numbers(vector: NDArray[np.float32]) -> str:
    return "\t".join(f"{number:.7g}" for number in vector.tolist())


def _row(cells: Sequence[Cell]) -> str:
    """Values between tabs; a text holds neither tabs nor lines, it is disarmed."""
    return "\t".join("" if cell is None else str(cell) for cell in cells)


def _lines(rows: "Iterator[str] | Sequence[str]") -> bytes:
    return "".join(f"{row}\n" for row in rows).encode("utf-8", "backslashreplace")


def _config(name: str, side: int) -> bytes:
    # Texts of Protobuf's text format are quoted as those of JSON, if they are ASCII.
    return (
        "embeddings {\n"
        f"  tensor_name: {json.dumps(name)}\n"
        '  tensor_path: "tensors.tsv"\n'
        '  metadata_path: "metadata.tsv"\n'
        "  sprite {\n"
        '    image_path: "sprite.png"\n'
        f"    single_image_dim: {side}\n"
        f"    single_image_dim: {side}\n"
        "  }\n"
        "}\n"
    ).encode()
