"""Reading FITS: what is read, and the reason for everything that is not."""

import bz2
import contextlib
import gzip
import io
import lzma
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from hypothesis import given
from hypothesis import strategies as st

from skylike.service import fits
from skylike.service.errors import BadCutout
from skylike.service.fits import Axes

RAMP = np.arange(12 * 10, dtype=np.float32).reshape(12, 10)


def pack(*hdus: Any) -> bytes:
    stream = io.BytesIO()
    astropy_fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def image(pixels: Any = RAMP, **cards: Any) -> bytes:
    return pack(astropy_fits.PrimaryHDU(pixels, astropy_fits.Header(cards)))


def reason(source: Any, **options: Any) -> str:
    with pytest.raises(BadCutout) as caught:
        fits.read(source, fits.Options(**options))
    return caught.value.reason


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8", "u2", "u4"])
def test_every_stored_type_comes_back_as_native_float32(dtype: str) -> None:
    found = fits.read(image(RAMP.astype(dtype)))
    assert found.pixels.dtype == np.dtype("=f4")
    assert found.pixels.flags.c_contiguous
    assert found.pixels.flags.owndata
    np.testing.assert_array_equal(found.pixels[0], RAMP)


def test_blank_integers_become_nan() -> None:
    found = fits.read(image(RAMP.astype("i2"), BLANK=7))
    assert np.isnan(found.pixels[0, 0, 7])
    assert np.isfinite(found.pixels).sum() == RAMP.size - 1


def test_infinite_and_overflowing_pixels_become_nan_and_are_told() -> None:
    pixels = RAMP.astype("f8")
    pixels[0, :3] = np.inf, -np.inf, 1e300
    found = fits.read(image(pixels))
    assert np.isnan(found.pixels[0, 0, :3]).all()
    assert any("3 infinite pixels" in text for text in found.warnings)
    assert any("1 pixels lie beyond" in text for text in found.warnings)


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_bytes_are_told_by_content(packer: Any, tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(packer(image()))
    np.testing.assert_array_equal(fits.read(path).pixels[0], RAMP)


def test_every_member_of_a_gzip_stream_is_read() -> None:
    data = image()
    halves = gzip.compress(data[:3000]) + gzip.compress(data[3000:])
    np.testing.assert_array_equal(fits.read(halves).pixels[0], RAMP)


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    limits = fits.Limits(inflated_bytes=10_000)
    assert reason(bz2.compress(b"\0" * 10_000_000), limits=limits) == "inflate_limit"


def retiled(honest: bytes, column: str, tiles: list[bytes]) -> bytes:
    """The compressed image in HDU 1 with other bytes in its tiles."""
    with astropy_fits.open(io.BytesIO(honest), disable_image_compression=True) as hdus:
        header = hdus[1].header
        packed = np.empty(len(tiles), object)
        packed[:] = [np.frombuffer(tile, np.uint8) for tile in tiles]
        table = astropy_fits.BinTableHDU.from_columns(
            [astropy_fits.Column(column, "1PB()", array=packed)]
        )
        table.header.update(
            {card: header[card] for card in header if card.startswith("Z")}
        )
        return pack(astropy_fits.PrimaryHDU(), table)


def compressed(algorithm: str, pixels: Any, **options: Any) -> bytes:
    return pack(
        astropy_fits.PrimaryHDU(),
        astropy_fits.CompImageHDU(pixels, compression_type=algorithm, **options),
    )


@pytest.mark.parametrize("column", ["COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"])
def test_a_tile_that_is_a_bomb_is_refused(column: str) -> None:
    """64 x 64 pixels by its header, and a tile that inflates to 10 MB."""
    name = "GZIP_1" if column == "COMPRESSED_DATA" else "RICE_1"
    honest = compressed(name, np.ones((64, 64), "f4"), tile_shape=(64, 64))
    assert fits.read(honest).pixels.shape == (1, 64, 64)
    bomb = gzip.compress(bytes(10_000_000))
    assert reason(retiled(honest, column, [bomb])) == "inflate_limit"


def test_tiles_that_are_a_bomb_together_are_refused() -> None:
    """Each inflates to no more than the image has; all of them to four times that."""
    honest = compressed("GZIP_1", np.ones((64, 64), "f4"), tile_shape=(16, 64))
    tile = gzip.compress(bytes(8 * 64 * 64))
    assert reason(retiled(honest, "COMPRESSED_DATA", [tile] * 4)) == "inflate_limit"


@pytest.mark.parametrize(
    "tiles",
    [
        pytest.param([gzip.compress(bytes(16))] * 40, id="more tiles than fit"),
        pytest.param([gzip.compress(b"") * 5] * 4, id="several streams in a tile"),
    ],
)
def test_tiles_that_contradict_the_header_are_refused(tiles: list[bytes]) -> None:
    honest = compressed("GZIP_1", np.ones((64, 64), "f4"), tile_shape=(16, 64))
    assert reason(retiled(honest, "COMPRESSED_DATA", tiles)) == "corrupt_tiles"


@pytest.mark.parametrize("size", [(64, 65), (96, 96), (-64, -64), (2**30, 4), (1, 1)])
def test_an_hcompress_tile_of_another_size_is_refused(size: tuple[int, int]) -> None:
    """Its decoder writes as much as the tile itself says, wherever that ends."""
    pixels = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
    honest = compressed("HCOMPRESS_1", pixels, tile_shape=(64, 64))
    np.testing.assert_array_equal(fits.read(honest).pixels[0], pixels)
    with astropy_fits.open(io.BytesIO(honest), disable_image_compression=True) as hdus:
        tile = hdus[1].data["COMPRESSED_DATA"][0].tobytes()
    forged = tile[:2] + struct.pack(">ii", *size) + tile[10:]
    assert reason(retiled(honest, "COMPRESSED_DATA", [forged])) == "corrupt_tiles"
    assert reason(retiled(honest, "COMPRESSED_DATA", [tile[:6]])) == "corrupt_tiles"


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("shape", [(70, 101), (40, 64)])
def test_tiles_at_the_edge_are_smaller(algorithm: str, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 1000, shape).astype(np.int32)
    found = fits.read(compressed(algorithm, pixels, tile_shape=(32, 32)))
    np.testing.assert_array_equal(found.pixels[0], pixels)


@pytest.mark.parametrize("algorithm", ["GZIP_1", "GZIP_2", "RICE_1"])
def test_gzipped_tiles_are_read(algorithm: str) -> None:
    random = np.random.default_rng(0)
    pixels = random.normal(size=(100, 70)).astype("f4")
    compressed = astropy_fits.CompImageHDU(
        pixels, compression_type=algorithm, quantize_level=0 if "G" in algorithm else 16
    )
    found = fits.read(pack(astropy_fits.PrimaryHDU(), compressed)).pixels[0]
    np.testing.assert_allclose(found, pixels, atol=0 if "G" in algorithm else 0.1)


def test_tile_compressed_images_are_found_behind_the_empty_primary() -> None:
    pixels = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
    compressed = astropy_fits.CompImageHDU(pixels, compression_type="RICE_1")
    found = fits.read(pack(astropy_fits.PrimaryHDU(), compressed))
    np.testing.assert_array_equal(found.pixels[0], pixels)
    assert found.hdu.startswith("1")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"<html>not found</html>", "not_fits"),
        (image().replace(b"SIMPLE  =                    T", b"SIMPLE  =                    F"), "not_fits"),
        (image()[:2900], "truncated"),
        (gzip.compress(image())[:-30], "truncated"),
        (b"\x1f\x9d\x90", "unsupported_container"),
        (pack(astropy_fits.PrimaryHDU()), "no_image"),
        (image(np.zeros((0, 5), "f4")), "bad_dimensions"),
        (image(np.zeros(9, "f4")), "no_image"),
        (image(np.zeros((3, 8, 8), "f4")), "axis_ambiguous"),
        (image(np.zeros((2, 3, 8, 8), "f4")), "bad_dimensions"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_has_its_reason(data: bytes, code: str) -> None:
    assert reason(data) == code


def test_a_missing_file_and_the_file_at_fault_are_named(tmp_path: Path) -> None:
    assert reason(tmp_path / "gone.fits") == "file_missing"
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"no")
    with pytest.raises(BadCutout, match=r"bad\.fits: this is not a FITS file"):
        fits.read(bad)


def test_a_table_only_file_has_no_image() -> None:
    table = astropy_fits.BinTableHDU.from_columns(
        [astropy_fits.Column("x", "E", array=[1.0])]
    )
    assert reason(pack(astropy_fits.PrimaryHDU(), table)) == "no_image"


def test_an_image_larger_than_the_limit_is_refused_by_its_header() -> None:
    header = image().replace(
        b"NAXIS1  =                   10", b"NAXIS1  =            200000000"
    )
    assert reason(header) == "size_limit"


class TestSelection:
    """Which HDU is read, by default and by name."""

    parts = pack(
        astropy_fits.PrimaryHDU(),
        astropy_fits.ImageHDU(RAMP + 1, name="WHT"),
        astropy_fits.ImageHDU(RAMP + 2),
        astropy_fits.ImageHDU(RAMP + 3, name="SCI"),
        astropy_fits.ImageHDU(RAMP + 4, name="SCI", ver=2),
    )

    @pytest.mark.parametrize(
        ("hdu", "added", "label"),
        [
            (None, 3, "3 (SCI)"),
            ("1", 1, "1 (WHT)"),
            ("wht", 1, "1 (WHT)"),
            ("SCI,2", 4, "4 (SCI)"),
            ("2", 2, "2"),
        ],
    )
    def test_by_default_science_and_else_what_is_asked(
        self, hdu: str | None, added: int, label: str
    ) -> None:
        found = fits.read(self.parts, fits.Options(hdu=hdu))
        assert found.pixels[0, 0, 0] == added
        assert found.hdu == label

    def test_without_a_science_name_companions_are_passed_over(self) -> None:
        weight = astropy_fits.ImageHDU(RAMP, name="WHT")
        plain = astropy_fits.ImageHDU(RAMP + 2, name="CHIP")
        found = fits.read(pack(astropy_fits.PrimaryHDU(), weight, plain))
        assert found.hdu == "2 (CHIP)"

    def test_the_suffix_of_a_path_selects(self, tmp_path: Path) -> None:
        path = tmp_path / "parts.fits"
        path.write_bytes(self.parts)
        assert fits.read(f"{path}[SCI,2]").pixels[0, 0, 0] == 4
        assert fits.read(f"{path}[1]").hdu == "1 (WHT)"

    def test_a_file_whose_name_has_brackets_wins(self, tmp_path: Path) -> None:
        path = tmp_path / "odd[1].fits[SCI]"
        path.write_bytes(image())
        np.testing.assert_array_equal(fits.read(str(path)).pixels[0], RAMP)

    @pytest.mark.parametrize(
        ("hdu", "code"),
        [
            ("NOPE", "hdu_not_found"),
            ("99", "hdu_not_found"),
            ("0", "bad_dimensions"),
            ("pix>3", "bad_selector"),
            ("a,b", "bad_selector"),
        ],
    )
    def test_a_wrong_selector_has_its_reason(self, hdu: str, code: str) -> None:
        assert reason(self.parts, hdu=hdu) == code


class TestAxes:
    """What the axes mean is told by the header or is an error."""

    def test_degenerate_axes_are_dropped_outside_the_image_only(self) -> None:
        assert fits.read(image(np.zeros((1, 1, 9, 8), "f4"))).pixels.shape == (1, 9, 8)

    @pytest.mark.parametrize(
        "ctype", ["FREQ", "VRAD", "AWAV-LOG", "VELO-LSR", "LAMBDA", "FELO-HEL"]
    )
    def test_a_spectral_ctype_makes_a_cube(self, ctype: str) -> None:
        found = fits.read(image(np.zeros((5, 9, 8), "f4"), CTYPE3=ctype))
        assert found.axes is Axes.SPECTRAL
        assert found.pixels.shape == (5, 9, 8)

    def test_a_spectral_first_axis_is_brought_to_the_front(self) -> None:
        cards = {"CTYPE1": "VRAD", "CTYPE2": "RA---TAN", "CTYPE3": "DEC--TAN"}
        pixels = np.random.default_rng(0).normal(size=(9, 8, 5)).astype("f4")
        found = fits.read(image(pixels, **cards))
        np.testing.assert_array_equal(found.pixels, pixels.transpose(2, 0, 1))

    @pytest.mark.parametrize(
        ("cards", "names"),
        [
            ({"BANDS": "grz"}, ("g", "r", "z")),
            ({"BANDS": "F606W,F814W F160W"}, ("F606W", "F814W", "F160W")),
            ({"BAND0": "g", "BAND1": "r", "BAND2": "z"}, ("g", "r", "z")),
        ],
    )
    def test_named_bands(self, cards: dict[str, str], names: tuple[str, ...]) -> None:
        found = fits.read(image(np.zeros((3, 9, 8), "f4"), **cards))
        assert (found.axes, found.bands) == (Axes.BANDS, names)

    def test_of_stokes_planes_i_is_taken(self) -> None:
        pixels = np.stack([np.full((9, 8), v, "f4") for v in (2.0, 1.0)])
        cards = {"CTYPE3": "STOKES", "CRVAL3": 2, "CDELT3": -1, "CRPIX3": 1}
        assert (fits.read(image(pixels, **cards)).pixels == 1).all()
        cards["CRVAL3"] = 4
        assert reason(image(pixels, **cards)) == "stokes_unavailable"


class TestPosition:
    """Where the image lies, None where the header does not tell."""

    tan: ClassVar[dict[str, Any]] = {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 359.9999,
        "CRVAL2": -0.0025,
        "CRPIX1": 5.5,
        "CRPIX2": 6.5,
        "CDELT1": -0.25 / 3600,
        "CDELT2": 0.25 / 3600,
    }

    def test_centre_and_scale_of_a_plain_tangent_plane(self) -> None:
        found = fits.read(image(**self.tan))
        assert found.position is not None
        assert found.position.ra_deg == pytest.approx(359.9999, abs=1e-9)
        assert found.position.dec_deg == pytest.approx(-0.0025, abs=1e-9)
        assert found.pixel_scale_arcsec == pytest.approx(0.25)

    def test_galactic_coordinates_become_icrs(self) -> None:
        cards = self.tan | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}
        cards |= {"CRVAL1": 0.0, "CRVAL2": 0.0}
        found = fits.read(image(**cards)).position
        assert found is not None
        # The Galactic centre in ICRS: Liu, Zhu & Hu 2011, A&A 536, A102.
        assert found.ra_deg == pytest.approx(266.40499, abs=1e-4)
        assert found.dec_deg == pytest.approx(-28.93617, abs=1e-4)

    def test_no_scale_without_a_card_that_gives_one(self) -> None:
        cards = {k: v for k, v in self.tan.items() if not k.startswith("CDELT")}
        found = fits.read(image(**cards))
        assert (found.pixel_scale_arcsec, found.position) == (None, None)
        assert "no card gives the size of a pixel" in found.warnings[0]

    def test_pointing_cards_serve_where_there_is_no_wcs(self) -> None:
        found = fits.read(image(RA=12.5, DEC=-45.0)).position
        assert found == fits.SkyPosition(12.5, -45.0)
        assert fits.read(image(RA="00:50:00", DEC="-45:00:00")).position is None
        assert fits.read(image(RA=500.0, DEC=0.0)).position is None

    def test_broken_coordinates_are_a_warning(self) -> None:
        cards = self.tan | {"CTYPE1": "RA---TAN", "CTYPE2": "GLAT-CAR"}
        found = fits.read(image(**cards))
        assert found.position is None
        assert any("no position" in text for text in found.warnings)

    def test_a_cube_has_the_position_of_its_image(self) -> None:
        cards = self.tan | {"CTYPE3": "VRAD", "CRVAL3": 0.0, "CDELT3": 1.0}
        found = fits.read(image(np.zeros((4, 12, 10), "f4"), **cards))
        assert found.position is not None
        assert found.position.ra_deg == pytest.approx(359.9999, abs=1e-9)


def test_header_text_is_made_printable() -> None:
    data = image(OBJECT="M31 name", BUNIT="mJy")
    hostile = data.replace(b"M31 name", b"M31\x1b[2Jx")
    assert "\x1b" not in fits.read(hostile).name


def test_dates_become_modified_julian_dates() -> None:
    assert fits.read(image(**{"MJD-OBS": 59000.25})).epoch_mjd == 59000.25
    assert fits.read(image(**{"DATE-OBS": "2020-05-31T06:00:00"})).epoch_mjd == 59000.25
    assert fits.read(image(**{"DATE-OBS": "last night"})).epoch_mjd is None


@given(st.binary(max_size=400), st.integers(0, 5759))
def test_damaged_files_give_an_image_or_a_documented_error(
    noise: bytes, where: int
) -> None:
    """Whatever is written over a valid file, nothing but BadCutout comes out."""
    data = bytearray(image(**TestPosition.tan))
    data[where : where + len(noise)] = noise
    with contextlib.suppress(BadCutout):
        found = fits.read(bytes(data))
        assert found.pixels.ndim == 3
        assert not np.isinf(found.pixels).any()
