"""Stamps of an archive, for training and judging.

The way from file to stamp is the service's own, so that training and serving
cannot differ. Labels are never read here.
"""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from skylike.service import fits
from skylike.service.errors import BadInput
from skylike.service.fits.address import text
from skylike.service.flags import Flag
from skylike.service.prepare import Reject, Source, constant, prepare
from skylike.service.sources import find_images
from skylike.service.stamp import StampSpec

_LOOKED_AT = 500


@dataclass(frozen=True, slots=True, eq=False)
class StampSet:
    """The readable part of an archive.

    Attributes
    ----------
    stamps : (n, channel, size, size) float32, in sigma of the background
        NaN where there is no data.
    paths
        Where each came from.
    rejects
        Everything that gave no stamp, and why.
    """

    stamps: NDArray[np.float32]
    paths: tuple[Path, ...]
    rejects: tuple[Reject, ...]

    def data_hash(self) -> str:
        """sha256 over the pixels of all stamps, in order."""
        return hashlib.sha256(np.ascontiguousarray(self.stamps).data).hexdigest()


def load(
    sources: Sequence[Path],
    spec: StampSpec,
    *,
    workers: int = 2,
    progress: bool = False,
) -> StampSet:
    """Read every image that sources name.

    Constant images are left out: there is nothing to learn from them.

    Parameters
    ----------
    sources
        Files, folders, lists and tables, as `find_images` takes them.
    spec
        What stamps to make.
    workers
        Processes that read.
    progress
        Whether to show a bar.

    Returns
    -------
    StampSet
        In the order of `find_images`.
    """
    images = find_images(sources)
    stamps: list[NDArray[np.float32]] = []
    kept: list[Path] = []
    rejects: list[Reject] = []
    bar = tqdm(total=len(images), desc="reading", unit="file", disable=not progress)
    with bar:
        chunks = prepare(
            [Source(image, text(image)) for image in images],
            spec,
            workers=workers,
            pictures=False,
        )
        for result in itertools.chain.from_iterable(chunks):
            bar.update()
            if isinstance(result, Reject):
                rejects.append(result)
            elif Flag.CONSTANT in result.object.flags:
                rejects.append(constant(result.object.id))
            else:
                stamps.append(result.pixels)
                kept.append(Path(result.object.id))
    shape = (0, len(spec.channels), spec.size, spec.size)
    return StampSet(
        np.stack(stamps) if stamps else np.empty(shape, np.float32),
        tuple(kept),
        tuple(rejects),
    )


def completed(spec: StampSpec, images: Sequence[str]) -> StampSpec:
    """The spec with the channels that most files have, where it names none itself.

    Parameters
    ----------
    spec
        Of a recipe.
    images
        As `majority_spec` takes them.

    Raises
    ------
    BadInput
        ``no_files`` if the spec names no channels and none of the files can be read.
    """
    if spec.model_fields_set & {"axes", "channels", "collapse"}:
        return spec
    chosen = {name: getattr(spec, name) for name in spec.model_fields_set}
    return majority_spec(images).model_copy(update=chosen)


def majority_spec(images: Sequence[str]) -> StampSpec:
    """The StampSpec that most files fit: one channel, or the commonest bands.

    Spectral cubes count as images, since a model of images takes them collapsed.

    Parameters
    ----------
    images
        As `find_images` names them; at most 500, spread evenly, are looked at.

    Raises
    ------
    BadInput
        ``no_files`` if none of them can be read.
    """
    layouts: Counter[tuple[str, ...]] = Counter()
    for name in images[:: math.ceil(len(images) / _LOOKED_AT)]:
        try:
            image = fits.read(name)
        except BadInput:
            continue
        layouts[image.bands] += 1
    if not layouts:
        raise BadInput("none of the files can be read as an image", reason="no_files")
    [(bands, _)] = layouts.most_common(1)
    if not bands:
        return StampSpec()
    return StampSpec(axes=fits.Axes.BANDS, channels=bands)
