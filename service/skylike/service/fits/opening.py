"""From a source to a frame: one HDU, or several of which each is a band."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from skylike.service.errors import BadCutout
from skylike.service.fits import axes, selector, store
from skylike.service.fits.choose import choose
from skylike.service.fits.describe import describe
from skylike.service.fits.frame import Frame
from skylike.service.fits.header import printable
from skylike.service.fits.image import Axes, Image
from skylike.service.fits.options import Options
from skylike.service.fits.part import Part
from skylike.service.fits.structure import Structure, scan

Source = str | Path | bytes

_ALIGNED = 0.5  # pixels
_PLAIN = Options()


@contextlib.contextmanager
def opened(source: Source, options: Options | None = None) -> Iterator[Frame]:
    """Open an image.

    Parameters
    ----------
    source
        A path or URL, with or without a selector (``file.fits[SCI,2]``), or the bytes
        of a file; plain or packed with gzip, bzip2, xz or zip; tile-compressed or not.
        URLs are anything fsspec opens, such as ``s3://bucket/file.fits``.
    options
        What the file itself does not say.

    Raises
    ------
    BadCutout
        With a reason code, for everything that cannot be read. The message names the
        file if the source is a path or URL.
    """
    options = options or _PLAIN
    with _naming(source):
        place, wanted = source, options.hdu
        if isinstance(source, str):
            place, suffix = selector.locate(source)
            wanted = suffix if wanted is None else wanted
        with store.opened(place, options.limits) as found:
            chosen = selector.Selector() if wanted is None else selector.parse(wanted)
            yield _understand(found, chosen, options)


@contextlib.contextmanager
def _naming(source: Source) -> Iterator[None]:
    try:
        yield
    except BadCutout as error:
        if (
            error.is_named
            or isinstance(source, bytes)
            or str(error).startswith(f"{source}: ")
        ):
            raise
        name = str(source) if str(source).isprintable() else ascii(str(source))
        named = BadCutout(f"{name}: {error}", reason=error.reason)
        named.is_named = True
        raise named from error


def _understand(
    found: store.Store, wanted: selector.Selector, options: Options
) -> Frame:
    structure = scan(found, options.limits)
    if wanted.bands:
        frames = {
            printable(name): _frame(found, structure, key, options)
            for name, key in wanted.bands
        }
        frame = together(frames)
    else:
        frame = _frame(found, structure, wanted.key, options)
    if wanted.box is not None:
        frame.box = wanted.box
    frame.structure = structure
    return frame


def together(frames: Mapping[str, Frame]) -> Frame:
    """One frame of several, each a band.

    Parameters
    ----------
    frames
        By the names of the bands. They must stay open while the result is used.

    Raises
    ------
    BadCutout
        ``band_mismatch`` if one of them has several channels, or another shape or
        place on the sky than the first.
    """
    first = next(iter(frames.values()))
    for name, frame in frames.items():
        if frame.shape != (1, *first.shape[1:]):
            raise BadCutout(
                f"band {name} has the shape {frame.shape}; every band must be one plane "
                f"of {first.shape[2]} x {first.shape[1]} pixels",
                reason="band_mismatch",
            )
        offset = _offset(first, frame)
        if offset > _ALIGNED:
            raise BadCutout(
                f"band {name} lies {offset:.1f} pixels from the first one on the sky: "
                "bring the bands to one grid first",
                reason="band_mismatch",
            )
    warnings = [text for frame in frames.values() for text in frame.about.warnings]
    units = {name: frame.about.unit for name, frame in frames.items()}
    if len(set(units.values())) > 1:
        told = ", ".join(f"{name} {unit or 'none'}" for name, unit in units.items())
        warnings.append(printable(f"the bands have different units: {told}"))
    about = dataclasses.replace(
        first.about,
        axes=Axes.BANDS,
        bands=tuple(frames),
        hdu="; ".join(f"{name}={frame.about.hdu}" for name, frame in frames.items()),
        warnings=tuple(dict.fromkeys(warnings)),
    )
    parts = [part for frame in frames.values() for part in frame.parts]
    return Frame(parts, about, first.options)


def _offset(first: Frame, other: Frame) -> float:
    """How far the corners of two images lie apart, in pixels; 0 if nobody knows."""
    if first.about.world is None or other.about.world is None:
        return 0.0
    _, ny, nx = first.shape
    x, y = np.array([0, nx - 1, 0, nx - 1]), np.array([0, 0, ny - 1, ny - 1])
    there = other.about.world.to_pixels(*first.about.world.to_sky(x, y))
    offset = float(np.hypot(there[0] - x, there[1] - y).max())
    # What one of them cannot show of the other lies somewhere else.
    return float("inf") if np.isnan(offset) else offset


def _frame(
    found: store.Store, structure: Structure, key: selector.Key | None, options: Options
) -> Frame:
    hdu, note = choose(structure, key)
    layout = axes.understand(
        hdu.header, hdu.shape, axis_kind=options.axis_kind, stokes=options.stokes
    )
    notes = [*structure.warnings, note] if note else [*structure.warnings]
    about = describe(hdu, layout, notes)
    return Frame([Part(found, hdu, layout)], about, options)


def contents(source: Source, options: Options | None = None) -> Structure:
    """The HDUs of a file, of which none is read.

    Raises
    ------
    BadCutout
        If there are none.
    """
    options = options or _PLAIN
    with _naming(source):
        place = selector.locate(source)[0] if isinstance(source, str) else source
        with store.opened(place, options.limits) as found:
            return scan(found, options.limits)


def read(source: Source, options: Options | None = None) -> Image:
    """Read one image: all of it, or the section that is selected.

    Parameters and errors are those of `opened` and `Frame.read`.
    """
    with opened(source, options) as frame:
        return frame.read()
