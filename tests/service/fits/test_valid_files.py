"""Whatever valid file astropy reads, we read the same: pixels and places on the sky."""

import bz2
import gzip
import io
import lzma
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord
from astropy.io import fits as astropy_fits
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from skylike.service import fits
from skylike.service.errors import BadCutout
from skylike.service.fits import Axes, Box, Image, Options

ZOO = Path(__file__).parents[4] / "shared" / "data" / "fits"
STORED = ("u1", "i2", "i4", "i8", "f4", "f8", "i1", "u2", "u4", "u8")
FLOAT32 = np.finfo(np.float32)


def zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.fits", data)
    return stream.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}


@dataclass(frozen=True)
class Valid:
    """A valid file, how to ask for its picture, and what the picture is.

    Attributes
    ----------
    data, packer, options
        The plain bytes, in what they are packed, and how they are read.
    number
        The HDU of the picture.
    index, order
        From its array, as numpy has it, to (channel, y, x): what is taken, and how
        the rest is transposed.
    axes
        What the channels are.
    """

    data: bytes
    packer: str
    options: Options
    number: int
    index: tuple[int | slice, ...]
    order: tuple[int, ...]
    axes: Axes

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis shows of a file that failed: its header."""
        with astropy_fits.open(io.BytesIO(self.data)) as hdus:
            header = hdus[self.number].header.tostring(sep="\n", endcard=False)
        printer.text(f"HDU {self.number}, {self.packer}, {self.options}:\n{header}")

    def arranged(self, pixels: NDArray[Any]) -> NDArray[Any]:
        part = pixels[self.index].transpose(self.order)
        return part if part.ndim == 3 else part[np.newaxis]


@dataclass(frozen=True)
class Shape:
    """Axes from NAXIS1 on: what each is, its length, and the cards that say so."""

    roles: tuple[str, ...]
    lengths: tuple[int, ...]
    cards: dict[str, Any]
    options: dict[str, Any]
    plane: int


@st.composite
def shapes(draw: st.DrawFn, *, least: int = 2) -> Shape:
    """Two to four axes: the image's, one of channels, Stokes planes, single pixels."""
    others = draw(
        st.lists(
            st.sampled_from(["spectral", "bands", "stokes", "one"]),
            max_size=2,
            unique_by=lambda role: "channel" if role in ("spectral", "bands") else role,
        )
    )
    is_celestial = draw(st.booleans())
    if is_celestial:  # the image may be anywhere
        roles = draw(st.permutations(["x", "y", *others]))
    else:
        roles = ["x", "y", *draw(st.permutations(others))]
    if roles.index("y") < roles.index("x"):
        roles = [{"x": "y", "y": "x"}.get(role, role) for role in roles]
    cards: dict[str, Any] = {}
    options: dict[str, Any] = {}
    lengths = []
    plane = 0
    sky = draw(st.permutations(["RA---TAN", "DEC--TAN"]))
    for number, role in enumerate(roles, 1):
        if role in ("x", "y"):
            lengths.append(draw(st.integers(least, 12)))
            if is_celestial:
                cards[f"CTYPE{number}"] = sky.pop()
        elif role == "one":
            lengths.append(1)
            if kind := draw(st.sampled_from(["", "FREQ", "STOKES"])):
                cards[f"CTYPE{number}"] = kind
        elif role == "stokes":
            first, step, asked, plane = draw(
                st.sampled_from(
                    [(1, 1, None, 0), (1, 1, "U", 2), (3, -1, "q", 1), (-7, 1, "YY", 1)]
                )
            )
            lengths.append(3)
            cards[f"CTYPE{number}"] = "STOKES"
            cards[f"CRVAL{number}"], cards[f"CDELT{number}"] = first, step
            cards[f"CRPIX{number}"] = 1
            options["stokes"] = asked
        else:
            lengths.append(draw(st.integers(2, 4)))
            if role == "spectral":
                ctype = draw(st.sampled_from(["FREQ", "VRAD", "WAVE-LOG", "AWAV"]))
                cards[f"CTYPE{number}"] = ctype
            elif draw(st.booleans()):
                cards["BANDS"] = "griz"[: lengths[-1]]
            else:
                options["axis_kind"] = "bands"
    return Shape(tuple(roles), tuple(lengths), cards, options, plane)


@st.composite
def numbers(draw: st.DrawFn, shape: tuple[int, ...], stored: Sequence[str]) -> Any:
    """Pixels of a type that FITS stores, unsigned ones by BZERO."""
    dtype: Any = np.dtype(draw(st.sampled_from(stored)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low, high = draw(st.sampled_from([(limits.min, limits.max), (0, 100)]))
        return random.integers(low, high, shape, dtype, endpoint=True)
    pixels = random.normal(100, 10, shape) * 10.0 ** draw(st.integers(-12, 12))
    pixels = pixels.astype(dtype)
    strange = [np.nan, np.inf, -np.inf, 0.0, 3e38]
    pixels.flat[0] = draw(st.sampled_from([1.0, *strange]))
    pixels.flat[-1] = draw(st.sampled_from([1.0, *strange, -1e-40]))
    return pixels


@st.composite
def scaling(draw: st.DrawFn, pixels: Any) -> dict[str, Any]:
    """BSCALE, BZERO and BLANK for numbers that are stored as they are."""
    cards: dict[str, Any] = {}
    if pixels.dtype.str[1:] in ("i1", "u2", "u4", "u8"):
        return cards  # BZERO is taken
    if (scale := draw(st.sampled_from([None, 1.0, 0.5, -3, 1.7e-5, 3e4]))) is not None:
        cards["BSCALE"] = scale
    if (zero := draw(st.sampled_from([None, 0, -100.25, 32768, 1.5e5]))) is not None:
        cards["BZERO"] = zero
    if pixels.dtype.kind in "iu" and draw(st.booleans()):
        cards["BLANK"] = int(pixels.flat[draw(st.integers(0, pixels.size - 1))])
    return cards


def written(*hdus: Any, is_summed: bool = False) -> bytes:
    stream = io.BytesIO()
    astropy_fits.HDUList(list(hdus)).writeto(stream, checksum=is_summed)
    return stream.getvalue()


def extension(hdu: Any, *, is_summed: bool = False) -> bytes:
    return written(astropy_fits.PrimaryHDU(), hdu, is_summed=is_summed)[2880:]


def companion(name: str) -> bytes:
    return extension(astropy_fits.ImageHDU(np.ones((7, 9), "i2"), name=name))


COLUMN = astropy_fits.Column("FLUX", "2E", array=np.ones((3, 2), "f4"))
OTHER = companion("OTHER")
PRIMARIES = [written(astropy_fits.PrimaryHDU(data)) for data in (None, np.ones(9))]
# None of these is the picture, wherever it stands.
NEIGHBOURS = [
    companion("ERR"),
    companion("DQ"),
    companion("ivar"),
    extension(astropy_fits.BinTableHDU.from_columns([COLUMN], name="DATA")),
    extension(
        astropy_fits.TableHDU.from_columns([astropy_fits.Column("x", "I6", array=[1])])
    ),
    extension(astropy_fits.ImageHDU(name="SCI")),
    extension(astropy_fits.ImageHDU(np.arange(9.0))),
    extension(astropy_fits.ImageHDU(np.ones((1, 1, 5), "u1"), name="SCI")),
]


@st.composite
def assembled(
    draw: st.DrawFn, shape: Shape, part: Any, *, is_compressed: bool
) -> Valid:
    """A file around a picture: other HDUs before and after it, packed or not."""
    neighbours = st.lists(st.sampled_from(NEIGHBOURS), max_size=4)
    before, after = draw(neighbours), draw(neighbours)
    name = draw(st.sampled_from(["", "SCI", "flux", "CHIP"]))
    if name in ("SCI", "flux") and draw(st.booleans()):
        before.append(OTHER)  # a picture too, but not named as the science
    if name:
        part.header["EXTNAME"] = name
    is_summed = draw(st.booleans())
    if before or is_compressed or draw(st.booleans()):
        before.insert(0, draw(st.sampled_from(PRIMARIES)))
        data = extension(part, is_summed=is_summed)
    else:
        primary = astropy_fits.PrimaryHDU(part.data, part.header)
        data = written(primary, is_summed=is_summed)
    number = len(before)
    asked = [None, str(number), f"[{number}]"]
    if name == "CHIP":
        asked += ["chip", "CHIP,1"]
    index = tuple(
        {"stokes": shape.plane, "one": 0}.get(role, slice(None))
        for role in shape.roles[::-1]
    )
    kept = [role for role in shape.roles[::-1] if role not in ("stokes", "one")]
    channels = [role for role in ("spectral", "bands") if role in kept]
    return Valid(
        data=b"".join([*before, data, *after]),
        packer=draw(st.sampled_from(sorted(PACKERS))),
        options=Options(
            hdu=draw(st.sampled_from(asked)), strict=is_summed, **shape.options
        ),
        number=number,
        index=index,
        order=tuple(kept.index(role) for role in (*channels, "y", "x")),
        axes=Axes(channels[0]) if channels else Axes.IMAGE,
    )


@st.composite
def plain_files(draw: st.DrawFn) -> Valid:
    """Files whose picture is stored number by number."""
    shape = draw(shapes())
    pixels = draw(numbers(shape.lengths[::-1], STORED))
    part = astropy_fits.ImageHDU(pixels, astropy_fits.Header(shape.cards))
    part.header.update(draw(scaling(pixels)))
    return draw(assembled(shape, part, is_compressed=False))


CODECS = {
    "GZIP_1": STORED[:8],
    "GZIP_2": STORED[:8],
    "NOCOMPRESS": STORED[:6],
    "RICE_1": ("u1", "i2", "i4", "f4", "f8", "u2", "u4"),
    "HCOMPRESS_1": ("i2", "i4", "f4"),
    "PLIO_1": ("u1", "i2"),
}


@st.composite
def compressed_files(draw: st.DrawFn) -> Valid:
    """Files whose picture is compressed in tiles, floats exactly or to a sixteenth."""
    algorithm = draw(st.sampled_from(sorted(CODECS)))
    shape = draw(shapes(least=8 if algorithm == "HCOMPRESS_1" else 4))
    pixels = draw(numbers(shape.lengths[::-1], CODECS[algorithm]))
    tile: tuple[int, ...] | None = draw(st.sampled_from([None, pixels.shape]))
    if algorithm == "PLIO_1":  # knows masks
        pixels = np.abs(pixels % 100)
    elif algorithm == "HCOMPRESS_1":  # writes beyond its memory if there is much noise
        assume(set(shape.roles[:2]) == {"x", "y"})
        pixels = np.resize(np.arange(100).astype(pixels.dtype), pixels.shape)
        tile = tuple(
            length if role in ("x", "y") else 1
            for role, length in zip(shape.roles, shape.lengths, strict=True)
        )[::-1]
    is_exact = algorithm.startswith(("GZIP", "NO")) and draw(st.booleans())
    part = astropy_fits.CompImageHDU(
        pixels,
        astropy_fits.Header(shape.cards),
        compression_type=algorithm,
        quantize_level=0 if is_exact else 16,
        quantize_method=draw(st.sampled_from([-1, 1, 2])),
        tile_shape=tile,
    )
    return draw(assembled(shape, part, is_compressed=True))


def raw_numbers(valid: Valid) -> tuple[NDArray[Any], astropy_fits.Header]:
    """The picture's numbers as astropy finds them stored."""
    with astropy_fits.open(
        io.BytesIO(valid.data), do_not_scale_image_data=True, uint=False
    ) as hdus:
        return np.array(hdus[valid.number].data), hdus[valid.number].header


def physical(raw: NDArray[Any], header: Any) -> NDArray[np.float32]:
    """What stored numbers mean, in float64, as section 4.4.2.5 of the standard says.

    Unsigned integers of 64 bits, which float64 does not hold, by whole numbers.
    """
    if raw.dtype.itemsize == 8 and header.get("BZERO") == 2**63:
        whole = [number + 2**63 for number in raw.ravel().tolist()]
        exact = np.array(whole, np.uint64).reshape(raw.shape).astype(np.float32)
        exact[raw == header.get("BLANK", header.get("ZBLANK"))] = np.nan
        return exact
    values = raw.astype(np.float64) * header.get("BSCALE", 1) + header.get("BZERO", 0)
    if raw.dtype.kind in "iu":
        values[raw == header.get("BLANK", header.get("ZBLANK"))] = np.nan
    with np.errstate(over="ignore", under="ignore"):
        pixels = values.astype(np.float32)
    return np.where(np.isfinite(pixels), pixels, np.float32(np.nan))


def read(valid: Valid) -> Image:
    return fits.read(PACKERS[valid.packer](valid.data), valid.options)


def require_sound(found: Image) -> None:
    pixels = found.pixels
    assert pixels.dtype == np.dtype("=f4")
    assert pixels.flags.c_contiguous
    assert pixels.ndim == 3
    assert not np.isinf(pixels).any()


def compared(valid: Valid) -> tuple[Image, Any]:
    """What is read of a file, which is what the standard says, and that."""
    raw, header = raw_numbers(valid)
    found = read(valid)
    require_sound(found)
    assert found.axes is valid.axes
    assert found.hdu.split()[0] == str(valid.number)
    expected = valid.arranged(physical(raw, header))
    np.testing.assert_array_equal(found.pixels, expected, strict=True)
    return found, expected


class TestPixels:
    """Every pixel is what the standard says that its stored number means."""

    @given(plain_files())
    @settings(max_examples=300, deadline=None)
    def test_a_plain_image_is_what_its_numbers_mean(self, valid: Valid) -> None:
        found, expected = compared(valid)
        raw, header = raw_numbers(valid)
        # Astropy scales in float32, knows no BLANK in unsigned integers, and overflows.
        with np.errstate(all="ignore"), astropy_fits.open(io.BytesIO(valid.data)) as h:
            theirs = valid.arranged(h[valid.number].data).astype(np.float64)
        scale, zero = abs(header.get("BSCALE", 1)), abs(header.get("BZERO", 0))
        size = valid.arranged(np.abs(raw.astype(np.float64))) * scale + zero
        is_known = np.isfinite(theirs) & np.isfinite(expected)
        np.testing.assert_array_less(
            np.abs(found.pixels - theirs)[is_known], (size * 2**-21 + 1e-38)[is_known]
        )

    @given(compressed_files())
    @settings(max_examples=150, deadline=None)
    def test_a_compressed_image_is_what_its_tiles_decode_to(self, valid: Valid) -> None:
        compared(valid)

    @given(st.one_of(plain_files(), compressed_files()), st.data())
    @settings(max_examples=100, deadline=None)
    def test_a_box_is_a_part_of_the_whole_and_blank_beyond(
        self, valid: Valid, data: st.DataObject
    ) -> None:
        whole = read(valid).pixels
        ny, nx = whole.shape[1:]
        x0, y0 = data.draw(st.integers(-9, nx - 1)), data.draw(st.integers(-9, ny - 1))
        x1 = data.draw(st.integers(max(x0, 0) + 1, nx + 9))
        y1 = data.draw(st.integers(max(y0, 0) + 1, ny + 9))
        seen = whole[:, max(y0, 0) : y1, max(x0, 0) : x1]
        with fits.opened(PACKERS[valid.packer](valid.data), valid.options) as frame:
            try:
                found = frame.read(Box(x0, y0, x1, y1))
            except BadCutout:
                # Lost pixels that are few of the image can be most of a small box.
                if 2 * np.isnan(seen).sum() <= seen.size:
                    raise
                return
        padded = np.pad(whole, ((0, 0), (9, 9), (9, 9)), constant_values=np.nan)
        np.testing.assert_array_equal(
            found.pixels, padded[:, y0 + 9 : y1 + 9, x0 + 9 : x1 + 9], strict=True
        )
        blank = 1 - len(range(max(x0, 0), min(x1, nx))) * len(
            range(max(y0, 0), min(y1, ny))
        ) / ((x1 - x0) * (y1 - y0))
        assert found.edge_fraction == pytest.approx(blank)


TOLERANCE_ARCSEC = 1e-6
FAST = ("TAN", "SIN")
PROJECTIONS = (*FAST, "ARC", "STG", "ZEA", "CAR", "MER", "AIT", "MOL", "TAN-SIP")
FRAMES: list[dict[str, Any]] = [
    {},
    {"RADESYS": "ICRS", "EQUINOX": 1950.0},
    {"RADESYS": "FK5"},
    {"EQUINOX": 1991.25},
    {"RADESYS": "FK4"},
    {"EQUINOX": 1950.0},
    {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0},
]
POLES = {"RA": "DEC", "GLON": "GLAT", "ELON": "ELAT"}


@dataclass(frozen=True)
class Placed:
    """World coordinates: cards, which FITS axes are the image's, and what they are."""

    cards: dict[str, Any]
    axes: tuple[int, int]
    projection: str
    sky: str

    @property
    def header(self) -> Any:
        header = astropy_fits.Header({"NAXIS": max(self.axes)} | self.cards)
        for axis in range(1, max(self.axes) + 1):
            header[f"NAXIS{axis}"] = 10
        return header


@st.composite
def places(draw: st.DrawFn) -> Placed:
    """Every projection, frame, way to write the matrix, and order of the axes."""
    projection = draw(st.sampled_from(PROJECTIONS))
    sky = draw(st.sampled_from(sorted(POLES)))
    axes = draw(st.sampled_from([(1, 2), (1, 3), (2, 3)]))
    if projection == "TAN-SIP":
        axes = (1, 2)
    lon, lat = axes if draw(st.booleans()) else axes[::-1]
    degrees = st.floats(-90, 90, allow_subnormal=False)
    cards: dict[str, Any] = {
        f"CTYPE{lon}": f"{sky:-<4}-{projection}",
        f"CTYPE{lat}": f"{POLES[sky]:-<4}-{projection}",
        f"CRVAL{lon}": 180 + 2 * draw(degrees),
        f"CRVAL{lat}": draw(degrees) if projection in FAST else draw(degrees) / 2,
        f"CRPIX{axes[0]}": draw(st.floats(-100, 100)),
        f"CRPIX{axes[1]}": draw(st.floats(-100, 100)),
    }
    for other in {1, 2, 3}.difference(axes) if max(axes) == 3 else ():
        cards |= {f"CTYPE{other}": "FREQ", f"CRVAL{other}": 1e9, f"CDELT{other}": 1e6}
    cards |= draw(st.sampled_from(FRAMES)) if sky != "GLON" else {}
    scale = 10 ** draw(st.floats(-6, -1.5))
    angle = np.radians(2 * draw(degrees))
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), 1.1 * np.cos(angle)]]
    steps = draw(st.sampled_from([(-scale, scale), (scale, 1.3 * scale)]))
    way = draw(st.sampled_from(["CDELT", "PC", "CD", "CROTA"]))
    if way == "CD" and max(axes) == 3:
        way = "PC"  # the third axis has a CDELT
    for i, row in enumerate(axes):
        if way != "CD":
            cards[f"CDELT{row}"] = steps[i]
        for j, column in enumerate(axes):
            if way == "PC":
                cards[f"PC{row}_{column}"] = turn[i][j]
            elif way == "CD":
                cards[f"CD{row}_{column}"] = steps[i] * turn[i][j]
    if way == "CROTA":
        cards[f"CROTA{lat}"] = float(np.degrees(angle))
    if projection == "TAN-SIP":
        cards |= {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "A_0_2": -2e-6}
        cards |= {"B_1_1": 3e-6, "B_2_0": -1e-5}
    return Placed(cards, axes, projection, sky)


def sphere(placed: Placed, wcs: Any) -> Any:
    """The frame of the axes; astropy takes ecliptic ones for equatorial."""
    if placed.sky != "ELON":
        return wcs_to_celestial_frame(wcs)
    name, equinox = wcs.wcs.radesys, wcs.wcs.equinox
    if name.startswith("FK4"):
        return BarycentricMeanEcliptic(equinox=f"B{equinox}")
    return BarycentricMeanEcliptic(equinox="J2000" if name == "ICRS" else f"J{equinox}")


class TestPlaces:
    """Every pixel lies where astropy says that it lies on the sky, and back."""

    x, y = (a.ravel() for a in np.meshgrid(np.linspace(-3, 14, 6), [-7.5, 0.0, 9, 30]))

    @given(places())
    @settings(max_examples=250, deadline=None)
    def test_pixels_and_sky_agree_with_astropy(self, placed: Placed) -> None:
        shape = [1 if axis not in placed.axes else 10 for axis in (3, 2, 1)]
        part = astropy_fits.PrimaryHDU(
            np.ones(shape[3 - max(placed.axes) :], "u1"),
            astropy_fits.Header(placed.cards),
        )
        found = fits.read(written(part))
        assert found.warnings == ()
        assert found.world is not None
        with np.errstate(invalid="ignore"):
            wcs = WCS(placed.header).sub(list(placed.axes))
            world = wcs.all_pix2world(self.x, self.y, 0)
        lon, lat = world[wcs.wcs.lng], world[wcs.wcs.lat]
        sky = SkyCoord(lon * u.deg, lat * u.deg, frame=sphere(placed, wcs)).icrs
        ra, dec = map(np.asarray, found.world.to_sky(self.x, self.y))
        is_sky = np.isfinite(ra)
        np.testing.assert_array_equal(is_sky, np.isfinite(sky.ra.deg))
        ours = SkyCoord(ra * u.deg, dec * u.deg)
        assert np.nanmax(ours.separation(sky).arcsec, initial=0) < TOLERANCE_ARCSEC
        assert ((ra >= 0) & (ra < 360))[is_sky].all()
        x, y = map(np.asarray, found.world.to_pixels(ra, dec))
        smallest = np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600
        tolerance = 1e-6 + TOLERANCE_ARCSEC / smallest
        if placed.projection == "TAN-SIP":
            tolerance = 1e-3  # found by iteration
        np.testing.assert_allclose(x[is_sky], self.x[is_sky], atol=tolerance)
        np.testing.assert_allclose(y[is_sky], self.y[is_sky], atol=tolerance)
        assert found.position is not None
        centre = (
            (shape[3 - placed.axes[0]] - 1) / 2,
            (shape[3 - placed.axes[1]] - 1) / 2,
        )
        self.check_the_pixel(found.world.pixel_at(*centre), placed, wcs, centre)

    @staticmethod
    def check_the_pixel(
        found: Any, placed: Placed, wcs: Any, centre: tuple[float, float]
    ) -> None:
        x = centre[0] + np.array([0, -0.5, 0.5, 0, 0])
        y = centre[1] + np.array([0, 0, 0, -0.5, 0.5])
        world = wcs.all_pix2world(x, y, 0)
        lon, lat = world[wcs.wcs.lng], world[wcs.wcs.lat]
        sky = SkyCoord(lon * u.deg, lat * u.deg, frame=sphere(placed, wcs))
        across, up = sky[1].separation(sky[2]).arcsec, sky[3].separation(sky[4]).arcsec
        if np.isnan(across + up):
            assert np.isnan(found.scale_arcsec)
            return
        assert found.along_x_arcsec == pytest.approx(across, rel=1e-4)
        assert found.along_y_arcsec == pytest.approx(up, rel=1e-4)
        offsets = [sky[0].spherical_offsets_to(one) for one in sky[1:]]
        east, north = ([one[i].arcsec for one in offsets] for i in (0, 1))
        area = (east[1] - east[0]) * (north[3] - north[2])
        area -= (east[3] - east[2]) * (north[1] - north[0])
        assert found.scale_arcsec == pytest.approx(abs(area) ** 0.5, rel=1e-4)
        assert bool(found.is_mirrored) == (area > 0)


REAL = sorted(path for path in ZOO.rglob("*") if path.is_file())
# They hold no image that could be read, and say so: tests/e2e has the reasons.
UNREADABLE = {
    "compressed_float_bzero.fits",
    "lzw.fits.Z",
    "blank.fits",
    "btable.fits",
    "group.fits",
    "group_invalid.fits",
    "header_newlines.fits",
    "history_header.fits",
    "issue49test.fits",
    "j94f05bgq_flt.fits",
    "memtest.fits",
    "random_groups.fits",
    "theap-gap.fits",
    "verify.fits",
    "zerowidth.fits",
}


@pytest.mark.skipif(not REAL, reason="the collection of real files is not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_a_real_file_is_what_astropy_finds_in_it(path: Path) -> None:
    options = Options(axis_kind="bands")
    if path.name in UNREADABLE:
        with pytest.raises(BadCutout):
            fits.read(path, options)
        return
    found = fits.read(path, options)
    require_sound(found)
    with (
        warnings.catch_warnings(action="ignore"),
        astropy_fits.open(path, do_not_scale_image_data=True, uint=False) as hdus,
    ):
        hdu = hdus[int(found.hdu.split()[0])]
        raw = hdu.data if hdu.data.ndim < 4 else hdu.data[0]  # Stokes I
        expected = physical(raw, hdu.header).reshape(found.pixels.shape)
    np.testing.assert_array_equal(found.pixels, expected, strict=True)


@pytest.mark.skipif(not REAL, reason="the collection of real files is not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_a_cutout_of_a_real_file_is_read_back_as_it_was(path: Path) -> None:
    if path.name in UNREADABLE:
        pytest.skip("there is nothing to cut out")
    with fits.opened(path, Options(axis_kind="bands")) as frame:
        _, ny, nx = frame.shape
        found = frame.read(Box(nx // 3, ny // 4, nx // 3 + 40, ny // 4 + 30))
    again = fits.read(fits.to_fits(found))
    np.testing.assert_array_equal(again.pixels, found.pixels, strict=True)
    assert (again.axes, again.bands) == (found.axes, found.bands)
    assert (again.unit, again.name) == (found.unit, found.name)
    assert again.epoch_mjd == found.epoch_mjd
    for name in "seeing_arcsec", "pixel_scale_arcsec":
        value, other = getattr(found, name), getattr(again, name)
        assert (value is None) == (other is None)
        # The seeing in pixels is that of the frame's centre, then of the cutout's.
        assert value is None or other == pytest.approx(value, rel=1e-3)
    assert (again.beam is None) == (found.beam is None)
    if found.beam is not None and again.beam is not None:
        assert astuple(again.beam) == pytest.approx(astuple(found.beam))
    assert (again.world is None) == (found.world is None)
    if found.world is not None and again.world is not None and found.box is not None:
        x, y = np.array([0, 39, 0, 39]), np.array([0, 0, 29, 29])
        here = SkyCoord(*again.world.to_sky(x, y), unit="deg")
        there = SkyCoord(
            *found.world.to_sky(x + found.box.x0, y + found.box.y0), unit="deg"
        )
        apart = here.separation(there).arcsec
        np.testing.assert_array_equal(np.isnan(apart), np.isnan(there.ra.deg))
        assert np.nanmax(apart, initial=0) < 1e-3
