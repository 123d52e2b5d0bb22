"""Pixels of FITS files, in the data's unit, for panels with colour bars."""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

from skylike.client.figures.values import Values

_MOST_PIXELS = 2**26


def read(source: bytes | str, hdu: str, box: Sequence[int] = ()) -> Values | None:
    """The values of an image, the first row below; None where there is none to be read.

    Of a cube the mean over its planes.

    Parameters
    ----------
    source
        The bytes of a file, or the path of one on this machine.
    hdu
        As the service tells it: ``1``, ``1 (SCI)``.
    box
        x0, y0, x1, y1, the end excluded; empty: the whole image. It may reach beyond the
        image, where nothing is known.
    """
    number = hdu.partition(" ")[0]
    is_here = isinstance(source, bytes) or (
        "://" not in source and "\0" not in source and Path(source).is_file()
    )
    if not (is_here and number.isdecimal()):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the service has told what is odd
            stream = io.BytesIO(source) if isinstance(source, bytes) else source
            with fits.open(stream) as hdus:
                return _values(hdus[int(number)], box)
    except Exception:  # a file may be broken in any way; the thumbnail is left then
        return None


def _values(image: fits.ImageHDU, box: Sequence[int]) -> Values | None:
    shape = image.shape
    if len(shape) < 2:
        return None
    ny, nx = shape[-2:]
    x0, y0, x1, y1 = box or (0, 0, nx, ny)
    wanted = (*shape[:-2], y1 - y0, x1 - x0)
    if min(wanted) <= 0 or math.prod(wanted) > _MOST_PIXELS:
        return None
    left, right = np.clip((x0, x1), 0, nx).tolist()
    below, above = np.clip((y0, y1), 0, ny).tolist()
    data = np.full(wanted, np.nan)
    if left < right and below < above:
        data[..., below - y0 : above - y0, left - x0 : right - x0] = image.section[
            ..., below:above, left:right
        ]
    if data.ndim > 2:
        planes = data.reshape(-1, *data.shape[-2:])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pixels that no plane has
            data = np.nanmean(planes, axis=0)
    unit = str(image.header.get("BUNIT", "")).strip()
    return Values(data, unit)
