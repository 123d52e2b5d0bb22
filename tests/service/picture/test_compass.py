"""Directions and scale bars, held against astropy's."""

import io
import warnings
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits as their_fits
from astropy.wcs import WCS

from skylike.service import fits
from skylike.service.picture import compass

_TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}


def _turned(angle: float, scale: float, parity: int) -> dict[str, float]:
    """CD cards: north turned by an angle; parity -1 has east on the left."""
    turn = np.deg2rad(angle)
    cd = scale * np.array(
        [[parity * np.cos(turn), -parity * np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    )
    return {f"CD{i + 1}_{j + 1}": float(cd[i, j]) for i in (0, 1) for j in (0, 1)}


_CASES: dict[str, dict[str, Any]] = {
    **{
        f"turned by {angle}, parity {parity}": {
            **_TAN,
            **_turned(angle, 0.3 / 3600, parity),
        }
        for angle in (0, 33, 90, 200, 359)
        for parity in (-1, 1)
    },
    "oblong pixels": _TAN
    | {"CD1_1": -2e-4, "CD1_2": 3e-5, "CD2_1": -1e-5, "CD2_2": 1e-4},
    "far from the centre": _TAN | _turned(20, 0.01, -1) | {"CRPIX1": -1500.0},
    "galactic": {
        "CTYPE1": "GLON-CAR",
        "CTYPE2": "GLAT-CAR",
        "CDELT1": -0.02,
        "CDELT2": 0.02,
        "CRVAL2": 0.0,
    },
    "FK4": _TAN | _turned(0, 1e-3, -1) | {"RADESYS": "FK4", "EQUINOX": 1950.0},
    "all sky": {
        "CTYPE1": "RA---AIT",
        "CTYPE2": "DEC--AIT",
        "CDELT1": -1.0,
        "CDELT2": 1.0,
        "CRVAL1": 0.0,
        "CRVAL2": 0.0,
    },
    "near the pole": _TAN | _turned(50, 1e-5, -1) | {"CRVAL2": 89.9999},
    "near the south pole": _TAN | _turned(50, 1e-5, -1) | {"CRVAL2": -89.9999},
    "across the wrap": _TAN | _turned(10, 1e-3, -1) | {"CRVAL1": 0.0001},
}


def _read(cards: dict[str, Any], nx: int = 60, ny: int = 40) -> tuple[fits.Image, WCS]:
    cards = {"CRVAL1": 150.0, "CRVAL2": 32.0, "CRPIX1": 25.0, "CRPIX2": 30.0, **cards}
    header = their_fits.Header(cards)
    stream = io.BytesIO()
    their_fits.PrimaryHDU(np.zeros((ny, nx), np.float32), header).writeto(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.read(stream.getvalue()), WCS(header)


def _apart(found: float | None, expected: float) -> float:
    assert found is not None
    return abs((found - expected + 180) % 360 - 180)


@pytest.mark.parametrize("name", _CASES)
def test_north_and_east_are_where_astropy_has_them(name: str) -> None:
    image, wcs = _read(_CASES[name])
    found = compass(image, 60, 1.0)
    x, y = 29.5, 19.5
    here = wcs.pixel_to_world(x, y).icrs
    assert image.pixel_scale_arcsec is not None
    step = 0.02 * image.pixel_scale_arcsec * units.arcsec
    nowhere = 0 * units.deg
    for east, north, told in (
        (nowhere, step, found.north_deg),
        (step, nowhere, found.east_deg),
    ):
        # Not directional_offset_by, which loses its digits beside a pole.
        there = SkyCoord(east, north, frame=here.skyoffset_frame()).icrs
        px, py = wcs.world_to_pixel(there)
        expected = np.degrees(np.arctan2(-(px - x), py - y))
        assert _apart(told, float(expected)) < 0.05


@pytest.mark.parametrize("name", sorted(_CASES.keys() - {"all sky"}))
@pytest.mark.parametrize("step", [0.1, 1.0, 7.5])
def test_a_scale_bar_is_round_fits_in_and_is_as_long_as_it_says(
    name: str, step: float
) -> None:
    image, wcs = _read(_CASES[name])
    width = round(60 / step)
    bar = compass(image, width, step).bar
    assert bar is not None
    assert 0.1 * width < bar.pixels <= 0.3 * width
    half = bar.pixels * step / 2
    ends = wcs.pixel_to_world(np.array([29.5 - half, 29.5 + half]), np.full(2, 19.5))
    long = SkyCoord(ends[0]).separation(ends[1]).arcsec
    assert bar.arcsec == pytest.approx(long, rel=0.01)
    number, sign = float(bar.label[:-1]), bar.label[-1]
    size = {"\N{DOUBLE PRIME}": 1, "\N{PRIME}": 60, "\N{DEGREE SIGN}": 3600}[sign]
    assert bar.arcsec == pytest.approx(number * size)
    assert f"{number:.0e}"[0] in "1235"


def test_without_coordinates_there_is_no_direction() -> None:
    image, _ = _read({"CTYPE1": "LINEAR"})
    assert compass(image, 60, 1.0) == type(compass(image, 60, 1.0))()
