"""An image in a file, of which all or any part can be read.

The header is understood once, when the frame is opened. Uncompressed pixels are read
where they lie, rows of a box at a time; compressed ones are decoded once, when the
first of them is asked for, and kept.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits import axes, checksum, pixels, selector, store, tiles
from skylike.service.fits.beam import read_beam, read_seeing
from skylike.service.fits.box import Box
from skylike.service.fits.choose import choose
from skylike.service.fits.dates import epoch_mjd
from skylike.service.fits.header import Header, printable
from skylike.service.fits.image import Axes, Image, SkyPosition
from skylike.service.fits.options import Options
from skylike.service.fits.structure import Hdu, Kind, Structure, scan
from skylike.service.fits.units import standard_unit
from skylike.service.fits.world import World, read_world

Source = str | Path | bytes

_ALIGNED = 0.5  # pixels


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """One HDU of a frame, and how its axes lie."""

    store: store.Store
    hdu: Hdu
    layout: axes.Layout

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        shape, layout = self.hdu.shape, self.layout
        channels = 1 if layout.channel is None else shape[layout.channel]
        return channels, shape[layout.y], shape[layout.x]


class Frame:
    """An opened image.

    Attributes
    ----------
    shape
        Channels, rows (ny) and columns (nx).
    about
        What its header says: an `Image` without pixels.
    box
        The part that was selected when it was opened; else all of it.
    parts, options
        The HDUs it is made of, and how they are read.
    """

    def __init__(self, parts: Sequence[_Part], about: Image, options: Options) -> None:
        channels, ny, nx = parts[0].shape
        self.shape = (channels * len(parts), ny, nx)
        self.about = about
        self.box = Box(0, 0, nx, ny)
        self.parts = parts
        self.options = options
        self._whole: NDArray[np.float32] | None = None
        self._notes: tuple[str, ...] = ()

    def read(self, box: Box | None = None) -> Image:
        """Read pixels.

        Parameters
        ----------
        box
            Which; `self.box` by default. What lies beyond the frame is NaN.

        Returns
        -------
        Image
            Pixels (channel, box.ny, box.nx) float32 of its own, NaN where there is no
            data.

        Raises
        ------
        BadCutout
            ``size_limit``, ``no_overlap``, ``truncated``, ``corrupt_tiles``,
            ``inflate_limit``, ``out_of_range``, or ``checksum`` where the options are
            strict.
        """
        box = box or self.box
        channels, ny, nx = self.shape
        self._require_affordable(channels * box.ny * box.nx)
        inner = box.within(nx, ny)
        if inner.nx <= 0 or inner.ny <= 0:
            raise BadCutout(
                f"the box {dataclasses.astuple(box)} does not touch the image of {nx} x "
                f"{ny} pixels",
                reason="no_overlap",
            )
        found = self._read(inner)
        if inner != box:
            whole = np.full((channels, box.ny, box.nx), np.nan, np.float32)
            y, x = inner.y0 - box.y0, inner.x0 - box.x0
            whole[:, y : y + inner.ny, x : x + inner.nx] = found
            found = whole
        return dataclasses.replace(
            self.about,
            pixels=found,
            box=box,
            edge_fraction=1 - inner.nx * inner.ny / (box.nx * box.ny),
            position=self._position(box),
            warnings=self.about.warnings + self._notes,
        )

    def _require_affordable(self, count: int) -> None:
        limit = self.options.limits.pixels
        if count > limit:
            raise BadCutout(
                f"{count} pixels are asked for, of an image of the shape {self.shape}; "
                f"at most {limit} are read at once: give a section such as "
                "[1:1000,1:1000], or raise the limit",
                reason="size_limit",
            )

    def _read(self, box: Box) -> NDArray[np.float32]:
        """Pixels of a box inside the frame, of their own."""
        channels, ny, nx = self.shape
        is_whole = (box.nx, box.ny) == (nx, ny)
        if self._whole is None and (is_whole or not self._is_plain()):
            self._require_affordable(channels * ny * nx)
            self._require_intact()
            self._whole = self._decoded(Box(0, 0, nx, ny))
        if self._whole is None:
            return self._decoded(box)
        if is_whole:
            return self._whole
        return self._whole[:, box.y0 : box.y1, box.x0 : box.x1].copy()

    def _require_intact(self) -> None:
        for part in self.parts:
            if wrong := checksum.failures(part.store, part.hdu):
                text = (
                    f"the {' and '.join(wrong)} of HDU {part.hdu.label} does not hold"
                )
                if self.options.strict:
                    raise BadCutout(text, reason="checksum")
                self._notes += (text,)

    def _is_plain(self) -> bool:
        """Whether rows can be read where they lie."""
        return all(
            part.hdu.kind is Kind.IMAGE
            and (part.layout.y, part.layout.x)
            == (len(part.hdu.shape) - 2, len(part.hdu.shape) - 1)
            for part in self.parts
        )

    def _decoded(self, box: Box) -> NDArray[np.float32]:
        out = np.empty((self.shape[0], box.ny, box.nx), np.float32)
        each = self.shape[0] // len(self.parts)
        lost = 0
        for i, part in enumerate(self.parts):
            planes = out[i * each : (i + 1) * each]
            if self._is_plain():
                for channel, plane in enumerate(planes):
                    where = _plane(part.layout, channel)
                    lost += pixels.read_plane(part.store, part.hdu, where, box, plane)
            else:
                lost += self._arranged(part, planes)
        self._note_lost(lost, out)
        return out

    def _arranged(self, part: _Part, out: NDArray[np.float32]) -> int:
        """All pixels of an image that has to be read as a whole."""
        if part.hdu.kind is Kind.COMPRESSED:
            numbers = tiles.decode(part.store, part.hdu, self.options.limits)
        else:
            count = math.prod(part.hdu.shape)
            self._require_affordable(count)
            numbers = pixels.stored(part.store, part.hdu, 0, count)
            numbers = numbers.reshape(part.hdu.shape)
        layout = part.layout
        kept = [layout.y, layout.x]
        if layout.channel is not None:
            kept.insert(0, layout.channel)
        others = [i for i in range(numbers.ndim) if i not in kept]
        numbers = numbers.transpose(others + kept)[
            tuple(layout.taken[i] for i in others)
        ]
        numbers = numbers.reshape(out.shape)
        lost = 0
        for channel, y in itertools.product(
            range(len(out)), range(0, out.shape[1], 256)
        ):
            rows = slice(y, y + 256)
            header = part.hdu.header
            lost += pixels.convert(numbers[channel, rows], header, out[channel, rows])
        return lost

    def _note_lost(self, lost: int, out: NDArray[np.float32]) -> None:
        if 2 * lost > out.size:
            raise BadCutout(
                "most pixels lie beyond what float32 can hold, 1e-38 to 3e38: scale the "
                "image, for example by BSCALE",
                reason="out_of_range",
            )
        notes = []
        if lost:
            notes.append(f"{lost} pixels lie beyond what float32 can hold")
        infinite = pixels.blank_infinite(out)
        if infinite:
            notes.append(f"{infinite} infinite pixels are taken as blank")
        self._notes = tuple(dict.fromkeys([*self._notes, *notes]))

    def _position(self, box: Box) -> SkyPosition | None:
        """The centre of a box; of the whole image what its header says, failing that."""
        world = self.about.world
        if world is not None:
            centre = (box.x0 + box.x1 - 1) / 2, (box.y0 + box.y1 - 1) / 2
            ra, dec = world.to_sky(*centre)
            if np.isfinite(ra + dec):
                return SkyPosition(float(ra), float(dec))
            return None
        return self.about.position if box == self.about.box else None


def _plane(layout: axes.Layout, channel: int) -> tuple[int, ...]:
    """Which plane of the axes before the image a channel is."""
    return tuple(
        channel if i == layout.channel else taken
        for i, taken in enumerate(layout.taken[:-2])
    )


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
    options = options or Options()
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
        if isinstance(source, bytes) or str(error).startswith(f"{source}: "):
            raise
        raise BadCutout(f"{source}: {error}", reason=error.reason) from error


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
    about = dataclasses.replace(
        first.about,
        axes=Axes.BANDS,
        bands=tuple(frames),
        hdu="; ".join(f"{name}={frame.about.hdu}" for name, frame in frames.items()),
        warnings=tuple(
            dict.fromkeys(
                warning for frame in frames.values() for warning in frame.about.warnings
            )
        ),
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
    return offset if np.isfinite(offset) else 0.0


def _frame(
    found: store.Store, structure: Structure, key: selector.Key | None, options: Options
) -> Frame:
    hdu, note = choose(structure, key)
    layout = axes.understand(
        hdu.header, hdu.shape, axis_kind=options.axis_kind, stokes=options.stokes
    )
    notes = [*structure.warnings, note] if note else [*structure.warnings]
    about = _about(hdu, layout, notes)
    return Frame([_Part(found, hdu, layout)], about, options)


def _about(hdu: Hdu, layout: axes.Layout, notes: list[str]) -> Image:
    """What the header says, in the shape of an image without pixels."""
    header = hdu.header
    ny, nx = hdu.shape[layout.y], hdu.shape[layout.x]
    numbers = len(hdu.shape) - layout.x, len(hdu.shape) - layout.y
    world = _world(header, numbers, notes)
    return Image(
        pixels=np.empty((0, 0, 0), np.float32),
        box=Box(0, 0, nx, ny),
        edge_fraction=0.0,
        axes=layout.axes,
        bands=tuple(printable(band) for band in layout.bands),
        spectral=layout.spectral,
        spectral_unit=layout.spectral_unit,
        world=world,
        position=None if world else _pointing(header),
        beam=read_beam(header),
        seeing_arcsec=read_seeing(header, world.pixel_scale_arcsec if world else None),
        unit=standard_unit(header.text("BUNIT")),
        hdu=hdu.label,
        name=header.text("OBJECT"),
        epoch_mjd=epoch_mjd(header),
        warnings=tuple(notes),
    )


def _world(header: Header, numbers: tuple[int, int], notes: list[str]) -> World | None:
    """The world coordinates; those of real files break in many ways."""
    try:
        world, mended = read_world(header, numbers)
    except Exception as error:  # astropy raises whatever a header provokes
        notes.append(printable(f"no position: {type(error).__name__}: {error}"))
        return None
    if mended:
        notes.append(printable(f"world coordinates were mended: {'; '.join(mended)}"))
    return world


def _pointing(header: Header) -> SkyPosition | None:
    """The RA and DEC cards in degrees: the centre, to the writer's knowledge."""
    ra, dec = header.number("RA"), header.number("DEC")
    if ra is None or dec is None or not (0 <= ra <= 360 and -90 <= dec <= 90):
        return None
    return SkyPosition(ra % 360.0, dec)


def read(source: Source, options: Options | None = None) -> Image:
    """Read one image: all of it, or the section that is selected.

    Parameters and errors are those of `opened` and `Frame.read`.
    """
    with opened(source, options) as frame:
        return frame.read()
