"""What is cut: catalogues, boxes, masks and what stands above the noise."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits as astropy_fits
from astropy.table import MaskedColumn, QTable, Table

from skylike.service import cutouts, fits
from skylike.service.cutouts import Blank, Cutout, Size
from skylike.service.cutouts.targets import square
from skylike.service.errors import BadInput
from skylike.service.fits import Box

SHAPE = (240, 300)
PLACES = [(40.0, 50.0), (150.0, 60.0), (90.0, 180.0), (250.0, 200.0)]
SIGMA = 3.0
FLUX = 20000.0


def star_field(seed: int = 0, scale: float = 1.0) -> Any:
    """Four round sources on noise of 1, of a signal to noise of some 1,800."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    pixels = np.random.default_rng(seed).normal(100, 1, SHAPE)
    for x0, y0 in PLACES:
        squared = (x - x0) ** 2 + (y - y0) ** 2
        pixels += FLUX / (2 * np.pi * SIGMA**2) * np.exp(-squared / (2 * SIGMA**2))
    return (scale * pixels).astype("f4")


def header() -> astropy_fits.Header:
    return astropy_fits.Header(
        {
            "CTYPE1": "RA---TAN",
            "CTYPE2": "DEC--TAN",
            "CRVAL1": 150.0,
            "CRVAL2": 2.0,
            "CRPIX1": 151.0,
            "CRPIX2": 121.0,
            "CDELT1": -0.5 / 3600,
            "CDELT2": 0.5 / 3600,
            "OBJECT": "field",
            "BUNIT": "Jy/beam",
            "HISTORY": "made here",
        }
    )


@pytest.fixture
def field(tmp_path: Path) -> Path:
    path = tmp_path / "field.fits"
    astropy_fits.PrimaryHDU(star_field(), header()).writeto(path)
    return path


def find(path: Path, plan: cutouts.Plan, blank: Blank | None = None) -> list[Cutout]:
    with fits.opened(path) as frame:
        found = list(cutouts.cut(frame, plan.find(frame), blank))
    assert all(isinstance(one, Cutout) for one in found)
    return [one for one in found if isinstance(one, Cutout)]


def reason(path: Path, plan: cutouts.Plan) -> str:
    with fits.opened(path) as frame, pytest.raises(BadInput) as caught:
        plan.find(frame)
    return caught.value.reason


class TestCatalogue:
    """Around the rows of a table."""

    x = np.array([p[0] for p in PLACES])
    y = np.array([p[1] for p in PLACES])

    def table(self, field: Path) -> dict[str, Any]:
        """Positions on the sky, by astropy's projection and not by ours."""
        from astropy.wcs import WCS  # noqa: PLC0415 -- slow

        sky = WCS(astropy_fits.getheader(field)).pixel_to_world(self.x, self.y)
        return {
            "name": np.array(["a", "b", "c", "d"]),
            "RA": sky.ra.deg,
            "Dec": sky.dec.deg,
            "z": np.array([0.1, np.nan, 0.3, 0.4]),
        }

    @pytest.mark.parametrize(
        "suffix", ["parquet", "feather", "fits", "vot", "ecsv", "csv", "dat"]
    )
    def test_every_common_table_is_read(
        self, field: Path, tmp_path: Path, suffix: str
    ) -> None:
        columns = self.table(field)
        path = tmp_path / f"table.{suffix}"
        arrow = pa.table({name: pa.array(values) for name, values in columns.items()})
        if suffix == "parquet":
            pq.write_table(arrow, path)
        elif suffix == "feather":
            feather.write_feather(arrow, path)
        elif suffix == "dat":
            Table(columns).write(path, format="ascii.basic")
        else:
            formats = {"vot": "votable", "csv": "ascii.csv", "ecsv": "ascii.ecsv"}
            Table(columns).write(path, format=formats.get(suffix, suffix))
        found = find(field, cutouts.Catalogue(path, Size.parse("21px")))
        assert [one.id for one in found] == ["a", "b", "c", "d"]
        for one in found:
            assert one.image.pixels.shape == (1, 21, 21)
            assert int(np.argmax(one.image.pixels[0])) == 10 * 21 + 10
        assert found[0].attributes["z"] == 0.1
        assert "z" not in found[1].attributes

    def test_pixels_count_from_0_and_those_of_sextractor_from_1(
        self, field: Path, tmp_path: Path
    ) -> None:
        for names, first in ((("x", "y"), 0), (("X_IMAGE", "Y_IMAGE"), 1)):
            path = tmp_path / f"{first}.csv"
            Table([self.x + first, self.y + first], names=names).write(path)
            found = find(field, cutouts.Catalogue(path, Size.parse("11")))
            assert found[0].image.box == Box(35, 45, 46, 56)

    def test_a_size_is_an_angle_where_it_says_so(
        self, field: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "t.csv"
        Table([self.x, self.y], names=("x", "y")).write(path)
        for text in ("10arcsec", '10"', "0.16666667 arcmin"):
            found = find(field, cutouts.Catalogue(path, Size.parse(text)))
            assert found[0].image.pixels.shape == (1, 20, 20)

    def test_columns_of_other_names_are_named(
        self, field: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "t.csv"
        sides = np.array([8, 9, 10, 11])
        Table([self.x, self.y, sides], names=("column", "row", "side")).write(path)
        names = {"x": "column", "y": "row", "size": "side"}
        found = find(field, cutouts.Catalogue(path, names=names))
        assert [one.image.pixels.shape[1] for one in found] == [8, 9, 10, 11]
        plan = cutouts.Catalogue(path, names={"x": "nowhere"})
        assert reason(field, plan) == "bad_table"

    def test_rows_off_the_frame_or_without_a_position_are_left_out(
        self, field: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "t.vot"
        x = MaskedColumn([40.0, 5000.0, 150.0], mask=[False, False, True])
        Table([x, [50.0, 60.0, 70.0]], names=("x", "y")).write(path, format="votable")
        assert [
            one.id for one in find(field, cutouts.Catalogue(path, Size(9, False)))
        ] == ["0"]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            ("", "bad_table"),
            ("x,y\n", "bad_table"),
            ("a,b\n1,2\n", "bad_table"),
            ("x,y\none,two\n", "bad_table"),
            ("id,x,y\n1,2,3\n1,4,5\n", "bad_table"),
        ],
    )
    def test_tables_without_positions_are_refused_by_name(
        self, field: Path, tmp_path: Path, content: str, code: str
    ) -> None:
        path = tmp_path / "t.csv"
        path.write_text(content)
        plan = cutouts.Catalogue(path, Size(9, False))
        assert reason(field, plan) == code
        with fits.opened(field) as frame, pytest.raises(BadInput, match=r"t\.csv"):
            plan.find(frame)

    def test_sky_positions_need_world_coordinates(self, tmp_path: Path) -> None:
        bare = tmp_path / "bare.fits"
        astropy_fits.PrimaryHDU(star_field()).writeto(bare)
        path = tmp_path / "t.csv"
        path.write_text("ra,dec\n150,2\n")
        assert reason(bare, cutouts.Catalogue(path, Size(9, False))) == "no_wcs"
        path.write_text("x,y\n150,20\n")
        assert reason(bare, cutouts.Catalogue(path, Size(9, True))) == "no_wcs"

    @pytest.mark.parametrize("text", ["", "wide", "-3", "0", "3 parsec", "1.2.3", "."])
    def test_what_is_no_size_is_refused(self, text: str) -> None:
        with pytest.raises(BadInput) as caught:
            Size.parse(text)
        assert caught.value.reason == "bad_size"


def test_boxes_are_cut_as_they_are_and_those_that_miss_are_told(field: Path) -> None:
    boxes = (Box(0, 0, 9, 8), Box(-3, -3, 3, 3), Box(900, 0, 910, 9))
    with fits.opened(field) as frame:
        found = list(cutouts.cut(frame, cutouts.Boxes(boxes).find(frame)))
    inside, over, missed = found
    assert isinstance(inside, Cutout)
    assert isinstance(over, Cutout)
    assert isinstance(missed, tuple)
    assert inside.image.pixels.shape == (1, 8, 9)
    assert np.isnan(over.image.pixels).sum() == 27
    assert missed[1].reason == "no_overlap"


class TestDetection:
    """Objects above the noise come back where they were put, as they were made."""

    @pytest.mark.parametrize("scale", [1e-11, 1.0, 1e6])
    @pytest.mark.parametrize("method", list(cutouts.Method))
    def test_sources_come_back(
        self, tmp_path: Path, scale: float, method: cutouts.Method
    ) -> None:
        """Within 0.1 pixels and 1 per cent, at the sky position they were given."""
        path = tmp_path / "field.fits"
        astropy_fits.PrimaryHDU(star_field(scale=scale), header()).writeto(path)
        found = find(path, cutouts.Detect(method=method))
        assert len(found) == len(PLACES)
        with fits.opened(path) as frame:
            world = frame.about.world
        assert world is not None
        for x, y in PLACES:
            ra, dec = world.to_sky(x, y)
            [one] = [
                one
                for one in found
                if abs(float(one.attributes["x"]) - x) < 0.1
                and abs(float(one.attributes["y"]) - y) < 0.1
            ]
            assert float(one.attributes["flux"]) == pytest.approx(
                FLUX * scale, rel=0.01
            )
            radius = float(one.attributes["half_light_radius"])
            assert radius == pytest.approx(SIGMA * np.sqrt(2 * np.log(2)), rel=0.01)
            assert one.image.position is not None
            cos = np.cos(np.radians(dec))
            away = np.hypot(
                (one.image.position.ra_deg - ra) * cos, one.image.position.dec_deg - dec
            )
            assert away * 3600 < 0.5  # the box is cut at whole pixels of 0.5 arcsec

    def test_the_threshold_decides_what_is_found(self, field: Path) -> None:
        assert len(find(field, cutouts.Detect(threshold=1e4))) == 0
        assert len(find(field, cutouts.Detect(min_area=10_000))) == 0

    def test_morphology_is_measured_when_asked_for(self, field: Path) -> None:
        plain = find(field, cutouts.Detect())
        full = find(field, cutouts.Detect(with_morphology=True))
        for before, after in zip(plain, full, strict=True):
            new = set(after.attributes) - set(before.attributes)
            assert {"concentration", "asymmetry", "gini", "m20"} <= new
            # A Gaussian: 5 log10 (r80 / r20) = 2.5 log10 (ln 0.2 / ln 0.8).
            expected = 2.5 * np.log10(np.log(0.2) / np.log(0.8))
            assert after.attributes["concentration"] == pytest.approx(
                expected, rel=0.02
            )

    def test_a_band_is_chosen_to_measure_in(self, tmp_path: Path) -> None:
        path = tmp_path / "bands.fits"
        empty = np.random.default_rng(1).normal(size=SHAPE).astype("f4")
        cards = header()
        cards["BANDS"] = "gr"
        astropy_fits.PrimaryHDU(np.stack([empty, star_field()]), cards).writeto(path)
        assert find(path, cutouts.Detect()) == []
        found = find(path, cutouts.Detect(band="r"))
        assert len(found) == 4
        assert found[0].image.bands == ("g", "r")
        assert reason(path, cutouts.Detect(band="z")) == "band_mismatch"

    def test_a_cube_is_measured_in_its_mean_and_cut_as_a_cube(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "cube.fits"
        cards = header()
        cards["CTYPE3"] = "VRAD"
        cube = np.stack([star_field(seed) for seed in range(5)])
        astropy_fits.PrimaryHDU(cube, cards).writeto(path)
        found = find(path, cutouts.Detect(size=Size(16, False)))
        assert [one.image.pixels.shape for one in found] == [(5, 16, 16)] * 4


class TestMask:
    """The objects that somebody else has found."""

    def mask(self, tmp_path: Path, labels: Any) -> Path:
        path = tmp_path / "mask.fits"
        astropy_fits.PrimaryHDU(labels).writeto(path)
        return path

    def labels(self) -> Any:
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        labels = np.zeros(SHAPE, "i4")
        for label, (x0, y0) in zip((7, 3, 20, 4), PLACES, strict=True):
            labels[(x - x0) ** 2 + (y - y0) ** 2 < 100] = label
        return labels

    def test_each_label_is_an_object(self, field: Path, tmp_path: Path) -> None:
        plan = cutouts.Mask(self.mask(tmp_path, self.labels()))
        found = find(field, plan)
        assert [one.id for one in found] == ["3", "4", "7", "20"]
        assert found[2].attributes["x"] == pytest.approx(40, abs=0.05)

    def test_of_a_mask_each_island_is_an_object(
        self, field: Path, tmp_path: Path
    ) -> None:
        plan = cutouts.Mask(self.mask(tmp_path, (self.labels() > 0).astype("u1")))
        assert len(find(field, plan)) == 4

    @pytest.mark.parametrize("blank", list(Blank))
    def test_neighbours_or_all_outside_are_blanked(
        self, field: Path, tmp_path: Path, blank: Blank
    ) -> None:
        labels = self.labels()
        labels[40:60, 51:60] = 5
        plan = cutouts.Mask(self.mask(tmp_path, labels), size=Size(60, False))
        [one] = [o for o in find(field, plan, blank) if o.id == "7"]
        box = one.image.box
        assert box is not None
        part = np.pad(labels, 60)[box.y0 + 60 : box.y1 + 60, box.x0 + 60 : box.x1 + 60]
        hidden = (part != 7) if blank is Blank.OUTSIDE else (part == 5)
        inside = np.pad(np.ones(SHAPE, bool), 60)
        hidden |= ~inside[box.y0 + 60 : box.y1 + 60, box.x0 + 60 : box.x1 + 60]
        np.testing.assert_array_equal(np.isnan(one.image.pixels[0]), hidden)

    def test_labels_that_float32_would_merge_are_refused(
        self, field: Path, tmp_path: Path
    ) -> None:
        labels = self.labels()
        labels[labels > 0] += 2**30
        assert reason(field, cutouts.Mask(self.mask(tmp_path, labels))) == "bad_labels"

    @pytest.mark.parametrize(
        ("labels", "code"),
        [
            (np.zeros((9, 9), "i4"), "shape_mismatch"),
            (np.full(SHAPE, 0.5, "f4"), "bad_labels"),
            (np.full(SHAPE, -1, "i4"), "bad_labels"),
        ],
    )
    def test_what_is_no_mask_is_refused(
        self, field: Path, tmp_path: Path, labels: Any, code: str
    ) -> None:
        assert reason(field, cutouts.Mask(self.mask(tmp_path, labels))) == code


def test_a_cutout_written_and_read_again_is_the_same(field: Path) -> None:
    """Pixels, place on the sky, unit and name."""
    [one, *_] = find(field, cutouts.Detect())
    again = fits.read(fits.to_fits(one.image, {"ORIGFILE": "é\x1b" + 99 * "x"}))
    np.testing.assert_array_equal(again.pixels, one.image.pixels)
    assert again.position is not None
    assert one.image.position is not None
    assert again.position.ra_deg == pytest.approx(one.image.position.ra_deg, abs=1e-9)
    assert again.position.dec_deg == pytest.approx(one.image.position.dec_deg, abs=1e-9)
    assert (again.unit, again.name) == ("Jy/beam", "field")
    with astropy_fits.open(io.BytesIO(fits.to_fits(one.image))) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus[0].data, one.image.pixels[0])


def test_bands_and_cubes_keep_their_meaning_when_written(tmp_path: Path) -> None:
    for cards in (
        {"BANDS": "F606W,F814W"},
        {"BANDS": "gr"},
        {"CTYPE3": "VRAD", "CRVAL3": 100.0, "CDELT3": 5.0, "CUNIT3": "m/s"},
    ):
        stream = io.BytesIO()
        full = header()
        full.update(cards)
        pixels = np.random.default_rng(0).normal(size=(2, 40, 30)).astype("f4")
        astropy_fits.PrimaryHDU(pixels, full).writeto(stream)
        with fits.opened(stream.getvalue()) as frame:
            part = frame.read(Box(3, 4, 20, 30))
        again = fits.read(fits.to_fits(part))
        assert (again.axes, again.bands) == (part.axes, part.bands)
        np.testing.assert_array_equal(again.pixels, part.pixels)
        if part.spectral is not None:
            assert again.spectral is not None
            np.testing.assert_array_equal(again.spectral, part.spectral)


def test_a_plain_frame_is_read_by_parts_and_never_as_a_whole(tmp_path: Path) -> None:
    """Of a large frame a catalogue costs what its cutouts hold."""
    path = tmp_path / "large.fits"
    astropy_fits.PrimaryHDU(np.zeros((4000, 4000), "f4")).writeto(path)
    table = tmp_path / "t.csv"
    table.write_text("x,y\n100,200\n3000,3500\n")
    few = fits.Options(limits=fits.Limits(pixels=5000))
    with fits.opened(path, few) as frame:
        found = cutouts.Catalogue(table, Size(64, False)).find(frame)
        assert len(list(cutouts.cut(frame, found))) == 2


def test_a_section_bounds_what_is_found_in_pixels_of_the_frame(field: Path) -> None:
    options = fits.Options(hdu="[101:300,1:120]")
    with fits.opened(field, options) as frame:
        found = cutouts.Detect(with_morphology=True).find(frame)
        [one] = cutouts.cut(frame, found, Blank.NEIGHBOURS)
    assert isinstance(one, Cutout)
    assert one.attributes["x"] == pytest.approx(150, abs=0.1)
    assert one.attributes["y"] == pytest.approx(60, abs=0.1)
    box = one.image.box
    assert box is not None
    row, column = divmod(int(np.nanargmax(one.image.pixels)), box.nx)
    assert (box.x0 + column, box.y0 + row) == (150, 60)


def test_named_columns_win_and_units_are_understood(
    field: Path, tmp_path: Path
) -> None:
    """Radians are angles as degrees are, and a size can be one as well."""
    world = fits.read(field).world
    assert world is not None
    ra, dec = world.to_sky(np.array([40.0]), np.array([50.0]))
    table = QTable(
        {
            "x": [200.0],
            "y": [100.0],
            "ra": np.radians(ra) * units.rad,
            "dec": np.radians(dec) * units.rad,
            "size": [10.5] * units.arcsec,
        }
    )
    path = tmp_path / "t.ecsv"
    table.write(path)
    plan = cutouts.Catalogue(path, names={"ra": "ra", "dec": "dec"})
    [one] = find(field, plan)
    assert one.image.box == square(40, 50, 21)


def test_parquet_files_tell_units_as_other_tables_do(
    field: Path, tmp_path: Path
) -> None:
    world = fits.read(field).world
    assert world is not None
    ra, dec = world.to_sky(np.array([40.0]), np.array([50.0]))
    columns = {"ra": np.asarray(ra) / 15, "dec": dec, "size": [10.5], "halo": [3.0]}
    path = tmp_path / "t.parquet"
    told = """datatype:
- {name: ra, unit: hourangle, datatype: float64}
- {name: dec, unit: deg, datatype: float64}
- {name: size, unit: arcsec, datatype: float64}
- {name: halo, unit: arcsec, datatype: float64}
"""
    by_column = [
        pa.field("ra", pa.float64(), metadata={"unit": "h"}),
        pa.field("dec", pa.float64()),
        pa.field("size", pa.float64(), metadata={"unit": "ARCSEC"}),
        pa.field("halo", pa.float64()),
    ]
    table = pa.table(columns)
    for one in (
        table.replace_schema_metadata({"table_meta_yaml": told}),
        pa.table(columns, schema=pa.schema(by_column)),
    ):
        pq.write_table(one, path)
        [found] = find(field, cutouts.Catalogue(path))
        assert found.image.box == square(40, 50, 21)
        assert found.attributes["halo"] == 3.0
        [found] = find(field, cutouts.Catalogue(path, Size(9, False)))
        assert found.image.box == square(40, 50, 9)


@pytest.mark.parametrize(
    ("column", "unit", "wanted"),
    [("ra", "furlong", "angle"), ("size", "Jy", "pixels"), ("x", "mm", "pixels")],
)
def test_a_unit_that_cannot_be_meant_is_refused(
    field: Path, tmp_path: Path, column: str, unit: str, wanted: str
) -> None:
    columns = {"x": [40.0], "y": [50.0], "size": [9.0]}
    if column == "ra":
        columns = {"ra": [150.0], "dec": [2.0]}
    hdu = astropy_fits.BinTableHDU(Table(columns))
    hdu.columns[column].unit = unit
    hdu.writeto(tmp_path / "t.fits")
    with fits.opened(field) as frame, pytest.raises(BadInput, match=wanted) as caught:
        cutouts.Catalogue(tmp_path / "t.fits").find(frame)
    assert caught.value.reason == "bad_table"
    assert unit in str(caught.value)


def test_of_pixels_and_positions_those_count_that_every_image_shares(
    field: Path, tmp_path: Path
) -> None:
    """The table of one image serves another of the same sky."""
    with fits.opened(field) as frame:
        folder = cutouts.Folder(tmp_path / "out")
        with folder:
            for one in cutouts.cut(frame, cutouts.Detect().find(frame)):
                assert isinstance(one, Cutout)
                folder.add(one.id, str(field), one)
    table = tmp_path / "out" / "cutouts.parquet"
    world = fits.read(field).world
    assert world is not None
    for row in pq.read_table(table).to_pylist():
        place = world.to_pixels(np.array([row["ra"]]), np.array([row["dec"]]))
        assert np.array(place).ravel() == pytest.approx([row["x"], row["y"]], abs=1e-6)
    cropped = tmp_path / "cropped.fits"
    with fits.opened(field) as frame:
        cropped.write_bytes(fits.to_fits(frame.read(Box(20, 30, 300, 240)), {}))
    here, there = (
        find(path, cutouts.Catalogue(table, Size(11, False)))
        for path in (field, cropped)
    )
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.image.pixels, other.image.pixels)
        expected = [float(one.attributes["x"]) - 20, float(one.attributes["y"]) - 30]
        assert [other.attributes["x"], other.attributes["y"]] == pytest.approx(expected)
    bare = tmp_path / "bare.fits"
    astropy_fits.PrimaryHDU(star_field()).writeto(bare)
    again = find(bare, cutouts.Catalogue(table, Size(11, False)))
    assert [one.image.box for one in again] == [one.image.box for one in here]
    assert again[0].position == here[0].position


def test_a_catalogue_keeps_its_positions_to_the_digit(
    field: Path, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,RA,Dec\na,150.0055144594,2.0033\n,150.001,2.001\n")
    with (
        fits.opened(field) as frame,
        cutouts.Folder(tmp_path / "out") as folder,
    ):
        for one in cutouts.cut(frame, cutouts.Catalogue(path).find(frame)):
            assert isinstance(one, Cutout)
            folder.add(one.id, str(field), one)
    rows = pq.read_table(tmp_path / "out" / "cutouts.parquet").to_pylist()
    assert [(row["ra"], row["dec"]) for row in rows] == [
        (150.0055144594, 2.0033),
        (150.001, 2.001),
    ]
    assert [row["id"] for row in rows] == ["a", "1"]
    assert not {"RA", "Dec"} & set(rows[0])


def test_missing_integers_leave_out_their_rows_alone(
    field: Path, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,x,y,size\na,40,50,9\nb,,60,9\nc,90,180,\n")
    with fits.opened(field) as frame:
        found = cutouts.Catalogue(path).find(frame)
    assert ([one.id for one in found.targets], found.num_left_out) == (["a"], 2)


def test_integers_that_no_store_holds_become_text(field: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    big = pa.array([7, 2**64 - 1], pa.uint64())
    pq.write_table(pa.table({"x": [40, 90], "y": [50, 180], "big": big}), path)
    found = find(field, cutouts.Catalogue(path))
    assert [one.attributes["big"] for one in found] == ["7", "18446744073709551615"]


def test_masks_of_parquet_files_count(field: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"x": [40.0, 90.0], "y": [50.0, 180.0], "x.mask": [False, True]}
    notes = {"id": ["a", ""], "id.mask": [False, True], "n": [5, 6]}
    told = {"table_meta_yaml": "datatype:\n- {name: x, unit: pix, datatype: float64}\n"}
    table = pa.table(columns | notes | {"n.mask": [True, False]})
    pq.write_table(table.replace_schema_metadata(told), path)
    with fits.opened(field) as frame:
        found = cutouts.Catalogue(path).find(frame)
    assert found.num_left_out == 1
    assert found.targets[0].id == "a"
    assert found.targets[0].attributes == {"x": 40, "y": 50}


def test_positions_that_no_sky_has_are_left_out(tmp_path: Path) -> None:
    """A declination beyond the pole is none on the other side of it."""
    path = tmp_path / "t.csv"
    path.write_text("id,ra,dec\na,0,89.99\nb,180,90.01\nc,0,449.99\nd,-999,-999\n")
    for frame_name in ("ICRS", "FK4", "FK5"):
        cards = header()
        cards["CRVAL1"], cards["CRVAL2"], cards["RADESYS"] = 0.0, 89.99, frame_name
        cards["CDELT1"], cards["CDELT2"] = -0.01, 0.01
        astropy_fits.writeto(
            tmp_path / "pole.fits", star_field(), cards, overwrite=True
        )
        with fits.opened(tmp_path / "pole.fits") as frame:
            found = cutouts.Catalogue(path).find(frame)
        assert [one.id for one in found.targets] == ["a"]
        assert found.num_left_out == 3


@pytest.mark.parametrize(
    ("ra", "dec"),
    [("10:00:00.4", "+02:00:01"), ("10h00m00.4s", "2d00m01s"), ("10 0 0.4", "2 00 01")],
)
def test_sexagesimal_positions_are_read(
    field: Path, tmp_path: Path, ra: str, dec: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"id,x,y,RAJ2000,DEJ2000\na,1,1,{ra},{dec}\nb,2,2,,\n")
    with fits.opened(field) as frame:
        found = cutouts.Catalogue(path).find(frame)
    [one] = found.targets
    assert one.position is not None
    assert (one.position.ra_deg, one.position.dec_deg) == pytest.approx(
        (15 * (10 + 0.4 / 3600), 2 + 1 / 3600), abs=1e-12
    )
    path.write_text("ra,dec,x,y\nunknown,unknown,1,1\n")
    assert reason(field, cutouts.Catalogue(path)) == "bad_table"


def test_missing_ids_take_numbers_that_are_free(field: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    ids = pa.array([1, None, None])
    pq.write_table(pa.table({"id": ids, "x": [40, 50, 60], "y": [50, 60, 70]}), path)
    found = find(field, cutouts.Catalogue(path))
    assert [one.id for one in found] == ["1", "2", "3"]


def test_a_catalogue_of_more_units_than_are_read_is_refused(
    field: Path, tmp_path: Path
) -> None:
    hdus = [astropy_fits.BinTableHDU(Table({"x": [1.0], "y": [1.0]}))] * 520
    path = tmp_path / "many.fits"
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), *hdus]).writeto(path)
    for name in (path, f"{path}[3]"):
        assert reason(field, cutouts.Catalogue(name)) == "hdu_limit"
    text = tmp_path / "t.csv"
    text.write_text("x,y\n40,50\n")
    assert reason(field, cutouts.Catalogue(f"{text}[7]")) == "not_fits"


def test_one_of_several_tables_is_named(field: Path, tmp_path: Path) -> None:
    """SExtractor's FITS_LDAC has the objects behind a table of header cards."""
    path = tmp_path / "ldac.fits"
    cards = astropy_fits.BinTableHDU(Table({"card": ["A"]}), name="LDAC_IMHEAD")
    columns = {"X_IMAGE": [41.0], "Y_IMAGE": [51.0]}
    objects = astropy_fits.BinTableHDU(Table(columns), name="LDAC_OBJECTS")
    hdus = [astropy_fits.PrimaryHDU(), cards, objects]
    astropy_fits.HDUList(hdus).writeto(path)
    with fits.opened(field) as frame:
        with pytest.raises(BadInput, match=r"2 \(LDAC_OBJECTS\); name one"):
            cutouts.Catalogue(path).find(frame)
        with pytest.raises(BadInput, match="there is no table"):
            cutouts.Catalogue(f"{path}[3]").find(frame)
    for key in ("2", "ldac_objects"):
        [one] = find(field, cutouts.Catalogue(f"{path}[{key}]", Size(9, False)))
        assert one.image.box == square(40, 50, 9)
    astropy_fits.HDUList([*hdus, objects]).writeto(path, overwrite=True)
    again = cutouts.Catalogue(f"{path}[LDAC_OBJECTS]")
    with fits.opened(field) as frame, pytest.raises(BadInput, match="several tables"):
        again.find(frame)


def test_a_mark_before_the_first_letter_is_no_part_of_a_name(
    field: Path, tmp_path: Path
) -> None:
    path = tmp_path / "excel.csv"
    path.write_text("x,y\n40,50\n", encoding="utf-8-sig")
    assert len(find(field, cutouts.Catalogue(path))) == 1


def test_masks_have_the_shape_of_the_section_or_of_the_whole(
    field: Path, tmp_path: Path
) -> None:
    mask = np.zeros(SHAPE, "i4")
    mask[55:66, 145:156] = 7
    mask[175:186, 85:96] = 9
    hdus = [astropy_fits.PrimaryHDU(), astropy_fits.ImageHDU(mask, name="MASK")]
    path = tmp_path / "mask.fits"
    astropy_fits.HDUList(hdus).writeto(path)
    section = "[101:300,1:120]"
    with fits.opened(field, fits.Options(hdu=section)) as frame:
        for name in (path, f"{path}[MASK]", f"{path}[1]{section}"):
            found = cutouts.Mask(name).find(frame)
            [one] = found.targets
            assert one.attributes["x"] == pytest.approx(150, abs=0.1)
            assert one.attributes["y"] == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize("label", [2**24, 2**24 + 1, 2**31 - 1])
def test_labels_that_float32_cannot_tell_apart_are_refused(
    field: Path, tmp_path: Path, label: int
) -> None:
    mask = np.zeros(SHAPE, "i4")
    mask[5:9, 5:9] = label
    astropy_fits.PrimaryHDU(mask).writeto(tmp_path / "mask.fits")
    assert reason(field, cutouts.Mask(tmp_path / "mask.fits")) == "bad_labels"


def test_the_only_sky_coordinates_of_a_table_are_its_positions(
    field: Path, tmp_path: Path
) -> None:
    world = fits.read(field).world
    assert world is not None
    sky = SkyCoord(*world.to_sky(np.array([40.0]), np.array([50.0])), unit="deg")
    other = SkyCoord(*world.to_sky(np.array([90.0]), np.array([90.0])), unit="deg")
    plan = cutouts.Catalogue(tmp_path / "t.ecsv", Size(21, False))
    for columns in (
        {"place": sky},
        {"ra": sky.ra.deg, "dec": sky.dec.deg, "calibrator": other},
    ):
        QTable(columns).write(tmp_path / "t.ecsv", overwrite=True)
        [one] = find(field, plan)
        assert one.image.box == square(40, 50, 21)


def test_objects_without_a_size_in_arcsec_are_left_out_and_counted(
    field: Path, tmp_path: Path
) -> None:
    with fits.opened(field) as frame:
        small = cutouts.Detect(size=Size.parse("0.1arcsec")).find(frame)
        assert (len(small.targets), small.num_left_out) == (4, 0)
    cards = header()
    cards["CTYPE1"], cards["CTYPE2"] = "RA---SIN", "DEC--SIN"
    cards["CDELT1"], cards["CDELT2"] = np.degrees([-0.01, 0.01])  # a sky of 100 pixels
    astropy_fits.writeto(tmp_path / "globe.fits", star_field(), cards)
    with fits.opened(tmp_path / "globe.fits") as frame:
        some = cutouts.Detect(size=Size.parse("36000arcsec")).find(frame)
        assert (len(some.targets), some.num_left_out) == (2, 2)


def test_ids_keep_every_digit_where_some_are_missing(
    field: Path, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    ids = pa.array([170059286935240883, None, 170059286935240884])
    pq.write_table(pa.table({"id": ids, "x": [9.0, 40, 50], "y": [9.0, 50, 60]}), path)
    found = find(field, cutouts.Catalogue(path, Size(9, False)))
    ids_there = ["170059286935240883", "1", "170059286935240884"]
    assert [one.id for one in found] == ids_there


@pytest.mark.parametrize("missing", ["CRPIX1", "CRPIX2"])
def test_a_cutout_has_a_reference_pixel_where_its_frame_has_none(
    missing: str, tmp_path: Path
) -> None:
    cards = header()
    del cards[missing]
    stream = io.BytesIO()
    astropy_fits.PrimaryHDU(star_field(), cards).writeto(stream)
    with fits.opened(stream.getvalue()) as frame:
        part = frame.read(Box(30, 40, 60, 80))
    again = fits.read(fits.to_fits(part)).position
    assert again is not None
    assert part.position is not None
    assert again.ra_deg == pytest.approx(part.position.ra_deg, abs=1e-9)
    assert again.dec_deg == pytest.approx(part.position.dec_deg, abs=1e-9)
