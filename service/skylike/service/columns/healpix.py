"""Which positions lie in a cone, by HEALPix cells and, at its edge, by the angle.

Cells: Górski et al. 2005, ApJ 622, 759, nested at depth 29, as CDS's library counts
them. Angles: Vincenty 1975, Survey Review 23, 88, which is accurate at every size.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.columns.filters import Cone

NOWHERE = np.iinfo(np.int64).max
_DEPTH = 29
_MAX_COARSE_DEPTH = 12
_REACH_DEG = 62.0  # times 2**-depth: from a middle to the edge; 61.25 at the most
_SMALL_DEG = 10.0
_WHOLE_SKY_DEPTH = 4
_FINER = 3  # levels below the coarse depth: some hundred cells for a cone

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]


def cells(ra_deg: Floats, dec_deg: Floats) -> Cells:
    """The cell of each position, (n,) int64; `NOWHERE` for NaN."""
    from cdshealpix import lonlat_to_healpix  # noqa: PLC0415 -- slow, not always needed

    found = np.full(len(ra_deg), NOWHERE, np.int64)
    known = np.isfinite(ra_deg)
    if known.any():
        lon, lat = _angles(ra_deg[known], dec_deg[known])
        found[known] = lonlat_to_healpix(lon, lat, _DEPTH).astype(np.int64)
    return found


def ranges(cone: Cone) -> tuple[Cells, NDArray[np.bool_]]:
    """Cells that a cone touches.

    Returns
    -------
    edges : (m, 2) int64
        First cell, and first beyond, of each run.
    inside : (m,) bool
        Whether all of it lies in the cone.
    """
    cell, depths = _touched(cone) if cone.radius_deg <= _SMALL_DEG else _all()
    lon_deg, lat_deg = _middles(cell, depths)
    away = separation_deg(cone, lon_deg, lat_deg)
    reach = _REACH_DEG / 2.0**depths
    touched = away - reach <= cone.radius_deg
    inside = (away + reach <= cone.radius_deg)[touched]
    shift = 2 * (_DEPTH - depths[touched])
    first = cell[touched] << shift
    beyond = first + (np.int64(1) << shift)
    # Neighbours of one kind make one run.
    begins = np.ones(len(first), np.bool_)
    begins[1:] = (first[1:] != beyond[:-1]) | (inside[1:] != inside[:-1])
    ends = np.append(begins[1:], True)[: len(begins)]
    return np.stack([first[begins], beyond[ends]], axis=1), inside[begins]


def _touched(cone: Cone) -> tuple[Cells, Cells]:
    """Cells around a small cone, and their depths.

    What the library says of cells that lie inside is wrong where one holds the whole
    cone, and it misses some of a cone that is larger than half the sky.
    """
    from cdshealpix import cone_search  # noqa: PLC0415 -- slow, not always needed

    size = np.degrees(np.sqrt(4 * np.pi / 12))  # of a cell at depth 0
    wanted = np.log2(size / max(cone.radius_deg, 1e-9))
    depth = int(np.clip(np.floor(wanted), 0, _MAX_COARSE_DEPTH))
    lon, lat = _angles(cone.position.ra_deg, cone.position.dec_deg)
    cell, depths, _ = cone_search(
        lon, lat, _radius(cone.radius_deg), depth=depth + _FINER, depth_delta=2
    )
    return cell.astype(np.int64), depths.astype(np.int64)


def _all() -> tuple[Cells, Cells]:
    """Every cell at a coarse depth."""
    count = 12 * 4**_WHOLE_SKY_DEPTH
    return np.arange(count), np.full(count, _WHOLE_SKY_DEPTH)


def _middles(cell: Cells, depths: Cells) -> tuple[Floats, Floats]:
    from cdshealpix import healpix_to_lonlat  # noqa: PLC0415 -- slow

    lon, lat = healpix_to_lonlat(cell.astype(np.uint64), depths.astype(np.uint8))
    return lon.deg, lat.deg


def separation_deg(cone: Cone, ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Angles between positions and the middle of a cone, degrees; NaN for NaN."""
    ra = np.radians(ra_deg - cone.position.ra_deg)
    dec, middle = np.radians(dec_deg), np.radians(cone.position.dec_deg)
    across = np.hypot(
        np.cos(dec) * np.sin(ra),
        np.cos(middle) * np.sin(dec) - np.sin(middle) * np.cos(dec) * np.cos(ra),
    )
    along = np.sin(middle) * np.sin(dec) + np.cos(middle) * np.cos(dec) * np.cos(ra)
    angles: Floats = np.degrees(np.arctan2(across, along))
    return angles


def _angles(ra_deg: Any, dec_deg: Any) -> tuple[Any, Any]:
    from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415 -- slow

    return Longitude(ra_deg, "deg"), Latitude(dec_deg, "deg")


def _radius(radius_deg: float) -> Any:
    from astropy.coordinates import Angle  # noqa: PLC0415 -- slow

    # A cone of no size touches its own cell; beyond the sky there is nothing.
    return Angle(min(max(radius_deg, 1e-9), 180.0), "deg")
