"""The same sky gives the same stamp and embedding, however it is stored or scaled."""

import bz2
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from skylike.service import fits, stamp
from skylike.service.encoder import Encoder
from skylike.service.errors import BadStamp
from skylike.service.flags import Flag
from skylike.service.stamp import StampSpec

SPEC = StampSpec()


def galaxy(side: int = 64, radius: float = 5.0, noise: float = 1.0) -> Any:
    """A disc of 400 sigma, rounded to whole numbers so that integers hold it."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    disc = 400 * np.exp(-np.hypot(x, 1.6 * y) / radius)
    pixels = disc + 1000 + noise * np.random.default_rng(0).normal(size=(side, side))
    return np.rint(16 * pixels)


def file_of(*hdus: Any) -> bytes:
    stream = io.BytesIO()
    astropy_fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def plain(pixels: Any) -> bytes:
    return file_of(astropy_fits.PrimaryHDU(pixels))


def scaled(dtype: str, factor: float, zero: float) -> bytes:
    """The same physical values, stored as integers with BSCALE and BZERO."""
    hdu = astropy_fits.PrimaryHDU(galaxy())
    hdu.scale(dtype, bscale=factor, bzero=zero)
    return file_of(hdu)


def compressed(algorithm: str, dtype: str) -> bytes:
    image = astropy_fits.CompImageHDU(
        galaxy().astype(dtype), compression_type=algorithm, quantize_level=0
    )
    return file_of(astropy_fits.PrimaryHDU(), image)


COPIES = {
    "float64": plain(galaxy().astype("f8")),
    "big-endian": plain(galaxy().astype(">f4")),
    "int32": plain(galaxy().astype("i4")),
    "uint16 by BZERO": plain(galaxy().astype("u2")),
    "int16 scaled": scaled("int16", 2.0**-1, 2.0**13),
    "int32 scaled": scaled("int32", 2.0**-8, 100.0),
    "gzip": gzip.compress(plain(galaxy().astype("f4"))),
    "bzip2": bz2.compress(plain(galaxy().astype("f4"))),
    "xz": lzma.compress(plain(galaxy().astype("f4"))),
    "RICE": compressed("RICE_1", "i2"),
    "HCOMPRESS": compressed("HCOMPRESS_1", "i4"),
    "PLIO": compressed("PLIO_1", "i4"),
    "GZIP of floats": compressed("GZIP_1", "f4"),
    "GZIP_2 of floats": compressed("GZIP_2", "f4"),
    "in an extension": file_of(
        astropy_fits.PrimaryHDU(), astropy_fits.ImageHDU(galaxy().astype("f4"))
    ),
}


@pytest.mark.parametrize("name", list(COPIES))
def test_every_lossless_copy_gives_the_same_stamp(name: str, tmp_path: Path) -> None:
    expected = stamp.make(fits.read(plain(galaxy().astype("f4"))), SPEC).pixels
    path = tmp_path / "copy"
    path.write_bytes(COPIES[name])
    for source in (COPIES[name], path):
        found = stamp.make(fits.read(source), SPEC).pixels
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-11, 1e6])
def test_the_unit_of_the_flux_does_not_change_an_embedding(
    model: Path, scale: float
) -> None:
    encoder = Encoder(model)
    vectors = []
    for factor in (1.0, scale):
        pixels = ((galaxy() / 16 - 1000) * factor).astype("f4")
        made = stamp.make(fits.read(plain(pixels)), encoder.spec)
        vectors.append(encoder.embed(made.pixels[np.newaxis])[0])
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-6)


class TestSourceScale:
    """Everything in the size of the object itself."""

    spec = StampSpec(scale="source", half_light_radii=4.0)

    def test_a_galaxy_nearer_by_gives_the_same_stamp(self) -> None:
        small = stamp.make(fits.read(plain(galaxy(160, 6.0, 0.05))), self.spec)
        large = stamp.make(fits.read(plain(galaxy(320, 12.0, 0.05))), self.spec)
        one, other = (
            made.pixels[0] / np.nanmax(made.pixels) for made in (small, large)
        )
        # The half-light radii agree within a few per cent, and so do the stamps.
        assert np.abs(one - other).max() < 0.06
        assert Flag.RESAMPLED in small.flags

    def test_the_object_is_centred_wherever_it_lies(self) -> None:
        pixels = np.roll(galaxy(160, 6.0, 0.05), (9, -7), (0, 1))
        made = stamp.make(fits.read(plain(pixels)), self.spec).pixels[0]
        peak = np.unravel_index(int(np.nanargmax(made)), made.shape)
        assert all(abs(int(at) - 31.5) <= 1 for at in peak)

    def test_an_image_without_an_object_is_refused(self) -> None:
        noise = np.random.default_rng(1).normal(size=(80, 80)).astype("f4")
        with pytest.raises(BadStamp) as caught:
            stamp.make(fits.read(plain(noise)), self.spec)
        assert caught.value.reason == "no_source"

    def test_a_band_without_data_is_no_part_of_the_size(self) -> None:
        pixels = galaxy(160, 6.0, 0.05).astype("f4")
        spec = StampSpec(
            axes=fits.Axes.BANDS,
            channels=("g", "r", "i"),
            scale="source",
            half_light_radii=4.0,
        )
        cube = np.stack([pixels, np.full_like(pixels, np.nan), 3 * pixels])
        header = astropy_fits.Header({"BANDS": "gri"})
        data = file_of(astropy_fits.PrimaryHDU(cube, header))
        made = stamp.make(fits.read(data), spec).pixels
        alone = stamp.make(fits.read(plain(pixels)), self.spec).pixels[0]
        assert np.isnan(made[1]).all()
        np.testing.assert_allclose(made[0], alone, rtol=1e-3, atol=0.5)
