"""Vectors of many images as a table, or as a folder for TensorBoard's projector."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image as Picture
from tqdm import tqdm

from skylike.service.catalog import SkyObject
from skylike.service.encoder import Encoder
from skylike.service.errors import BadSettings
from skylike.service.fits.address import text
from skylike.service.fits.table import write_table
from skylike.service.prepare import Prepared, Reject, Source, prepare
from skylike.service.thumbnail import SIDE

TABLES = (".parquet", ".csv", ".vot", ".ecsv")
_LARGEST_SPRITE = 8192  # pixels a side that browsers take


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Images as a model sees them.

    Attributes
    ----------
    objects
        What is known of each.
    vectors : (n, D) float32, unit norm
    rejects
        What gave no vector, and why.
    keywords
        Cards of the header that were asked for.
    """

    objects: tuple[SkyObject, ...]
    vectors: NDArray[np.float32]
    rejects: tuple[Reject, ...]
    keywords: tuple[str, ...] = ()

    def columns(self) -> dict[str, list[object]]:
        """Everything but the vectors, by column; None where unknown.

        A card that was asked for has a column even if no image has the card.
        """
        known = [
            {
                "id": item.id,
                "ra_deg": item.position.ra_deg if item.position else None,
                "dec_deg": item.position.dec_deg if item.position else None,
                "epoch_mjd": item.epoch_mjd,
                "hdu": item.hdu,
                "flags": int(item.flags),
                "valid_fraction": item.valid_fraction,
                **item.attributes,
            }
            for item in self.objects
        ]
        names = dict.fromkeys(name for row in known for name in row)
        names |= dict.fromkeys(self.keywords)
        return {name: _alike([row.get(name) for row in known]) for name in names}


def embed(
    encoder: Encoder,
    images: Sequence[str],
    *,
    keywords: Sequence[str] = (),
    pictures: bool = False,
    workers: int = 2,
    progress: bool = False,
) -> Embedded:
    """Vectors of images.

    Parameters
    ----------
    encoder
        The model.
    images
        As `find_images` names them.
    keywords
        Cards of the header to keep.
    pictures
        Whether to make thumbnails.
    workers
        Processes that read.
    progress
        Whether to show a bar.
    """
    objects: list[SkyObject] = []
    rejects: list[Reject] = []
    vectors = [np.empty((0, encoder.dimension), np.float32)]
    named = [Source(image, text(image)) for image in images]
    with tqdm(
        total=len(named), desc="embedding", unit="image", disable=not progress
    ) as bar:
        for chunk in prepare(
            named, encoder.spec, workers=workers, pictures=pictures, keywords=keywords
        ):
            ready = [item for item in chunk if isinstance(item, Prepared)]
            rejects += [item for item in chunk if isinstance(item, Reject)]
            objects += [item.object for item in ready]
            if ready:
                vectors.append(encoder.embed(np.stack([item.pixels for item in ready])))
            bar.update(len(chunk))
    return Embedded(
        tuple(objects), np.concatenate(vectors), tuple(rejects), tuple(keywords)
    )


def require_format(path: Path) -> None:
    """Refuse the name of a table that cannot be written.

    Raises
    ------
    BadSettings
        ``bad_format`` if it ends in none of `TABLES`.
    """
    if path.suffix.lower() not in TABLES:
        raise BadSettings(
            f"{path}: give a name that ends in {', '.join(TABLES)}", reason="bad_format"
        )


def save_table(path: Path, embedded: Embedded) -> None:
    """Write vectors and what is known of each image.

    Parquet, VOTable and ECSV hold the vector in one column, CSV in D columns.

    Raises
    ------
    BadSettings
        ``bad_format`` if the name ends like none of these.
    """
    require_format(path)
    suffix = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    columns, vectors = embedded.columns(), embedded.vectors
    if suffix == ".parquet":
        listed = pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1])
        pq.write_table(pa.table({**columns, "vector": listed}), path)
    elif suffix == ".csv":
        parts = {f"v{i}": list(column) for i, column in enumerate(vectors.T)}
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([*columns, *parts])
            rows.writerows(zip(*columns.values(), *parts.values(), strict=True))
    else:
        write_table(path, {**columns, "vector": vectors})


def save_projector(folder: Path, embedded: Embedded) -> None:
    """Write what TensorBoard's projector reads: vectors, metadata, thumbnails.

    Thumbnails become smaller the more there are, since all lie in one picture of at
    most 8,192 pixels a side.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / "vectors.tsv", embedded.vectors, "%.6g", "\t")
    columns = embedded.columns()
    with (folder / "metadata.tsv").open("w", newline="") as file:
        rows = csv.writer(file, "excel-tab", lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    across = max(1, math.ceil(math.sqrt(len(embedded.objects))))
    side = min(SIDE, _LARGEST_SPRITE // across)
    sprite = Picture.new("RGB", (across * side, across * side))
    for number, item in enumerate(embedded.objects):
        if item.thumbnail:
            picture = Picture.open(io.BytesIO(item.thumbnail)).resize((side, side))
            row, column = divmod(number, across)
            sprite.paste(picture, (column * side, row * side))
    sprite.save(folder / "sprite.png")
    (folder / "projector_config.pbtxt").write_text(
        "embeddings {\n"
        '  tensor_path: "vectors.tsv"\n  metadata_path: "metadata.tsv"\n'
        f'  sprite {{ image_path: "sprite.png" single_image_dim: {side} '
        f"single_image_dim: {side} }}\n}}\n"
    )


def _alike(values: list[object]) -> list[object]:
    """Values of one type; text where images disagree."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2 or kinds <= {int, float}:
        return values
    return [None if value is None else str(value) for value in values]
