"""One test for every way in which real files surprise: read rightly, or refused."""

import bz2
import gzip
import io
import lzma
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from astropy.wcs import WCS

from skylike.service import fits, stamp
from skylike.service.errors import BadCutout, BadStamp
from skylike.service.fits import Axes, Box, Image, Limits, Options
from skylike.service.flags import Flag

RAMP = np.arange(12 * 10, dtype=np.float32).reshape(12, 10)
TAN: dict[str, Any] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CRPIX1": 5.5,
    "CRPIX2": 6.5,
    "CDELT1": -1e-4,
    "CDELT2": 1e-4,
}


def pack(*hdus: Any) -> bytes:
    stream = io.BytesIO()
    astropy_fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


def image(pixels: Any = RAMP, **cards: Any) -> bytes:
    return pack(astropy_fits.PrimaryHDU(pixels, astropy_fits.Header(cards)))


def written(pixels: Any = RAMP, *cards: str) -> bytes:
    """A file with cards exactly as given, which astropy would not write."""
    data = image(pixels)
    end = data.index(b"END" + b" " * 77)
    header = data[:end] + b"".join(c.encode("latin-1").ljust(80) for c in cards)
    header += b"END"
    return header.ljust(-(-len(header) // 2880) * 2880) + data[2880:]


def read(source: Any, **options: Any) -> Image:
    return fits.read(source, Options(**options))


def reason(source: Any, **options: Any) -> str:
    with pytest.raises(BadCutout) as caught:
        read(source, **options)
    assert str(caught.value).isprintable()
    return caught.value.reason


def has_warning(found: Image, words: str) -> bool:
    return any(words in warning for warning in found.warnings)


class TestContainers:
    """What a file is packed in."""

    def test_big_endian_becomes_native(self) -> None:
        found = read(image(RAMP.astype(">f4"))).pixels
        assert found.dtype == np.dtype("=f4")
        assert found.dtype.isnative
        np.testing.assert_array_equal(found[0], RAMP)

    @pytest.mark.parametrize("pack_up", [gzip.compress, bz2.compress, lzma.compress])
    def test_packed_bytes_are_inflated(self, pack_up: Callable[[bytes], bytes]) -> None:
        np.testing.assert_array_equal(read(pack_up(image())).pixels[0], RAMP)

    def test_a_zip_of_one_member_is_inflated_and_of_two_refused(self) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.fits", image())
        np.testing.assert_array_equal(read(stream.getvalue()).pixels[0], RAMP)
        with zipfile.ZipFile(stream, "a") as archive:
            archive.writestr("b.fits", image())
        assert reason(stream.getvalue()) == "unsupported_container"

    def test_multi_member_gzip_is_read_to_its_end(self) -> None:
        data = image(np.arange(5000, dtype="f4").reshape(50, 100))
        parts = [gzip.compress(data[i : i + 5000]) for i in range(0, len(data), 5000)]
        assert read(b"".join(parts)).pixels[0, -1, -1] == 4999

    def test_gzip_inside_gzip_and_unix_compress_are_refused(self) -> None:
        twice = gzip.compress(gzip.compress(image()))
        assert reason(twice) == "unsupported_container"
        assert reason(b"\x1f\x9d\x90" + bytes(99)) == "unsupported_container"

    @pytest.mark.parametrize("pack_up", [gzip.compress, bz2.compress, lzma.compress])
    def test_a_cut_off_stream_is_truncated(
        self, pack_up: Callable[[bytes], bytes]
    ) -> None:
        packed = pack_up(image())
        assert reason(packed[: len(packed) // 2]) == "truncated"

    def test_an_empty_file_and_a_web_page(self) -> None:
        assert reason(b"") == "empty_file"
        assert reason(gzip.compress(b"")) == "empty_file"
        assert reason(b"<!DOCTYPE html><html>404</html>") == "not_fits"


class TestSizes:
    """How long the file is, and how long it says it is."""

    def test_truncated_pixels_are_told_even_where_the_part_asked_for_is_there(
        self,
    ) -> None:
        data = image(np.zeros((100, 100), "f4"))[:-20000]
        assert reason(data) == "truncated"
        with fits.opened(data) as frame:
            found = frame.read(Box(0, 0, 10, 10))
        assert found.pixels.shape == (1, 10, 10)
        assert has_warning(found, "the file ends before")

    def test_missing_padding_and_trailing_junk_are_accepted_with_a_warning(
        self,
    ) -> None:
        data = image()
        short = read(data[: 2880 + RAMP.nbytes])
        np.testing.assert_array_equal(short.pixels[0], RAMP)
        assert has_warning(short, "padding")
        long = read(data + b"junk" * 99)
        np.testing.assert_array_equal(long.pixels[0], RAMP)
        assert has_warning(long, "not FITS")
        assert read(data + bytes(2880)).warnings == ()

    def test_simple_f_is_not_fits(self) -> None:
        data = image().replace(b"=                    T", b"=                    F", 1)
        assert reason(data) == "not_fits"

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"NAXIS   =                    2", b"NAXIS   =                  999"),
            (b"NAXIS   =                    2", b"NAXIS   =                 two "),
            (b"NAXIS1  =                   10", b"NAXIS1  =                  -64"),
            (b"NAXIS1  =                   10", b"NAXIS1  =                 10.5"),
            (b"BITPIX  =                  -32", b"BITPIX  =                   33"),
            (b"BITPIX  =                  -32", b"BITPUX  =                  -32"),
        ],
    )
    def test_an_impossible_axis_is_a_corrupt_header(
        self, old: bytes, new: bytes
    ) -> None:
        assert reason(image().replace(old, new)) == "corrupt_header"

    def test_a_zero_width_image_has_bad_dimensions(self) -> None:
        assert reason(image(np.zeros((5, 0), "f4"))) == "bad_dimensions"

    def test_a_plain_header_that_claims_too_much_is_refused_by_its_size(self) -> None:
        data = image()
        for axis, length in ((1, 10), (2, 12)):
            data = data.replace(
                f"NAXIS{axis}  ={length:>21}".encode(),
                f"NAXIS{axis}  ={200000:>21}".encode(),
            )
        assert reason(data) == "size_limit"
        assert reason(image(), limits=Limits(pixels=100)) == "size_limit"

    def test_a_tile_header_that_claims_too_much_is_refused(self) -> None:
        data = pack(
            astropy_fits.PrimaryHDU(),
            astropy_fits.CompImageHDU(RAMP.astype("i2"), compression_type="RICE_1"),
        )
        large = data.replace(
            f"ZNAXIS2 ={12:>21}".encode(), f"ZNAXIS2 ={60000:>21}".encode()
        )
        assert reason(large) == "corrupt_tiles"
        large = large.replace(
            f"ZNAXIS1 ={10:>21}".encode(), f"ZNAXIS1 ={60000:>21}".encode()
        )
        assert reason(large) == "size_limit"
        tile = data.replace(f"ZTILE2  ={1:>21}".encode(), f"ZTILE2  ={12:>21}".encode())
        assert reason(tile, limits=Limits(tile_pixels=100)) == "size_limit"

    def test_a_header_and_a_file_of_many_units_have_limits(self) -> None:
        lines = [f"HISTORY line {i}" for i in range(200)]
        assert reason(written(RAMP, *lines), limits=Limits(header_bytes=9000)) == (
            "header_limit"
        )
        many = pack(astropy_fits.PrimaryHDU(RAMP), *[astropy_fits.ImageHDU()] * 9)
        assert reason(many, limits=Limits(hdus=9)) == "hdu_limit"
        np.testing.assert_array_equal(
            read(many, limits=Limits(hdus=10)).pixels[0], RAMP
        )

    @pytest.mark.parametrize("pack_up", [gzip.compress, bz2.compress, lzma.compress])
    def test_a_bomb_is_refused_before_it_is_inflated(
        self, pack_up: Callable[[bytes], bytes]
    ) -> None:
        bomb = pack_up(bytes(10_000_000))
        assert reason(bomb, limits=Limits(inflated_bytes=10_000)) == "inflate_limit"


class TestCards:
    """Headers that are not quite what the standard wants."""

    def test_a_missing_end_is_bridged_if_the_size_agrees_else_corrupt(self) -> None:
        data = image()
        without = data.replace(b"END" + b" " * 77, b" " * 80)
        found = read(without)
        np.testing.assert_array_equal(found.pixels[0], RAMP)
        assert has_warning(found, "no END")
        assert reason(without[:2880]) == "corrupt_header"

    @pytest.mark.parametrize("strange", ["\0", "\x80", "\xe9", "\x1b"])
    def test_nul_and_bytes_that_are_no_text_are_tolerated_and_told(
        self, strange: str
    ) -> None:
        found = read(written(RAMP, f"OBJECT  = 'M{strange}31    '"))
        np.testing.assert_array_equal(found.pixels[0], RAMP)
        assert found.name.isprintable()
        assert has_warning(found, "not text") == (strange != "\x1b")

    def test_a_bad_checksum_is_a_warning_and_an_error_when_strict(self) -> None:
        hdu = astropy_fits.PrimaryHDU(RAMP)
        hdu.add_checksum()
        data = pack(hdu)
        assert read(data, strict=True).warnings == ()
        broken = bytearray(data)
        broken[2880 + 2] ^= 1
        assert has_warning(read(bytes(broken)), "DATASUM and CHECKSUM")
        assert reason(bytes(broken), strict=True) == "checksum"
        part = reason(bytes(broken), strict=True, hdu="[1:2,1:2]")
        assert part == "checksum"
        with_other_name = data.replace(b"NAXIS2  ", b"naxis2  ")
        assert reason(with_other_name) == "corrupt_header"


class TestNumbers:
    """Stored numbers and what they stand for."""

    @pytest.mark.parametrize("dtype", ["u2", "u4"])
    def test_blank_in_scaled_unsigned_integers_is_nan(self, dtype: str) -> None:
        data = image(RAMP.astype(dtype), BLANK=7 - 2 ** (8 * int(dtype[1]) - 1))
        found = read(data).pixels[0]
        assert np.isnan(found[0, 7])
        assert np.isfinite(found).sum() == RAMP.size - 1
        assert found[0, 8] == 8

    def test_a_blank_written_with_a_point_counts(self) -> None:
        pixels = np.array([[1, -32768], [3, 4]], ">i2")
        found = read(written(pixels, "BLANK   =             -32768.0"))
        np.testing.assert_array_equal(np.isnan(found.pixels[0]), pixels == -32768)

    def test_unsigned_integers_of_64_bits_keep_every_digit(self) -> None:
        found = read(image(np.arange(400, dtype="u8").reshape(20, 20)))
        np.testing.assert_array_equal(found.pixels[0].ravel(), np.arange(400))

    @pytest.mark.parametrize("card", ["BSCALE  = '2.5'", "BZERO   = 2,5"])
    def test_a_scale_that_is_no_number_is_not_ignored(self, card: str) -> None:
        assert reason(written(RAMP.astype("i2"), card)) == "corrupt_header"

    def test_scaled_integers_take_the_memory_of_float32(self) -> None:
        hdu = astropy_fits.PrimaryHDU(RAMP.astype("i4"))
        hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 100.0
        data = pack(hdu)
        stored = np.frombuffer(data[2880 : 2880 + 480], ">i4").reshape(12, 10)
        found = read(data).pixels
        assert found.nbytes == 4 * RAMP.size
        np.testing.assert_array_equal(found[0], 0.5 * stored + 100)

    def test_what_float32_cannot_hold_is_blank_and_told(self) -> None:
        pixels = RAMP.astype("f8") + 1
        pixels[0, :4] = 1e300, np.inf, -np.inf, 1e-300
        found = read(image(pixels))
        assert np.isnan(found.pixels[0, 0, :3]).all()
        assert has_warning(found, "3 infinite")
        assert has_warning(found, "2 pixels lie beyond")

    @pytest.mark.parametrize("scale", [1e-60, 1e60])
    def test_an_image_beyond_float32_is_refused_and_not_called_blank(
        self, scale: float
    ) -> None:
        assert reason(image((RAMP + 1).astype("f8") * scale)) == "out_of_range"

    def test_an_integer_map_of_ids_warns_where_float32_rounds(self) -> None:
        found = read(image(RAMP.astype("i4") + 2**24))
        assert has_warning(found, "rounded")
        assert read(image(RAMP.astype("i4"))).warnings == ()

    def test_one_nan_pixel_spoils_nothing_else(self) -> None:
        random = np.random.default_rng(0)
        pixels = random.normal(size=(64, 64)).astype("f4")
        pixels[30, 30] = np.nan
        made = stamp.make(read(image(pixels)), stamp.StampSpec())
        assert np.isfinite(made.pixels).sum() == 64 * 64 - 1
        assert abs(float(np.nanstd(made.pixels)) - 1) < 0.1

    def test_all_nan_is_refused_and_constant_is_flagged(self) -> None:
        with pytest.raises(BadStamp) as caught:
            stamp.make(read(image(np.full((20, 20), np.nan, "f4"))), stamp.StampSpec())
        assert caught.value.reason == "all_nan"
        made = stamp.make(read(image(np.full((20, 20), 7.0, "f4"))), stamp.StampSpec())
        assert Flag.CONSTANT in made.flags

    def test_a_map_with_40_percent_nan_is_masked_and_flagged(self) -> None:
        pixels = np.random.default_rng(0).normal(size=(64, 64)).astype("f4")
        pixels[np.random.default_rng(1).random((64, 64)) < 0.4] = np.nan
        made = stamp.make(read(image(pixels)), stamp.StampSpec())
        assert Flag.MASKED in made.flags
        assert made.valid_fraction == pytest.approx(0.6, abs=0.02)
        assert np.isnan(made.pixels[0]).sum() == np.isnan(pixels).sum()


class TestUnits:
    """Which part of the file is the picture."""

    def test_the_empty_primary_of_a_compressed_file_is_passed_over(self) -> None:
        part = astropy_fits.CompImageHDU(RAMP.astype("i2"), compression_type="RICE_1")
        found = read(pack(astropy_fits.PrimaryHDU(), part))
        assert found.hdu.startswith("1")
        np.testing.assert_array_equal(found.pixels[0], RAMP)

    @pytest.mark.parametrize(
        ("algorithm", "dtype", "tolerance"),
        [
            ("RICE_1", "i2", 0),
            ("RICE_1", "i4", 0),
            ("GZIP_1", "f4", 0),
            ("GZIP_2", "f8", 0),
            ("HCOMPRESS_1", "i4", 0),
            ("PLIO_1", "i2", 0),
            ("RICE_1", "f4", 1 / 16),
            ("GZIP_2", "f4", 1 / 16),
            ("HCOMPRESS_1", "f4", 1 / 16),
        ],
    )
    @pytest.mark.parametrize("dither", [-1, 1, 2])
    def test_every_codec_comes_back_within_its_tolerance(
        self, algorithm: str, dtype: str, tolerance: float, dither: int
    ) -> None:
        """Of a quantised image a sixteenth of the noise, and NaN stays NaN."""
        random = np.random.default_rng(0)
        pixels = (100 + 10 * random.normal(size=(64, 96))).astype(dtype)
        is_quantised = tolerance > 0
        if is_quantised and not algorithm.startswith("HCOMPRESS"):
            pixels[5, 7] = np.nan
        part = astropy_fits.CompImageHDU(
            pixels,
            compression_type=algorithm,
            quantize_level=16 if is_quantised else 0,
            quantize_method=dither,
            tile_shape=(16, 96),
        )
        found = read(pack(astropy_fits.PrimaryHDU(), part)).pixels[0]
        np.testing.assert_allclose(found, pixels.astype("f4"), atol=10 * tolerance)

    def test_a_table_or_a_weight_before_the_picture_is_passed_over(self) -> None:
        column = astropy_fits.Column("x", "E", array=[1.0])
        data = pack(
            astropy_fits.PrimaryHDU(),
            astropy_fits.BinTableHDU.from_columns([column]),
            astropy_fits.ImageHDU(RAMP + 1, name="WHT"),
            astropy_fits.ImageHDU(RAMP, name="SCI"),
        )
        found = read(data)
        assert found.hdu == "3 (SCI)"
        np.testing.assert_array_equal(found.pixels[0], RAMP)

    def test_of_a_repeated_name_the_version_is_chosen_and_without_one_it_is_told(
        self,
    ) -> None:
        parts = [astropy_fits.ImageHDU(RAMP + i, name="SCI", ver=i) for i in (1, 2)]
        data = pack(astropy_fits.PrimaryHDU(), *parts)
        assert read(data, hdu="SCI,2").pixels[0, 0, 0] == 2
        first = read(data, hdu="SCI")
        assert first.pixels[0, 0, 0] == 1
        assert has_warning(first, "2 (SCI) could be meant as well")

    def test_extensions_of_other_shapes_are_left_alone(self) -> None:
        parts = [astropy_fits.ImageHDU(np.ones((n, n + 1), "f4")) for n in (9, 20, 30)]
        data = pack(astropy_fits.PrimaryHDU(), *parts)
        assert read(data).pixels.shape == (1, 9, 10)
        assert read(data, hdu="3").pixels.shape == (1, 30, 31)

    def test_a_broken_neighbour_is_harmless_and_told(self) -> None:
        part = astropy_fits.ImageHDU(RAMP, name="OTHER")
        data = pack(astropy_fits.PrimaryHDU(RAMP), part)
        broken = data.replace(b"NAXIS1  =                   10", b"NAXIS1  =  ?", 2)
        at = data.rindex(b"NAXIS1  ")
        broken = data[:at] + b"NAXIS1  =                    x" + data[at + 30 :]
        found = read(broken)
        np.testing.assert_array_equal(found.pixels[0], RAMP)
        assert has_warning(found, "HDU 1 is damaged")
        assert reason(broken, hdu="OTHER") == "corrupt_header"


class TestAxes:
    """Which axis is which."""

    def test_radio_images_lose_their_degenerate_axes(self) -> None:
        cards = TAN | {"CTYPE3": "FREQ", "CTYPE4": "STOKES", "CRVAL4": 1.0}
        found = read(image(RAMP[np.newaxis, np.newaxis], **cards))
        assert found.pixels.shape == (1, 12, 10)
        assert found.axes is Axes.IMAGE
        assert found.position is not None

    def test_an_image_axis_of_length_one_is_kept(self) -> None:
        cards = {"CTYPE3": "FREQ"}
        found = read(image(np.zeros((1, 4, 1, 64), "f4"), **cards))
        assert found.pixels.shape == (4, 1, 64)

    def test_more_world_axes_than_data_axes_are_trimmed(self) -> None:
        cards = TAN | {"CTYPE3": "FREQ", "CTYPE4": "STOKES", "CRVAL4": 1, "CDELT4": 1}
        found = read(image(np.zeros((3, 12, 10), "f4"), WCSAXES=4, **cards))
        assert found.axes is Axes.SPECTRAL
        assert found.position is not None
        assert found.position.ra_deg == pytest.approx(150)

    @pytest.mark.parametrize("ctype", ["FELO-HEL", "TIME"])
    def test_a_third_axis_that_no_library_can_parse_costs_no_position(
        self, ctype: str
    ) -> None:
        cards = TAN | {"CTYPE3": ctype, "CRVAL3": 1.0, "CDELT3": 1.0}
        found = read(image(RAMP[np.newaxis], **cards))
        assert found.position is not None

    def test_planes_without_names_are_ambiguous_until_somebody_says(self) -> None:
        data = image(np.zeros((3, 12, 10), "f4"))
        with pytest.raises(BadCutout, match="axis-kind to 'bands' or 'spectral'"):
            read(data)
        assert reason(data) == "axis_ambiguous"
        bands = read(data, axis_kind="bands")
        assert (bands.axes, bands.bands) == (Axes.BANDS, ("1", "2", "3"))
        assert read(data, axis_kind="spectral").axes is Axes.SPECTRAL

    def test_another_stokes_plane_is_taken_when_asked_for(self) -> None:
        planes = np.stack([RAMP, RAMP + 1, RAMP + 2])
        data = image(planes, CTYPE3="STOKES", CRVAL3=1, CDELT3=1, CRPIX3=1)
        assert read(data).pixels[0, 0, 0] == 0
        assert read(data, stokes="u").pixels[0, 0, 0] == 2
        for lone in (RAMP[np.newaxis], RAMP):
            cards = {"CTYPE3": "STOKES", "CRVAL3": 2.0} if lone.ndim == 3 else {}
            assert reason(image(lone, **cards), stokes="V") == "stokes_unavailable"
        with pytest.raises(BadCutout, match="there are I, Q, U") as caught:
            read(data, stokes="V")
        assert caught.value.reason == "stokes_unavailable"

    def test_bands_in_several_units_become_one_image(self) -> None:
        parts = [
            astropy_fits.ImageHDU(RAMP + i, name=name) for i, name in enumerate("GRI")
        ]
        data = pack(astropy_fits.PrimaryHDU(), *parts)
        found = read(data, hdu="i=I;g=1")
        assert found.bands == ("i", "g")
        assert found.hdu == "i=3 (I); g=1 (G)"
        np.testing.assert_array_equal(found.pixels[:, 0, 0], [2, 0])
        other = astropy_fits.ImageHDU(np.zeros((9, 9), "f4"), name="Z")
        data = pack(astropy_fits.PrimaryHDU(), *parts, other)
        assert reason(data, hdu="g=G;z=Z") == "band_mismatch"

    def test_names_that_are_no_bands_of_the_planes_are_told(self) -> None:
        cube = np.zeros((5, 9, 9), "f4")
        assert reason(image(cube, BANDS="F606W")) == "axis_ambiguous"
        found = read(image(cube, BANDS="F606W"), axis_kind="bands")
        assert found.bands == tuple("12345")
        assert has_warning(found, "names the bands F606W, which are not the 5 planes")
        assert reason(image(cube[:2], BANDS="g,g")) == "axis_ambiguous"
        assert read(image(cube, BANDS="ugriz")).bands == tuple("ugriz")
        names = {"BAND1": "first light", "BAND2": "second"}
        assert read(image(cube[:2], **names)).bands == ("first light", "second")

    def test_a_spectral_axis_is_none_of_the_picture_wherever_it_is(self) -> None:
        cube = np.arange(4 * 9 * 10, dtype="f4").reshape(4, 9, 10)
        cards = {"CTYPE1": "FREQ", "CRVAL1": 1e9, "CRPIX1": 1.0, "CDELT1": 1e6}
        found = read(image(cube.transpose(1, 2, 0), **cards))
        assert found.axes is Axes.SPECTRAL
        np.testing.assert_array_equal(found.pixels, cube)
        assert found.spectral is not None
        np.testing.assert_allclose(found.spectral, 1e9 + 1e6 * np.arange(4))

    def test_an_axis_of_length_one_makes_no_picture_of_its_neighbours(self) -> None:
        assert reason(image(np.zeros((9, 1, 50), "f4"))) == "axis_ambiguous"

    def test_bands_of_different_units_are_told(self) -> None:
        parts = [
            astropy_fits.ImageHDU(RAMP, astropy_fits.Header({"BUNIT": unit}), name=name)
            for name, unit in (("G", "nJy"), ("R", "adu"))
        ]
        found = read(pack(astropy_fits.PrimaryHDU(), *parts), hdu="g=G;r=R")
        assert has_warning(found, "the bands have different units: g nJy, r adu")


class TestWritten:
    """A cutout that is written is read back as what it was."""

    def test_bands_whatever_they_are_called(self) -> None:
        cube = np.arange(3 * 99, dtype="f4").reshape(3, 9, 11)
        for names in (
            ("g", "r", "i"),
            ("F606W", "F814W", "F160W"),
            ("first light", "a,b", "it's"),
            ("x" * 60, "y" * 60, "z" * 60),
        ):
            found = read(fits.to_fits(Image(cube, Axes.BANDS, names)))
            assert found.bands == names
            np.testing.assert_array_equal(found.pixels, cube)

    def test_as_many_bands_as_a_narrow_band_survey_has(self) -> None:
        cube = np.arange(60 * 99, dtype="f4").reshape(60, 9, 11)
        names = tuple(f"J{1000 + i}" for i in range(60))
        assert read(fits.to_fits(Image(cube, Axes.BANDS, names))).bands == names

    def test_a_lone_band(self) -> None:
        found = read(fits.to_fits(Image(RAMP[np.newaxis], Axes.BANDS, ("F606W",))))
        assert (found.axes, found.bands) == (Axes.BANDS, ("F606W",))

    def test_a_position_that_was_refused_stays_refused(self) -> None:
        found = read(image(**(TAN | {"CRPIX1": "10.5"})))
        assert found.position is None
        assert read(fits.to_fits(found)).position is None

    def test_a_long_name_stays_whole(self) -> None:
        name = "The Very Long Name of a Survey Field " * 4
        found = read(fits.to_fits(read(image(OBJECT=name))))
        assert found.name == name.strip()

    def test_a_cube_whose_kind_a_caller_told(self) -> None:
        cube = np.arange(5 * 99, dtype="f4").reshape(5, 9, 11)
        found = read(image(cube), axis_kind="spectral")
        again = read(fits.to_fits(found))
        assert again.axes is Axes.SPECTRAL
        np.testing.assert_array_equal(again.pixels, cube)

    def test_the_beam_wherever_it_was_written(self) -> None:
        words = "AIPS   CLEAN BMAJ=  1.5000E-03 BMIN=  1.2500E-03 BPA= -41.50"
        found = read(image(HISTORY=words, **TAN))
        assert found.beam is not None
        again = read(fits.to_fits(found)).beam
        assert again is not None
        assert again.major_arcsec == pytest.approx(5.4)
        assert again.minor_arcsec == pytest.approx(4.5)
        assert again.angle_deg == pytest.approx(-41.5)

    def test_long_text_goes_on_as_astropy_reads_it(self) -> None:
        text = "/a rather long path" * 20
        data = fits.to_fits(read(image()), {"ORIGFILE": text, "SHORT": "s"})
        with astropy_fits.open(io.BytesIO(data)) as hdus:
            hdus.verify("exception")
            assert hdus[0].header["ORIGFILE"] == text
            assert hdus[0].header["SHORT"] == "s"

    @pytest.mark.parametrize("length", range(60, 76))
    def test_quotes_in_long_text_stay_whole(self, length: int) -> None:
        text = "x" * length + "'" * 7 + "/it''s 'quoted'" * 20
        header = read(fits.to_fits(read(image()), {"ORIGFILE": text})).header
        assert header is not None
        assert header.get("ORIGFILE") == text


class TestWorld:
    """Where the pixels lie on the sky."""

    def test_no_scale_without_a_card_or_with_one_that_gives_none(self) -> None:
        bare = {k: v for k, v in TAN.items() if not k.startswith("CDELT")}
        assert read(image(**bare)).pixel_scale_arcsec is None
        singular = bare | {"CD1_1": 1e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 1e-4}
        found = read(image(**singular))
        assert found.pixel_scale_arcsec is None
        assert read(image(**TAN)).pixel_scale_arcsec == pytest.approx(0.36)

    def test_a_coordinate_that_is_text_gives_no_position_and_a_warning(self) -> None:
        found = read(image(**(TAN | {"CRVAL1": "10:00:00"})))
        assert found.position is None
        assert has_warning(found, "CRVAL1 is '10:00:00', not a number")

    @pytest.mark.parametrize("keyword", ["CDELT1", "CD1_1", "LONPOLE", "EQUINOX"])
    def test_no_coordinate_card_that_is_text_is_taken_for_its_default(
        self, keyword: str
    ) -> None:
        found = read(image(**(TAN | {keyword: "-0.01"})))
        assert found.position is None
        assert has_warning(found, f"{keyword} is '-0.01', not a number")

    def test_at_the_pole_the_image_is_not_turned(self) -> None:
        """There the default of LONPOLE is 0: the reference values are astropy's."""
        cards = TAN | {"CRVAL2": 90.0}
        found = read(image(**cards))
        sky = WCS(astropy_fits.Header(cards)).pixel_to_world(1.0, 2.0)
        assert found.world is not None
        ra, dec = found.world.to_sky(1.0, 2.0)
        assert ra == pytest.approx(sky.ra.deg)
        assert dec == pytest.approx(sky.dec.deg)

    def test_an_equinox_that_is_no_year_gives_no_position(self) -> None:
        found = read(image(**(TAN | {"RADESYS": "FK5", "EQUINOX": 1e300})))
        assert found.position is None
        assert has_warning(found, "is no year")

    def test_of_a_spectral_axis_cd_wins_over_cdelt_and_pc_multiplies_it(self) -> None:
        for cards in ({"CD3_3": 1.25, "CDELT3": 1.0}, {"PC3_3": 2.5, "CDELT3": 0.5}):
            cube = image(np.zeros((3, 12, 10), "f4"), CTYPE3="WAVE", CRPIX3=1, **cards)
            spectral = read(cube).spectral
            assert spectral is not None
            np.testing.assert_allclose(np.diff(spectral), 1.25)

    def test_a_projection_that_cannot_be_gives_no_position(self) -> None:
        cards = TAN | {"CTYPE1": "RA---ZPN", "CTYPE2": "DEC--ZPN", "PV2_0": -1.0}
        assert read(image(**cards)).position is None

    def test_declination_first_and_galactic_axes_end_in_icrs(self) -> None:
        swapped = {k[:-1] + ("2" if k[-1] == "1" else "1"): v for k, v in TAN.items()}
        swapped |= {"CRPIX1": 5.5, "CRPIX2": 6.5}
        found = read(image(**swapped))
        assert found.position is not None
        assert found.position.ra_deg == pytest.approx(150)
        assert found.position.dec_deg == pytest.approx(2)

    def test_leftover_distortion_is_ignored_and_old_names_are_understood(self) -> None:
        old = TAN | {"RADECSYS": "ICRS", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-3}
        found = read(image(**old))
        assert found.position == read(image(**TAN)).position
        assert found.warnings == ()

    def test_a_distortion_that_is_meant_is_applied(self) -> None:
        meant = TAN | {
            "CTYPE1": "RA---TAN-SIP",
            "CTYPE2": "DEC--TAN-SIP",
            "CRPIX1": 1.0,
            "A_ORDER": 2,
            "B_ORDER": 2,
            "A_2_0": 1e-2,
        }
        plain = TAN | {"CRPIX1": 1.0}
        one, other = read(image(**meant)).position, read(image(**plain)).position
        assert one is not None
        assert other is not None
        # 4.5 pixels from the reference: 4.5^2 / 100 pixels of 1e-4 degrees.
        shift = (other.ra_deg - one.ra_deg) * np.cos(np.radians(2))
        assert shift == pytest.approx(0.2025e-4, rel=1e-3)

    def test_the_scale_is_that_of_the_pixels_and_not_of_the_reference(self) -> None:
        cards = {
            "CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CRVAL1": 0.0, "CRVAL2": 0.0,
            "CRPIX1": 180.5, "CRPIX2": 90.5, "CDELT1": -1.0, "CDELT2": 1.0,
        }  # fmt: skip
        found = read(
            image(np.zeros((180, 360), "f4"), **cards), hdu="[170:190,146:155]"
        )
        assert found.pixel is not None
        # In a plate carree a degree of longitude shrinks with the cosine.
        assert found.pixel.along_y_arcsec == pytest.approx(3600, rel=1e-3)
        shrunk = 3600 * np.cos(np.radians(60))
        assert found.pixel.along_x_arcsec == pytest.approx(shrunk, rel=1e-3)

    @pytest.mark.parametrize("unit", ["DEG", "degree", "degrees"])
    def test_degrees_are_understood_however_they_are_written(self, unit: str) -> None:
        plain = read(image(**TAN)).position
        for kind in ("TAN", "CAR"):
            cards = TAN | {"CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}"}
            found = read(image(**cards, CUNIT1=unit, CUNIT2=unit)).position
            assert found is not None
            assert plain is not None
            assert found.ra_deg == pytest.approx(plain.ra_deg, abs=1e-4)

    def test_one_missing_step_is_not_taken_for_a_degree(self) -> None:
        cards = {k: v for k, v in TAN.items() if k != "CDELT2"}
        for more in {}, {"PC1_1": 1.0, "PC2_2": 1.0}:
            found = read(image(**(cards | more)))
            assert found.position is None
            assert has_warning(found, "no card gives the size of a pixel")

    def test_what_ties_the_sky_to_another_axis_is_told(self) -> None:
        cube = np.zeros((4, 12, 10), "f4")
        cards = TAN | {"CTYPE3": "FREQ", "CDELT3": 1e6, "PC1_3": 0.25}
        assert has_warning(read(image(cube, **cards)), "PC1_3 is left out")

    def test_no_world_coordinates_leave_position_and_scale_unknown(self) -> None:
        found = read(image())
        assert (found.world, found.position, found.pixel_scale_arcsec) == (None,) * 3
        spec = stamp.StampSpec(scale="angular", arcsec_per_pixel=1)
        with pytest.raises(BadStamp) as caught:
            stamp.make(found, spec)
        assert caught.value.reason == "no_wcs"

    @pytest.mark.parametrize(
        ("raw", "standard"),
        [
            ("JY/BEAM", "Jy/beam"),
            ("ADU", "adu"),
            ("nanomaggy", "nmgy"),
            ("DN/s", "DN/s"),
            ("electron/s", "electron/s"),
            ("K (Tmb)", "K"),
            ("furlong", "furlong"),
        ],
    )
    def test_units_are_kept_or_spelled_as_the_standard_does(
        self, raw: str, standard: str
    ) -> None:
        assert read(image(BUNIT=raw)).unit == standard

    @pytest.mark.parametrize("major", [0.001, "0.001 deg", "3.6 arcsec", "1.0D-3"])
    def test_the_beam_is_read_as_number_or_with_its_unit(self, major: Any) -> None:
        beam = read(image(BMAJ=major, BMIN=0.0005, BPA=30.0)).beam
        assert beam is not None
        assert beam.major_arcsec == pytest.approx(3.6)
        assert beam.minor_arcsec == pytest.approx(1.8)
        assert beam.angle_deg == 30

    def test_the_beam_is_read_from_the_history_of_aips(self) -> None:
        line = "HISTORY AIPS   CLEAN BMAJ=  1.5000E-03 BMIN=  1.0000E-03 BPA=  10.00"
        beam = read(written(RAMP, line)).beam
        assert beam is not None
        assert beam.major_arcsec == pytest.approx(5.4)
        assert read(written(RAMP, "HISTORY CLEAN BMAJ= lots")).beam is None

    def test_a_long_header_costs_little(self) -> None:
        """200,000 lines of history, which the world coordinates need not see."""
        lines = [f"HISTORY {i}" for i in range(50_000)]
        cards = [f"{key:8}= {value!r:>20}" for key, value in TAN.items()]
        found = read(written(RAMP, *lines, *cards))
        assert found.position is not None


class TestCutting:
    """A part of an image."""

    wide: ClassVar[Any] = np.arange(40 * 30, dtype="i2").reshape(40, 30)

    def test_a_cutout_over_the_edge_of_integers_is_blank_there(self) -> None:
        with fits.opened(image(self.wide)) as frame:
            found = frame.read(Box(-5, -3, 15, 17))
        assert found.pixels.shape == (1, 20, 20)
        assert np.isnan(found.pixels[0, :3]).all()
        assert np.isnan(found.pixels[0, :, :5]).all()
        np.testing.assert_array_equal(found.pixels[0, 3:, 5:], self.wide[:17, :15])
        assert found.edge_fraction == pytest.approx(1 - 17 * 15 / 400)

    def test_a_cutout_off_the_image_does_not_overlap(self) -> None:
        with fits.opened(image(self.wide)) as frame:
            for box in (Box(30, 0, 40, 9), Box(-9, 0, 0, 9), Box(5, 5, 5, 9)):
                with pytest.raises(BadCutout) as caught:
                    frame.read(box)
                assert caught.value.reason == "no_overlap"

    def test_a_cutout_owns_its_pixels(self) -> None:
        with fits.opened(image(self.wide)) as frame:
            frame.read()
            found = frame.read(Box(0, 0, 9, 9))
        assert found.pixels.flags.owndata
        assert found.pixels.base is None

    def test_a_section_counts_from_one_and_includes_its_ends(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "wide.fits"
        path.write_bytes(image(self.wide, **TAN))
        found = fits.read(f"{path}[3:12,5:9]")
        np.testing.assert_array_equal(found.pixels[0], self.wide[4:9, 2:12])
        assert found.box == Box(2, 4, 12, 9)
        whole = fits.read(path)
        assert whole.world is not None
        assert found.position is not None
        ra, dec = whole.world.to_sky(6.5, 6.0)
        assert (found.position.ra_deg, found.position.dec_deg) == (ra, dec)
        assert fits.read(f"{path}[0][3:12,5:9]").box == found.box
        assert reason(f"{path}[9:3,1:5]") == "bad_selector"
        assert reason(f"{path}[]") == "bad_selector"

    def test_a_selector_of_any_length_is_refused_at_once(self) -> None:
        assert reason(image(), hdu="a" + " " * 50_000 + "<") == "bad_selector"

    def test_only_the_part_that_is_asked_for_counts_for_the_limit(self) -> None:
        large = image(np.zeros((300, 400), "f4"))
        few = Limits(pixels=1000)
        assert reason(large, limits=few) == "size_limit"
        found = read(large, hdu="[1:20,1:20]", limits=few)
        assert found.pixels.shape == (1, 20, 20)

    @pytest.mark.parametrize("shape", [(3, 300, 400), (300, 400)])
    def test_so_it_is_in_a_compressed_image(self, shape: tuple[int, ...]) -> None:
        """Whose tiles are decoded where the section lies, and scaled as all would be."""
        pixels = np.random.default_rng(3).integers(0, 60_000, shape).astype("u2")
        hdu = astropy_fits.CompImageHDU(pixels, compression_type="RICE_1")
        hdu.header["BANDS"] = "a,b,c"
        data = pack(astropy_fits.PrimaryHDU(), hdu)  # with a BZERO
        whole = read(data)
        few = Limits(pixels=20_000)
        assert reason(data, limits=few) == "size_limit"
        found = read(data, hdu="[101:120,41:55]", limits=few)
        np.testing.assert_array_equal(
            found.pixels, whole.pixels[:, 40:55, 100:120], strict=True
        )
        # Each tile is a row: of 60 of them more is decoded than may be.
        assert reason(data, hdu="[1:2,1:60]", limits=few) == "size_limit"

    def test_the_tiles_of_all_bands_count_together(self) -> None:
        """Of which each alone would be within the limit."""
        pixels = np.zeros((64, 400), "i2")
        bands = [
            astropy_fits.CompImageHDU(
                pixels, name=name, compression_type="RICE_1", tile_shape=(64, 100)
            )
            for name in "gri"
        ]
        data = pack(astropy_fits.PrimaryHDU(), *bands)
        count, box = 3 * 64 * 200, Box(0, 0, 150, 9)
        for limit in (count, count - 1):
            few = Options(hdu="g=G;r=R;i=I", limits=Limits(pixels=limit))
            with fits.opened(data, few) as frame:
                if limit == count:
                    assert frame.read(box).pixels.shape == (3, 9, 150)
                    continue
                with pytest.raises(BadCutout, match="tiles of 38400 pixels") as raised:
                    frame.read(box)
                assert raised.value.reason == "size_limit"

    @pytest.mark.parametrize(
        ("tile_shape", "limit", "advised"),
        [
            ((1, 7000), 2**20, "[1:100,1:100]"),
            ((50, 50), 2**20, "[1:1000,1:1000]"),
            ((1, 7000), 80_000, "[1:10,1:10]"),
            ((20, 7000), 80_000, None),
        ],
    )
    def test_a_section_that_is_advised_is_not_refused_again(
        self, tile_shape: tuple[int, int], limit: int, advised: str | None
    ) -> None:
        """Tiles of rows are decoded as a whole, however few of their pixels are read."""
        part = astropy_fits.CompImageHDU(
            np.zeros((1200, 7000), "i2"),
            compression_type="RICE_1",
            tile_shape=tile_shape,
        )
        data = pack(astropy_fits.PrimaryHDU(), part)
        few = Limits(pixels=limit)
        for hdu in ("1", "[1:7000,1:1100]"):
            with pytest.raises(BadCutout) as raised:
                read(data, hdu=hdu, limits=few)
            assert raised.value.reason == "size_limit"
            told = re.findall(r"\[1:.*?\]", str(raised.value))
            assert told == [advised][: bool(advised)]
        if advised is not None:
            side = int(advised.split(":")[-1][:-1])
            found = read(data, hdu=advised, limits=few)
            assert found.pixels.shape == (1, side, side)

    def test_of_an_image_whose_rows_lie_across_no_section_is_advised(self) -> None:
        """Since it would be refused as well."""
        across = image(
            np.zeros((300, 400, 2), "f4"), CTYPE1="STOKES", CRVAL1=1, CRPIX1=1
        )
        with pytest.raises(BadCutout, match="swap") as raised:
            read(across, hdu="[1:20,1:20]", limits=Limits(pixels=1000))
        assert raised.value.reason == "size_limit"
        assert "[1:1000" not in str(raised.value)

    def test_many_files_leave_no_descriptor_open(self, tmp_path: Path) -> None:
        path = tmp_path / "one.fits"
        path.write_bytes(image(np.zeros((600, 600), "f4")))
        before = len(list(Path("/proc/self/fd").iterdir()))
        kept = [fits.read(path).pixels for _ in range(20)]
        assert len(kept) == 20
        assert len(list(Path("/proc/self/fd").iterdir())) <= before


def changed(data: bytes, **cards: Any) -> bytes:
    """The first card of each keyword with another value, in single quotes if text."""
    for keyword, value in cards.items():
        name = f"{keyword:8}= ".encode()
        assert name in data
        text = f"'{value:8}'" if isinstance(value, str) else f"{value:>20}"
        at = data.index(name)
        data = data[:at] + name + text.encode().ljust(70) + data[at + 80 :]
    return data


def tiled(algorithm: str, pixels: Any, **options: Any) -> bytes:
    part = astropy_fits.CompImageHDU(pixels, compression_type=algorithm, **options)
    return pack(astropy_fits.PrimaryHDU(), part)


def first_tile(data: bytes) -> int:
    """Where the heap begins, in a file whose second HDU ends it."""
    with astropy_fits.open(io.BytesIO(data), disable_image_compression=True) as hdus:
        header = hdus[1].header
        start: int = hdus[1].fileinfo()["datLoc"]
        return start + int(header["NAXIS1"] * header["NAXIS2"])


def overwritten(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


class TestForgedTiles:
    """Compiled decoders trust what they get: a forged tile would end the process."""

    noise = np.random.default_rng(0).integers(0, 1000, (64, 64)).astype("i2")
    mask = (noise % 7 == 0).astype("i2")

    @pytest.mark.parametrize(
        ("name", "value"),
        [("BLOCKSIZE", 0), ("BLOCKSIZE", 2**31 - 1), ("BYTEPIX", 8), ("BYTEPIX", -1)],
    )
    def test_a_setting_that_rice_does_not_know_is_refused(
        self, name: str, value: int
    ) -> None:
        data = tiled("RICE_1", self.noise)
        assert reason(changed(data, ZNAME1=name, ZVAL1=value)) == "corrupt_tiles"

    @pytest.mark.parametrize("seed", [-9999, -1, 10_001, 2**63 - 1, 2.5])
    def test_a_dither_seed_beside_the_table_of_random_numbers_is_refused(
        self, seed: float
    ) -> None:
        options: Any = {"quantize_level": 16, "quantize_method": 1, "dither_seed": 5}
        data = tiled("RICE_1", self.noise.astype("f4"), **options)
        assert read(data).pixels.shape == (1, 64, 64)
        assert reason(changed(data, ZDITHER0=seed)) == "corrupt_tiles"

    @pytest.mark.parametrize(
        "header",
        [
            pytest.param((0, 7, -100, 0, 1000), id="many words"),
            pytest.param((0, 7, 32767, 0, 0), id="many words, as they once were told"),
            pytest.param((0, -30000, -100, 9, 0), id="beginning before its beginning"),
        ],
    )
    def test_a_plio_tile_that_says_it_is_longer_is_refused(
        self, header: tuple[int, ...]
    ) -> None:
        data = tiled("PLIO_1", self.mask, tile_shape=(64, 64))
        np.testing.assert_array_equal(read(data).pixels[0], self.mask)
        forged = overwritten(data, first_tile(data), struct.pack(">5h", *header))
        assert reason(forged) == "corrupt_tiles"

    def test_an_hcompress_tile_is_not_read_beyond_its_end(self) -> None:
        """It ends after its header, which promises 5 million pixels of many planes."""
        shape = (2304, 2304)
        data = tiled("HCOMPRESS_1", np.zeros(shape, "i2"), tile_shape=shape)
        at = first_tile(data) + 22
        assert data[at : at + 3] == bytes(3)
        assert reason(overwritten(data, at, b"\x3c\x3c\x3c")) == "size_limit"
        assert reason(overwritten(data, at, b"\xff\xff\xff")) == "corrupt_tiles"
        forged = overwritten(data, at, b"\x14\x14\x14" + bytes(2))
        assert read(forged).pixels.shape == (1, *shape)

    @pytest.mark.parametrize("place", [(-8, 8), (8, -8), (2**30, 0), (8, 2**30)])
    def test_a_tile_outside_of_the_heap_is_refused(
        self, place: tuple[int, int]
    ) -> None:
        data = tiled("GZIP_1", self.noise, tile_shape=(64, 64))
        descriptor = first_tile(data) - 8
        forged = overwritten(data, descriptor, struct.pack(">ii", *place))
        assert reason(forged) == "corrupt_tiles"

    def test_a_stream_that_only_python_would_inflate_is_refused(self) -> None:
        """A reserved flag, which zlib refuses, would hide a bomb from the check."""
        data = tiled("GZIP_1", self.noise, tile_shape=(64, 64))
        forged = overwritten(data, first_tile(data) + 3, b"\x20")
        assert reason(forged) == "corrupt_tiles"

    def test_a_table_of_endless_columns_or_too_many_tiles_is_refused(self) -> None:
        data = tiled("RICE_1", self.noise)
        assert reason(changed(data, TFIELDS=10**9)) == "corrupt_tiles"
        many = changed(data, NAXIS1=0, NAXIS2=2**19, ZNAXIS2=2**19, ZTILE1=64)
        assert reason(many) == "size_limit"

    def test_a_column_under_a_name_that_only_astropy_finds_is_refused(self) -> None:
        data = tiled("RICE_1", self.noise)
        assert reason(changed(data, TTYPE1="compressed_data")) == "corrupt_tiles"

    def test_a_tile_length_that_is_no_number_is_told_in_printable_words(self) -> None:
        data = tiled("RICE_1", self.noise)
        assert reason(changed(data, ZTILE1="\0\1")) == "corrupt_tiles"


class TestForgedHeaders:
    """Cards may hold any number."""

    @pytest.mark.parametrize("cards", [{"CTYPE3": "FREQ"}, {"CTYPE3": "STOKES"}, {}])
    def test_an_axis_of_endless_planes_is_refused_before_they_are_listed(
        self, cards: dict[str, str]
    ) -> None:
        data = image(np.zeros((2, 12, 10), "f4"), **cards)
        assert reason(changed(data, NAXIS3=2**40), axis_kind="bands") == "size_limit"

    def test_planes_that_no_number_can_count_are_no_stokes_planes(self) -> None:
        cards = {"CTYPE3": "STOKES", "CRVAL3": 1e308, "CDELT3": 1e308, "CRPIX3": -9.0}
        data = image(np.zeros((4, 12, 10), "f4"), **cards)
        assert reason(data) == "stokes_unavailable"

    def test_a_sum_of_what_is_not_there_is_not_made(self) -> None:
        endless = f"GCOUNT  = {10**15:>20}"
        found = read(written(RAMP, "CHECKSUM= '0123456789012345'", endless))
        np.testing.assert_array_equal(found.pixels[0], RAMP)

    def test_a_box_far_beyond_what_a_file_can_hold_is_truncated(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "endless.fits"
        large = image(np.zeros((600, 600), "f4"))
        path.write_bytes(changed(large, NAXIS2=10**30))
        with fits.opened(path) as frame, pytest.raises(BadCutout) as caught:
            frame.read(Box(0, 10**29, 9, 10**29 + 9))
        assert caught.value.reason == "truncated"

    def test_pixels_and_scales_may_overflow_together(self) -> None:
        hdu = astropy_fits.PrimaryHDU(np.full((12, 10), 1e300))
        hdu.data[:10] = 0
        hdu.header["BSCALE"] = 1e300
        found = read(pack(hdu))
        assert np.isnan(found.pixels[0, 10:]).all()
        assert has_warning(found, "infinite")

    def test_a_damaged_directory_of_a_zip_archive_is_damage(self) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a.fits", image())
        data = stream.getvalue()
        central = data.index(b"PK\1\2")
        assert reason(overwritten(data, central + 42, b"\xff" * 4)) == "truncated"
        assert reason(overwritten(data, len(data) - 6, b"\xff" * 4)) == "truncated"


class TestForgedWorlds:
    """The parser of world coordinates trusts that its cards are complete."""

    plate: ClassVar[dict[str, Any]] = {
        "PLTRAH": 8, "PLTRAM": 51, "PLTRAS": 24.0, "PLTDECSN": "+", "PLTDECD": 11,
        "PLTDECM": 49, "PLTDECS": 0.0, "CNPIX1": 7000, "CNPIX2": 7000,
        "XPIXELSZ": 25.0, "YPIXELSZ": 25.0, "PPO3": 177500.0, "PPO6": 177500.0,
        "AMDX1": 67.2, "AMDX2": 0.0, "AMDX3": 0.0,
        "AMDY1": 67.2, "AMDY2": 0.0, "AMDY3": 0.0,
    }  # fmt: skip

    def test_a_plate_solution_is_read_if_it_is_complete_and_else_told(self) -> None:
        found = read(image(**self.plate))
        assert found.position is not None
        assert found.position.ra_deg == pytest.approx(132.85, abs=0.1)
        assert found.position.dec_deg == pytest.approx(11.82, abs=0.1)
        for lacking in self.plate:
            if lacking in ("PLTRAH", "PLTDECSN"):
                continue
            cards = {key: self.plate[key] for key in self.plate if key != lacking}
            found = read(image(**cards))
            assert found.position is None
            assert has_warning(found, f"the plate solution lacks {lacking}")
        alone = read(written(RAMP, "PLTRAH  =                1_000"))
        assert alone.position is None

    def test_a_plate_at_infinity_is_off_the_sky_in_both_coordinates(self) -> None:
        found = read(image(**(self.plate | {"PLTRAH": 1e308})))
        assert found.position is None
        assert found.world is not None
        ra, dec = found.world.to_sky(np.zeros(2), np.zeros(2))
        assert np.isnan(ra).all()
        assert np.isnan(dec).all()

    def test_without_the_rest_of_a_plate_solution_other_coordinates_count(self) -> None:
        arc = TAN | {"CTYPE1": "RA---ARC", "CTYPE2": "DEC--ARC"}
        assert read(image(**arc, PLTRAH=8)).position == read(image(**arc)).position

    def test_a_distortion_of_an_endless_order_gives_no_position(self) -> None:
        sip = TAN | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}
        found = read(image(**sip, A_ORDER=30000, B_ORDER=2))
        assert found.position is None
        assert has_warning(found, "A_ORDER is '30000'")

    def test_numbers_that_overflow_leave_the_sky(self) -> None:
        found = read(image(**(TAN | {"CRPIX1": 1e300, "CDELT1": 1e300})))
        assert found.world is not None
        x, y = np.array([0.0, 1e300]), np.array([0.0, 1e300])
        found.world.to_pixels(*found.world.to_sky(x, y))
        zenithal = TAN | {"CTYPE1": "RA---ZEA", "CTYPE2": "DEC--ZEA", "CDELT1": 90.0}
        world = read(image(**zenithal)).world
        assert world is not None
        far, nowhere = np.array([9.0]), np.array([np.nan])
        for one in (*world.to_sky(far, far), *world.to_pixels(nowhere, nowhere)):
            assert np.isnan(one).all()

    def test_coordinates_of_the_sun_or_a_planet_are_no_place_on_the_sky(self) -> None:
        for sky in "HT":
            axes = {"CTYPE1": f"{sky}LON-TAN", "CTYPE2": f"{sky}LAT-TAN"}
            found = read(image(**(TAN | axes)))
            assert found.position is None
            assert has_warning(found, "has no fixed place on the sky")

    def test_ecliptic_and_supergalactic_coordinates_become_icrs(self) -> None:
        cards = TAN | {"CRVAL1": 90.0, "CRVAL2": 0.0, "CRPIX2": 6.5, "RADESYS": "ICRS"}
        ecliptic = read(image(**cards | {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}))
        assert ecliptic.position is not None  # the summer solstice, and the obliquity
        assert ecliptic.position.ra_deg == pytest.approx(90, abs=1e-3)
        assert ecliptic.position.dec_deg == pytest.approx(23.4393, abs=1e-3)
        pole = cards | {"CTYPE1": "SLON-TAN", "CTYPE2": "SLAT-TAN", "CRVAL1": 0.0}
        found = read(image(**pole)).position
        assert found is not None  # 137.37 degrees, 0 in Galactic coordinates
        assert found.ra_deg == pytest.approx(42.31, abs=0.01)
        assert found.dec_deg == pytest.approx(59.53, abs=0.01)


@pytest.mark.parametrize(
    ("comment", "arcsec"),
    [
        ("[arcsec] FWHM", 1.5),
        ("seeing in arcseconds", 1.5),
        ("FWHM [pix]", 0.75),
        ("[pix] FWHM, 0.5 arcsec/pix", 0.75),
        ("FWHM in pixels", 0.75),
        ("PSF FWHM [milliarcsec]", None),
        ("FWHM, at 0.5 arcsec/pix", None),
        ("FWHM", None),
    ],
)
def test_the_seeing_has_the_unit_that_its_comment_gives(
    comment: str, arcsec: float | None
) -> None:
    header = astropy_fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CDELT1": -0.5 / 3600, "CDELT2": 0.5 / 3600})
    header["SEEING"] = (1.5, comment)
    found = read(pack(astropy_fits.PrimaryHDU(RAMP, header))).seeing_arcsec
    assert found == (None if arcsec is None else pytest.approx(arcsec))
