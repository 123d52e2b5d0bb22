"""An image in a file, of which all or any part can be read.

The header is understood once, when the frame is opened. Uncompressed pixels are read
where they lie, rows of a box at a time. Compressed ones are decoded once, when the first
of them is asked for, and kept; of an image that is too large for that, the tiles that
each box touches are, every time.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadCutout
from skylike.service.fits import checksum, pixels, tiles
from skylike.service.fits.box import Box
from skylike.service.fits.image import Image, SkyPosition
from skylike.service.fits.options import Options
from skylike.service.fits.part import Part
from skylike.service.fits.structure import Kind, Structure

_MOST_DECODED = 2**23  # pixels of a compressed image, for some of its rows
_EXACT = 2**24  # float32 holds every integer up to here


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
    structure
        The file that it was opened from; None of one made of several.
    """

    def __init__(self, parts: Sequence[Part], about: Image, options: Options) -> None:
        channels, ny, nx = parts[0].shape
        self.shape = (channels * len(parts), ny, nx)
        self.about = about
        self.box = Box(0, 0, nx, ny)
        self.parts = parts
        self.options = options
        self.structure: Structure | None = None
        self._sections: dict[int, tiles.Section] = {}
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
        notes = self.about.warnings + self._notes
        return self._image(box, pixels=found, warnings=notes)

    def outline(self, box: Box | None = None) -> Image:
        """What would be read, without pixels: `Image.pixels` are empty.

        Parameters
        ----------
        box
            As in `read`.
        """
        return self._image(box or self.box)

    def _image(self, box: Box, **found: Any) -> Image:
        """What is known of a part of the frame, and what was found there."""
        _, ny, nx = self.shape
        return dataclasses.replace(
            self.about,
            box=box,
            edge_fraction=1 - box.share_within(nx, ny),
            position=self._position(box),
            **found,
        )

    def rows(self, channel: int, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Some rows of one channel, each as wide as the frame.

        For a glance at a frame that is too large to be read: rows that are far from each
        other are read where they lie. The limit is on what is returned, and on the tiles
        that any one row lies in.

        Parameters
        ----------
        channel
            From 0.
        numbers
            Of the rows, from 0, within the frame.

        Returns
        -------
        rows : (len(numbers), nx) float32
            NaN where there is no data.

        Raises
        ------
        BadCutout
            As `read`.
        """
        self._require_affordable(len(numbers) * self.shape[2])
        if not self._is_ordered():
            return self.whole()[channel, list(numbers)]
        out = np.empty((len(numbers), self.shape[2]), np.float32)
        which, inside = divmod(channel, self.shape[0] // len(self.parts))
        part = self.parts[which]
        where = part.plane(inside)
        if part.hdu.kind is Kind.COMPRESSED:
            self._decode_rows(which, where, numbers, out)
        else:
            for y, row in zip(numbers, out, strict=True):
                box = Box(0, y, self.shape[2], y + 1)
                pixels.read_plane(part.store, part.hdu, where, box, row[np.newaxis])
        pixels.blank_infinite(out)
        return out

    def decoded_for(self, channel: int, numbers: Sequence[int]) -> int:
        """How many pixels the tiles have that `rows` decodes for some rows of a channel.

        0 where rows are read where they lie.
        """
        which, inside = divmod(channel, self.shape[0] // len(self.parts))
        part = self.parts[which]
        if part.hdu.kind is not Kind.COMPRESSED or not self._is_ordered():
            return 0
        across = slice(0, self.shape[2])
        return self._section(which).decodes_rows(part.plane(inside), numbers, across)

    def _decode_rows(
        self,
        which: int,
        plane: tuple[int, ...],
        numbers: Sequence[int],
        out: NDArray[np.float32],
    ) -> None:
        """Rows of a compressed part, of which some tiles are decoded at a time."""
        part, section = self.parts[which], self._section(which)
        across = slice(0, self.shape[2])
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        while order:
            first = numbers[order[0]]
            least = section.decodes(plane, slice(first, first + 1), across)
            self._require_few_tiles(least)
            most = min(_MOST_DECODED, self.options.limits.pixels)
            end = section.reach(first, least, most)
            some = [i for i in order if numbers[i] < end]
            order = order[len(some) :]
            found = section.read((*plane, slice(first, numbers[some[-1]] + 1)))
            for i in some:
                pixels.convert(found[numbers[i] - first], part.hdu.header, out[i])

    def _require_few_tiles(self, count: int) -> None:
        limit = self.options.limits.pixels
        if count > limit:
            raise BadCutout(
                f"it lies in tiles of {count} pixels; at most {limit} are decoded at "
                f"once: {self._way()}",
                reason="size_limit",
            )

    def _section(self, which: int) -> tiles.Section:
        if which not in self._sections:
            part, limits = self.parts[which], self.options.limits
            self._sections[which] = tiles.Section(part.store, part.hdu, limits)
        return self._sections[which]

    def _require_affordable(self, count: int) -> None:
        limit = self.options.limits.pixels
        if count > limit:
            raise BadCutout(
                f"{count} pixels are asked for, of an image of the shape {self.shape}; "
                f"at most {limit} are read at once: {self._way()}",
                reason="size_limit",
            )

    def _way(self) -> str:
        """What whoever asked for too much can do, and is not refused again."""
        if not self._is_ordered():
            swap = (
                "its axes lie in the file such that no section is read alone; swap them"
            )
            return f"{swap}, or raise the limit"
        for side in (1000, 100, 10):
            few = Box(0, 0, side, side).within(*self.shape[:0:-1])
            with contextlib.suppress(BadCutout):  # of tiles that are damaged
                most = max(self.shape[0] * side**2, self._in_tiles(few))
                if most <= self.options.limits.pixels:
                    return f"give a section such as [1:{side},1:{side}], or raise the limit"
        return "raise the limit"

    def _in_tiles(self, box: Box) -> int:
        """How many pixels the tiles have that a box lies in, of all compressed parts."""
        each = self.shape[0] // len(self.parts)
        area = (slice(box.y0, box.y1), slice(box.x0, box.x1))
        return sum(
            self._section(i).decodes(part.plane(channel), *area)
            for i, part in enumerate(self.parts)
            if part.hdu.kind is Kind.COMPRESSED
            for channel in range(each)
        )

    def whole(self) -> NDArray[np.float32]:
        """All pixels, kept for every later read of a part.

        Returns
        -------
        pixels : (channel, ny, nx) float32
            Shared, and not to be written to; NaN where there is no data.

        Raises
        ------
        BadCutout
            As `read`.
        """
        if self._whole is None:
            channels, ny, nx = self.shape
            self._require_affordable(channels * ny * nx)
            self._require_intact()
            self._whole = self._decoded(Box(0, 0, nx, ny))
            self._whole.setflags(write=False)
        return self._whole

    def _read(self, box: Box) -> NDArray[np.float32]:
        """Pixels of a box inside the frame, of their own."""
        is_whole = (box.nx, box.ny) == (self.shape[2], self.shape[1])
        is_alone = self._is_plain() or self._is_cut()
        if self._whole is None and (is_whole or is_alone):
            if is_whole or self.options.strict:
                self._require_intact()
            self._note_incomplete()
            return self._decoded(box)
        return self.whole()[:, box.y0 : box.y1, box.x0 : box.x1].copy()

    def _note_incomplete(self) -> None:
        for part in self.parts:
            if not part.hdu.is_complete:
                text = f"the file ends before the pixels of HDU {part.hdu.label} do"
                self._notes = tuple(dict.fromkeys([*self._notes, text]))

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
        is_image = all(part.hdu.kind is Kind.IMAGE for part in self.parts)
        return is_image and self._is_ordered()

    def _is_cut(self) -> bool:
        """Whether tiles are decoded for each box: to keep all would be too much."""
        limit = self.options.limits.pixels
        is_large = any(math.prod(part.hdu.shape) > limit for part in self.parts)
        return (is_large or math.prod(self.shape) > limit) and self._is_ordered()

    def _is_ordered(self) -> bool:
        """Whether a row of the image is one of the file."""
        return all(part.is_ordered for part in self.parts)

    def _decoded(self, box: Box) -> NDArray[np.float32]:
        if self._is_cut():
            self._require_few_tiles(self._in_tiles(box))
        out = np.empty((self.shape[0], box.ny, box.nx), np.float32)
        each = self.shape[0] // len(self.parts)
        lost = 0
        for i, part in enumerate(self.parts):
            planes = out[i * each : (i + 1) * each]
            is_image = part.hdu.kind is Kind.IMAGE
            if self._is_plain() or (is_image and self._is_cut()):
                for channel, plane in enumerate(planes):
                    where = part.plane(channel)
                    lost += pixels.read_plane(part.store, part.hdu, where, box, plane)
            elif self._is_cut():
                lost += self._cut(i, box, planes)
            else:
                lost += self._arranged(part, planes)
        self._note_lost(lost, out)
        return out

    def _is_rounded(self, out: NDArray[np.float32]) -> bool:
        """Whether the pixels were integers that float32 cannot tell apart."""
        bits = [
            part.hdu.header.get(name)
            for part in self.parts
            for name in ("BITPIX", "ZBITPIX")
        ]
        is_long = any(bit in (32, 64) for bit in bits)
        return is_long and bool(np.fmax.reduce(np.abs(out), axis=None) >= _EXACT)

    def _arranged(self, part: Part, out: NDArray[np.float32]) -> int:
        """All pixels of an image that has to be read as a whole."""
        count = math.prod(part.hdu.shape)
        self._require_affordable(count)
        if part.hdu.kind is Kind.COMPRESSED:
            numbers = tiles.decode(part.store, part.hdu, self.options.limits)
        else:
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

    def _cut(self, which: int, box: Box, out: NDArray[np.float32]) -> int:
        """A box of a compressed part, of which only the tiles there are decoded."""
        part, section = self.parts[which], self._section(which)
        area = (slice(box.y0, box.y1), slice(box.x0, box.x1))
        wheres = [part.plane(i) for i in range(len(out))]
        return sum(
            pixels.convert(section.read((*where, *area)), part.hdu.header, plane)
            for where, plane in zip(wheres, out, strict=True)
        )

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
        if self._is_rounded(out):
            notes.append(f"integers above {_EXACT} are rounded: is this a map of ids?")
        infinite = pixels.blank_infinite(out)
        if infinite:
            notes.append(f"{infinite} infinite pixels are taken as blank")
        self._notes = tuple(dict.fromkeys([*self._notes, *notes]))

    def _position(self, box: Box) -> SkyPosition | None:
        """The centre of a box; of the whole image what its header says, failing that."""
        world = self.about.world
        if world is None:
            return self.about.position if box == self.about.box else None
        ra, dec = world.to_sky(*box.centre)
        found = SkyPosition(float(ra), float(dec))
        return found if math.isfinite(ra + dec) else None
