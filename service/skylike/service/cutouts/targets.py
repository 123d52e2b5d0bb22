"""What to cut out of a frame: one box for each object."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from skylike.service.cutouts.catalogue import (
    NAMES,
    Attribute,
    angles_of,
    attributes_of,
    column_of,
    ids_of,
    sky_position,
)
from skylike.service.cutouts.measure import Sources
from skylike.service.errors import BadInput
from skylike.service.fits import Box, SkyPosition, World
from skylike.service.fits.table import Columns

Floats = NDArray[np.float64]

SMALLEST_SIDE = 32
_PLACES = ("ra", "dec", "x", "y")
_ROOM = 2.0  # of the stamp's side to the object's: enough sky to measure it
_SIZE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(px|pixels?|arcsec|arcmin|deg|\"|')?\s*")
_ARCSEC = {"arcsec": 1.0, '"': 1.0, "arcmin": 60.0, "'": 60.0, "deg": 3600.0}
_PIXELS = ("", "pix", "pixel", "pixels", "px")
_FROM_ONE = "_image"


@dataclass(frozen=True, slots=True)
class Size:
    """The side of a cutout."""

    value: float
    is_arcsec: bool

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Understand ``64``, ``64px``, ``12arcsec`` or ``0.5arcmin``.

        Raises
        ------
        BadInput
            ``bad_size``.
        """
        match = _SIZE.fullmatch(text)
        value = float(match[1]) if match else 0.0
        if match is None or not 0 < value < math.inf:
            raise BadInput(
                f"{text!r} is not a size: give pixels, such as 64, or an angle, such as "
                "12arcsec",
                reason="bad_size",
            )
        factor = _ARCSEC.get(match[2] or "")
        return cls(value * (factor or 1.0), factor is not None)

    def pixels(
        self, x: NDArray[np.float64], y: NDArray[np.float64], world: World | None
    ) -> NDArray[np.float64]:
        """How many pixels that is around points of an image.

        Parameters
        ----------
        x, y : (n,) float64
            Pixel coordinates, 0-based.
        world
            Of the image; needed for an angle.

        Returns
        -------
        pixels : (n,) float64
            NaN where an angle is off the sky.

        Raises
        ------
        BadInput
            ``no_wcs`` for an angle, where the image does not tell its scale.
        """
        if not self.is_arcsec:
            return np.full(len(x), self.value)
        if world is None:
            raise BadInput(
                "the size is an angle and the image does not tell its pixel scale: give "
                "a size in pixels",
                reason="no_wcs",
            )
        scale = np.asarray(world.pixel_at(x, y).scale_arcsec)
        return self.value / np.where(scale > 0, scale, np.nan)


_DEFAULT_SIZE = Size(64.0, is_arcsec=False)


@dataclass(frozen=True, slots=True)
class Target:
    """One cutout.

    Attributes
    ----------
    id
        Unique within the frame.
    box
        Its pixels, in those of the frame; may reach beyond it.
    label
        Its label in a segmentation, 0 for none.
    attributes
        What is known of it.
    position
        Where it is on the sky; None for the middle of the box.
    """

    id: str
    box: Box
    label: int = 0
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    position: SkyPosition | None = None


def from_boxes(boxes: Sequence[Box]) -> list[Target]:
    """Boxes as they are, each named by its edges."""
    named = {f"{box.x0},{box.y0},{box.x1},{box.y1}": box for box in boxes}
    return [Target(name, box) for name, box in named.items()]


def from_catalogue(
    table: Columns,
    world: World | None,
    size: Size | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Target]:
    """Squares around the positions of a catalogue.

    Parameters
    ----------
    table
        Columns ra and dec (ICRS, degrees unless their unit is another angle), or x and
        y (0-based pixels; ``X_IMAGE`` and ``Y_IMAGE`` count from 1); an id, and a size
        in pixels, or in the angle that its unit is, where there are some. Every other
        number or text becomes an attribute, in its own unit; x and y, where the table
        has them, those of this frame.
    world
        Of the frame; needed for ra and dec. With both, they count, since x and y may
        be those of another image.
    size
        Of every cutout; None for the size that the catalogue gives, else 64 pixels.
    names
        Which column is ``id``, ``ra``, ``dec``, ``x``, ``y`` or ``size``, where the
        names say something else.

    Returns
    -------
    list
        Rows without a position or a size are left out, and positions that the
        projection cannot show. A row without an id has its number, or the next that is
        free.

    Raises
    ------
    BadInput
        ``bad_table`` if positions are missing, a unit is none of a position or a size,
        or ids are not unique; ``no_wcs``.
    """
    column = {role: column_of(table, role, names or {}) for role in NAMES}
    x, y, ra, dec = _places(table, column, names or {}, world)
    sides = (size or _DEFAULT_SIZE).pixels(x, y, world)
    if column["size"] and size is None:
        sides = _sides(table, column["size"], x, y, world)
    ids = ids_of(table[column["id"]] if column["id"] else [""] * len(x))
    if len(set(ids)) != len(ids):
        raise BadInput(
            f"the ids in column {column['id']!r} are not unique: name another by "
            "id=COLUMN",
            reason="bad_table",
        )
    places = [column[role] for role in _PLACES if column[role].lower() == role]
    rows = attributes_of(table, {column["id"], *places})
    if column["x"].lower() == "x":  # the table's may be those of another image
        rows = [
            {**row, "x": x, "y": y}
            for row, x, y in zip(rows, x.tolist(), y.tolist(), strict=True)
        ]
    return [
        Target(
            ids[i],
            square(x[i], y[i], sides[i]),
            0,
            rows[i],
            sky_position(ra[i], dec[i]),
        )
        for i in range(len(ids))
        if math.isfinite(x[i] + y[i] + sides[i]) and sides[i] >= 1
    ]


def from_sources(
    sources: Sources, size: Size | None, world: World | None
) -> list[Target]:
    """Squares around measured sources: of one size, or as large as each needs."""
    sides = 2 * _ROOM * np.fmax(2 * sources.half_light_radius, 0)
    extent = np.max(sources.box[:, 2:] - sources.box[:, :2], axis=1, initial=0)
    sides = np.fmax(np.fmax(sides, extent), SMALLEST_SIDE)
    if size is not None:
        sides = size.pixels(sources.x, sources.y, world)
    columns = {one.name: getattr(sources, one.name) for one in fields(sources)}
    ra, dec = _on_sky(sources.x, sources.y, world)
    each = zip(
        sources.label.tolist(),
        sources.x.tolist(),
        sources.y.tolist(),
        sides.tolist(),
        attributes_of(columns, {"label"}),
        ra.tolist(),
        dec.tolist(),
        strict=True,
    )
    return [
        Target(str(label), square(x, y, side), label, row, sky_position(*place))
        for label, x, y, side, row, *place in each
        if math.isfinite(x + y + side)  # an angle has no size off the sky
    ]


def square(x: float, y: float, side: float) -> Box:
    """The square of pixels whose centre is nearest to a position."""
    count = max(round(side), 1)
    x0, y0 = (math.floor(at - (count - 1) / 2 + 0.5) for at in (x, y))
    return Box(x0, y0, x0 + count, y0 + count)


def _places(
    table: Columns,
    column: Mapping[str, str],
    names: Mapping[str, str],
    world: World | None,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Pixels x and y, and degrees ra and dec, of every row; NaN where unknown."""
    has_pixels = bool(column["x"] and column["y"])
    has_sky = bool(column["ra"] and column["dec"])
    if not has_pixels and not has_sky:
        raise BadInput(
            "the table has neither x and y nor ra and dec; it has "
            f"{', '.join(table)}: name them by ra=COLUMN and so on",
            reason="bad_table",
        )
    if has_sky and {"ra", "dec"} & set(names):
        has_pixels = False  # whoever names columns means them
    elif has_pixels and {"x", "y"} & set(names):
        has_sky = False
    ra = dec = np.full(len(next(iter(table.values()))), np.nan)
    if has_sky:
        ra, dec = angles_of(table, column["ra"], column["dec"])
    if has_sky and world is not None:
        x, y = world.to_pixels(ra, dec)
        return np.asarray(x), np.asarray(y), ra, dec
    if not has_pixels:
        raise BadInput(
            "the table gives positions on the sky and the image has no world "
            "coordinates: give x and y",
            reason="no_wcs",
        )
    x, y = (_from_zero(table, column[role]) for role in ("x", "y"))
    return (x, y, ra, dec) if has_sky else (x, y, *_on_sky(x, y, world))


def _from_zero(table: Columns, name: str) -> Floats:
    """Pixel coordinates counted from 0; SExtractor's ``X_IMAGE`` begin with 1."""
    if table.units.get(name, "").lower() not in _PIXELS:
        raise table.bad_unit(name, "pixels")
    return table.numbers(name) - (1 if name.lower().endswith(_FROM_ONE) else 0)


def _sides(
    table: Columns, name: str, x: Floats, y: Floats, world: World | None
) -> Floats:
    """The sizes that a catalogue gives, in pixels."""
    if table.units.get(name, "").lower() in _PIXELS:
        return table.numbers(name)
    factor = table.degrees_per_unit(name)
    if factor is None:
        raise table.bad_unit(name, "pixels or an angle, such as arcsec")
    degree = Size(3600.0, is_arcsec=True).pixels(x, y, world)
    return table.numbers(name) * factor * degree


def _on_sky(x: Floats, y: Floats, world: World | None) -> tuple[Floats, Floats]:
    if world is None:
        return np.full(len(x), np.nan), np.full(len(x), np.nan)
    ra, dec = world.to_sky(x, y)
    return np.asarray(ra), np.asarray(dec)
