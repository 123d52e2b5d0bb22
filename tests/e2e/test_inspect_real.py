"""Inspect, asked over the wire about every real file: seen as it is, or refused."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from skylike.client import Client, Inspection, errors
from skylike.service.config import Settings
from skylike.service.engine import Engine
from skylike.service.library import Library
from skylike.service.server.serve import Server

ZOO = Path(__file__).parents[3] / "shared" / "data" / "fits"
SIDE = 128

REFUSED = {
    "compressed/compressed_float_bzero.fits": "no_image",
    "compressed/lzw.fits.Z": "unsupported_container",
    "cube_radio_1904-66_3d.fits": "axis_ambiguous",
    "malformed/arange.fits": "axis_ambiguous",
    "malformed/btable.fits": "no_image",
    "malformed/group.fits": "no_image",
    "malformed/group_invalid.fits": "no_image",
    "malformed/history_header.fits": "no_image",
    "malformed/issue49test.fits": "bad_dimensions",
    "malformed/memtest.fits": "no_image",
    "malformed/random_groups.fits": "no_image",
    "malformed/theap-gap.fits": "no_image",
    "malformed/verify.fits": "no_image",
    "malformed/zerowidth.fits": "bad_dimensions",
}
# Those of which nothing is seen: of one value, or blank.
FLAT = {
    "compressed/fitsio_gzip.fits.fz",
    "malformed/blank.fits",
    "malformed/casalike_4d.fits",
    "malformed/fixed-1890.fits",
    "malformed/header_newlines.fits",
    "malformed/j94f05bgq_flt.fits",
}
UNITS = {
    "bolocam_gps_nan_edges.fits": "Jy/beam",
    "m86_sdss_r.fits.bz2": "nmgy",
    "spitzer_irac_mosaic.fits": "MJy/sr",
    "msx_e_float64.fits.gz": "W/m^2-sr",
}

pytestmark = [
    pytest.mark.skipif(
        not ZOO.is_dir(), reason="the collection of real files is not here"
    ),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def real(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service that looks at files; its collection is empty."""
    data = tmp_path_factory.mktemp("looking") / "data"
    with Library(data) as library:
        library.create("empty", model)
        settings = Settings(data=data, address="127.0.0.1:0", grace_seconds=1)
        with Server(Engine(library), settings) as server:
            server.ready()
            with Client(server.address, timeout=120) as client:
                yield client


def _levels(found: Inspection) -> np.ndarray:
    with Image.open(io.BytesIO(found.picture_png)) as picture:
        return np.asarray(picture.convert("L"), np.float64)


def test_every_file_is_seen_or_refused_with_its_reason(real: Client) -> None:
    refused, flat, units_ = {}, set(), {}
    for path in sorted(one for one in ZOO.rglob("*") if one.is_file()):
        name = path.relative_to(ZOO).as_posix()
        try:
            found = real.inspect(path, side=SIDE)
        except errors.SkylikeClientError as error:
            refused[name] = error.reason
            continue
        levels = _levels(found)
        assert max(levels.shape) == SIDE, name
        [chosen] = [one for one in found.hdus if one.is_chosen]
        ny, nx = chosen.shape[-2:]
        assert abs(levels.shape[0] / levels.shape[1] - ny / nx) < 0.1, name
        assert found.reading is not None, name
        units_[name] = found.reading.unit
        if found.low is None or found.high is None or found.low >= found.high:
            flat.add(name)
            assert levels.std() == 0, name
        else:
            assert levels.std() > 5, name
    assert refused == REFUSED
    assert flat == FLAT
    assert {name: units_[name] for name in UNITS} == UNITS


def test_north_east_and_scale_are_those_of_astropy(real: Client) -> None:
    """Of every image whose header has a place on the sky that astropy understands."""
    compared = []
    for path in sorted(ZOO.glob("*.fits*")):
        if path.name in REFUSED:
            continue
        found = real.inspect(path, side=SIDE)
        [chosen] = [one for one in found.hdus if one.is_chosen]
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of headers that are not quite as they should be
            with fits.open(path) as hdus:
                wcs = WCS(hdus[chosen.index].header, hdus)
            if not wcs.has_celestial:
                continue
            wcs = wcs.celestial
            if not all(one.endswith("-SIP") for one in wcs.wcs.ctype):
                wcs.sip = None  # left over from the frame that this was cut from
            ny, nx = chosen.shape[-2:]
            x, y = (nx - 1) / 2, (ny - 1) / 2
            here = wcs.pixel_to_world(x, y).icrs
            beside = wcs.pixel_to_world(x + 1, y).icrs
            step, nowhere = 0.1 * here.separation(beside), 0 * units.deg
            for east, north, told in (
                (nowhere, step, found.north_deg),
                (step, nowhere, found.east_deg),
            ):
                there = SkyCoord(east, north, frame=here.skyoffset_frame()).icrs
                px, py = (float(one) for one in wcs.world_to_pixel(there))
                expected = np.degrees(np.arctan2(-(px - x), py - y))
                assert told is not None, path.name
                apart = abs((told - expected + 180) % 360 - 180)
                assert apart < 0.5, path.name
        assert found.scale_bar is not None, path.name
        scale = here.separation(beside).arcsec * nx / _levels(found).shape[1]
        assert found.scale_bar.length_arcsec == pytest.approx(
            found.scale_bar.length_pixels * scale, rel=0.02
        ), path.name
        compared.append(path.name)
    assert len(compared) > 20


def test_a_picture_has_the_first_row_below(real: Client) -> None:
    """The brightest part of a frame, averaged as a picture averages it."""
    for name in ("m51_B_int16.fits", "viking_Z_bigendian_f4.fits", "gc_2mass_k.fits"):
        levels = _levels(real.inspect(ZOO / name, side=SIDE))[::-1]
        pixels = np.asarray(fits.getdata(ZOO / name), np.float64)
        step = max(pixels.shape) / SIDE
        rows, columns = (
            np.minimum(((np.arange(n) + 0.5) * step).astype(int), size - 1)
            for n, size in zip(levels.shape, pixels.shape, strict=True)
        )
        expected = pixels[np.ix_(rows, columns)]
        ranks = [one.ravel().argsort().argsort() for one in (levels, expected)]
        flipped = expected[::-1].ravel().argsort().argsort()
        right = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
        assert right > 0.6, name
        assert right > float(np.corrcoef(ranks[0], flipped)[0, 1]) + 0.2, name
