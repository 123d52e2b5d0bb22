"""What the axes of an array mean, told from the header's words alone.

A two-dimensional image needs no telling. A third axis is spectral, or bands, or
Stokes, if the header or the caller says so; if nobody does, that is an error, never
a guess.
"""

import itertools
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits.header import Header, printable
from skylike.service.fits.image import Axes
from skylike.service.fits.projection import CELESTIAL

# The codes of the FITS standard 4.0, table 25, and names seen in the wild.
_SPECTRAL = re.compile(
    r"^(FREQ|ENER|WAVN|VRAD|WAVE|VOPT|ZOPT|AWAV|VELO|BETA|FELO|LAMBDA)"
)
KIND = "AXISKIND"
"""The card in which a cutout keeps what a caller said of its third axis."""
_MOST_PLANES = 2**18  # along an axis beside the image's
# FITS standard 4.0, table 29.
_STOKES = {
    "I": 1, "Q": 2, "U": 3, "V": 4,
    "RR": -1, "LL": -2, "RL": -3, "LR": -4, "XX": -5, "YY": -6, "XY": -7, "YX": -8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """Where channel, y and x are in an array.

    Attributes
    ----------
    x, y
        The axes of the image, as numpy counts them.
    channel
        The axis of the channels; None where there is one channel.
    taken : (ndim,) int
        Which index of every other axis is taken; 0 for `x`, `y` and `channel`.
    axes, bands
        What the channels are, and their names when they are bands.
    spectral
        The world coordinate of each plane of a spectral cube, else None.
    spectral_unit
        Its CTYPE and CUNIT as written.
    note
        What was odd; a sentence, or nothing.
    """

    x: int
    y: int
    channel: int | None
    taken: tuple[int, ...]
    axes: Axes
    bands: tuple[str, ...] = ()
    spectral: NDArray[np.float64] | None = None
    spectral_unit: str = ""
    note: str = ""


def understand(
    header: Header,
    shape: tuple[int, ...],
    *,
    axis_kind: str | None = None,
    stokes: str | None = None,
) -> Layout:
    """Tell the axes of an array apart.

    Parameters
    ----------
    header
        The header that describes it.
    shape
        Of at least two axes, as numpy sees them: the last one is NAXIS1.
    axis_kind
        ``bands`` or ``spectral``: what a third axis is where the header does not say.
    stokes
        Which plane of a Stokes axis to take: ``I`` by default.

    Raises
    ------
    BadCutout
        ``bad_dimensions``, ``axis_ambiguous``, ``stokes_unavailable`` or
        ``size_limit``.
    """
    ndim = len(shape)
    kinds = [_kind(header, ndim - i) for i in range(ndim)]
    y, x = _image_axes(kinds, shape)
    taken = [0] * ndim
    left = []
    if stokes is not None and "stokes" not in kinds:
        raise BadCutout(
            f"the array {shape} has no Stokes axis to take {printable(stokes)} from",
            reason="stokes_unavailable",
        )
    has_planes = any(
        kind == "stokes" and length > 1
        for kind, length in zip(kinds, shape, strict=True)
    )
    for i in range(ndim):
        # A lone plane is taken as it is, unless another one is asked for.
        is_asked = kinds[i] == "stokes" and stokes is not None and not has_planes
        if i in (x, y) or (shape[i] == 1 and not is_asked):
            continue
        if shape[i] > _MOST_PLANES:  # each has a coordinate or a name
            raise BadCutout(
                f"an axis beside the image is {shape[i]} long; at most {_MOST_PLANES} "
                "planes are read",
                reason="size_limit",
            )
        if kinds[i] == "stokes":
            taken[i] = _stokes_plane(header, ndim - i, shape[i], stokes)
        else:
            left.append(i)
    if len(left) > 1:
        raise BadCutout(
            f"the array has {len(left)} axes beside the image: {shape}; an image may "
            "have one, bands or spectral: take a part of it first",
            reason="bad_dimensions",
        )
    if not left and header.text(KIND) == Axes.BANDS and len(_bands(header)) == 1:
        left = [i for i in range(ndim) if i not in (x, y)][:1]
    if not left:
        return Layout(x, y, None, tuple(taken), Axes.IMAGE)
    channel = left[0]
    number, length = ndim - channel, shape[channel]
    axis_kind = axis_kind or header.text(KIND) or None
    if "spectral" in (kinds[channel], axis_kind) and axis_kind != "bands":
        words = f"{header.text(f'CTYPE{number}')} {header.text(f'CUNIT{number}')}"
        return Layout(
            x,
            y,
            channel,
            tuple(taken),
            Axes.SPECTRAL,
            spectral=_coordinates(header, number, length),
            spectral_unit=words.strip(),
        )
    names, note = _bands(header), ""
    if names and not _are_names(names, length):
        note = printable(
            f"the header names the bands {', '.join(names)}, which are not the "
            f"{length} planes"
        )
        names = ()
    if not names and axis_kind == "bands":
        names = tuple(str(i + 1) for i in range(length))
    if not names:
        raise BadCutout(
            (note or f"the header does not say what the {length} planes of {shape} are")
            + ": set the option axis-kind to 'bands' or 'spectral', or give the file a "
            f"spectral CTYPE{number}, such as 'FREQ', or the names of its bands as BANDS",
            reason="axis_ambiguous",
        )
    return Layout(x, y, channel, tuple(taken), Axes.BANDS, bands=names, note=note)


def _image_axes(kinds: list[str], shape: tuple[int, ...]) -> tuple[int, int]:
    """The axes of y and x: the celestial ones, else the first two in the file.

    What is spectral or Stokes is no axis of a picture if others are there.
    """
    celestial = [i for i, kind in enumerate(kinds) if kind == "celestial"]
    if len(celestial) == 2:
        return celestial[0], celestial[1]
    others = [i for i, kind in enumerate(kinds) if kind not in ("spectral", "stokes")]
    spatial = [i for i in others if shape[i] > 1]
    if len(others) == len(shape) or len(spatial) < 2:
        return len(shape) - 2, len(shape) - 1
    return spatial[-2], spatial[-1]


def _kind(header: Header, number: int) -> str:
    """What the FITS axis `number` (1 for NAXIS1) is, by its CTYPE."""
    ctype = header.text(f"CTYPE{number}").upper()
    if CELESTIAL.match(ctype):
        return "celestial"
    if _SPECTRAL.match(ctype):
        return "spectral"
    return "stokes" if ctype.startswith("STOKES") else ""


def _coordinates(header: Header, number: int, length: int) -> NDArray[np.float64]:
    """World coordinates along a linear axis; FITS standard 4.0, section 8.1."""
    value, step, pixel = (
        header.number(f"{keyword}{number}") for keyword in ("CRVAL", "CDELT", "CRPIX")
    )
    matrix = header.number(f"CD{number}_{number}")
    turn = header.number(f"PC{number}_{number}")
    if matrix is not None:
        step = matrix
    elif turn is not None:
        step = turn * (1.0 if step is None else step)
    index = np.arange(1, length + 1, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(
            (0.0 if value is None else value)
            + (1.0 if step is None else step)
            * (index - (0.0 if pixel is None else pixel))
        )


def _stokes_plane(header: Header, number: int, length: int, wanted: str | None) -> int:
    """Index of the plane whose world coordinate is that of the parameter."""
    name = (wanted or "I").upper()
    values = _coordinates(header, number, length)
    planes = np.flatnonzero(np.isclose(values, _STOKES.get(name, np.nan)))
    if planes.size != 1:
        names = {value: key for key, value in _STOKES.items()}
        found = [
            names.get(value, f"{value:g}") for value in np.rint(values[:12]).tolist()
        ]
        raise BadCutout(
            f"no plane of the Stokes axis is {printable(name)}; there are "
            f"{', '.join(found)}: set the option stokes to one of them",
            reason="stokes_unavailable",
        )
    return int(planes[0])


def _bands(header: Header) -> tuple[str, ...]:
    """The bands that are named, in a BANDS card or in BAND0, BAND1, …; perhaps none.

    A lone word of letters, such as ``ugriz``, has one for each band.
    """
    names = str(header.get("BANDS") or "").replace(",", " ").split()
    if names:
        is_letters = len(names) == 1 and names[0].isalpha()
        return tuple(map(printable, names[0] if is_letters else names))
    first = 0 if "BAND0" in header else 1
    numbers = itertools.takewhile(
        lambda number: f"BAND{number}" in header, itertools.count(first)
    )
    return tuple(header.text(f"BAND{number}") for number in numbers)


def _are_names(names: tuple[str, ...], length: int) -> bool:
    return len(names) == length == len(set(names)) and all(names)
