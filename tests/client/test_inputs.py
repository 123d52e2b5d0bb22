"""Whatever holds pixels is sent as the FITS file it would be on disk."""

import io
import sys
from pathlib import Path
from subprocess import run
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData, Cutout2D
from astropy.wcs import WCS

from skylike.client import Analysis, Client, Cutout, NewObject, errors
from skylike.client.pixels import image


@pytest.fixture
def drawn(sky: SimpleNamespace) -> fits.PrimaryHDU:
    """A ring with a place on the sky."""
    with fits.open(io.BytesIO(sky.draw("ring", 8)), lazy_load_hdus=False) as hdus:
        return hdus[0].copy()


def _read(content: bytes) -> fits.PrimaryHDU:
    with fits.open(io.BytesIO(content), lazy_load_hdus=False) as hdus:
        hdus.verify("exception")
        _ = hdus[0].data
        return hdus[0].copy()


@pytest.mark.parametrize(
    "dtype",
    [*"?bBhHiIlLefd", ">i2", ">u2", ">i4", ">u8", ">f4", ">f8", "longdouble"],
)
def test_an_array_keeps_its_numbers_and_its_type(dtype: str) -> None:
    """Whatever its byte order; FITS has no half precision, and no truth."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        array = np.array([[-1.5, 0, np.nan], [3, np.inf, 4]], kind)
    else:
        least, most = (
            (False, True)
            if kind.kind == "b"
            else (np.iinfo(kind).min, np.iinfo(kind).max)
        )
        array = np.array([[least, 0, 1], [1, most, most]], kind)
    read = _read(image(array)).data
    np.testing.assert_array_equal(read, array)
    expected = {"?": "u1", "e": "f4", "longdouble": "f8"}.get(dtype, kind.str[1:])
    assert read.dtype.newbyteorder("=") == np.dtype(expected)


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5), (1, 2, 3, 4), (40, 41)])
def test_an_array_keeps_its_shape_however_it_lies_in_memory(
    shape: tuple[int, ...],
) -> None:
    array = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    for one in (array, np.asfortranarray(array), array[..., ::-1], array[::2]):
        content = image(one)
        assert len(content) % 2880 == 0
        np.testing.assert_array_equal(_read(content).data, one)


@pytest.mark.parametrize(
    "array", [np.ones((3, 3), complex), np.full((2, 2), "a"), np.ones((2, 2), object)]
)
def test_what_fits_cannot_hold_is_refused(client: Client, array: Any) -> None:
    for query in (array, Cutout(array)):
        with pytest.raises(errors.BadInput) as caught:
            client.embed(query, collection="sky")
        assert caught.value.reason == "bad_image"


def test_every_form_of_one_image_gives_one_answer(
    client: Client, drawn: fits.PrimaryHDU, tmp_path: Path
) -> None:
    """With its place, where the form has one."""
    header, pixels = drawn.header, drawn.data
    wcs = WCS(header)
    path = tmp_path / "ring.fits"
    drawn.writeto(path)
    expected = client.neighbors(path, collection="sky")
    assert expected.reading is not None
    middle = (pixels.shape[1] / 2 - 0.5, pixels.shape[0] / 2 - 0.5)
    with fits.open(path) as lazy:
        forms: dict[str, Any] = {
            "bytes": path.read_bytes(),
            "primary": drawn,
            "image": fits.ImageHDU(pixels, header),
            "compressed": fits.CompImageHDU(
                pixels, header, compression_type="GZIP_1", quantize_level=0
            ),
            "list": fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(pixels, header)]),
            "open file": lazy,
            "array and wcs": Cutout(pixels, wcs=wcs),
            "ccddata": CCDData(pixels, unit="adu", wcs=wcs),
            "cutout2d": Cutout2D(pixels, middle, pixels.shape, wcs=wcs),
            "cutout of hdu": Cutout(drawn, hdu="0"),
        }
        for name, form in forms.items():
            found = client.neighbors(form, collection="sky")
            assert found.hits == expected.hits, name
            assert found.reading is not None
            assert found.reading.ra_deg == pytest.approx(expected.reading.ra_deg)
    plain = client.neighbors(pixels, collection="sky")
    assert plain.reading is not None
    assert plain.reading.ra_deg is None
    assert [hit.id for hit in plain.hits] == [hit.id for hit in expected.hits]


def test_masked_pixels_hold_no_data(client: Client, drawn: fits.PrimaryHDU) -> None:
    """Of CCDData and of masked arrays; what was handed over stays as it was."""
    mask = np.zeros(drawn.data.shape, bool)
    mask[:12] = True
    blank = np.where(mask, np.nan, drawn.data)
    expected = client.embed(blank, collection="sky")
    assert expected.reading is not None
    assert expected.reading.valid_fraction == pytest.approx(0.75)
    masked = np.ma.MaskedArray(drawn.data, mask)
    data = CCDData(drawn.data.copy(), unit="adu", mask=mask)
    for form in (masked, data):
        found = client.embed(form, collection="sky")
        np.testing.assert_array_equal(found.vector, expected.vector)
        assert found.reading is not None
        assert found.reading.valid_fraction == pytest.approx(0.75)
    assert np.isfinite(data.data).all()
    whole = np.ma.MaskedArray(
        np.arange(6, dtype="i2").reshape(2, 3), [[False, True, False]] * 2
    )
    assert np.isnan(_read(image(whole)).data).sum() == 2


def test_units_and_headers_travel(client: Client, drawn: fits.PrimaryHDU) -> None:
    data = CCDData(drawn.data, unit="Jy", meta={"ORIGIN": "here"})
    reading = client.embed(data, collection="sky").reading
    assert reading is not None
    assert reading.unit == "Jy"


def test_what_an_image_lacks_may_be_said_with_it(
    client: Client, drawn: fits.PrimaryHDU
) -> None:
    cube = np.stack([drawn.data] * 3)
    with pytest.raises(errors.BadInput) as caught:
        client.embed(cube, collection="sky")
    assert caught.value.reason == "axis_ambiguous"
    reading = client.embed(Cutout(cube, axis_kind="spectral"), collection="sky").reading
    assert reading is not None
    assert reading.shape == (3, *drawn.data.shape)


def test_objects_are_added_from_any_form(
    client: Client, drawn: fits.PrimaryHDU
) -> None:
    """The place comes from the WCS."""
    added = client.add(
        [
            NewObject("form/hdu", drawn),
            NewObject("form/array", Cutout(drawn.data, wcs=WCS(drawn.header))),
        ],
        collection="bare",
    )
    assert [one.ra_deg for one in added.objects] == pytest.approx([150, 150], abs=1e-3)


def test_things_that_cannot_be_meant_are_type_errors(
    client: Client, drawn: fits.PrimaryHDU, tmp_path: Path
) -> None:
    for query in (
        5,
        object(),
        [1.0, 2.0],
        Cutout(np.ones(24)),
        Cutout(b"", wcs=WCS(drawn.header)),
        Cutout(drawn, wcs=WCS(drawn.header)),
        Cutout(SkyCoord(1, 2, unit="deg")),
    ):
        with pytest.raises(TypeError):
            client.embed(query, collection="sky")


def test_nothing_of_astropy_is_imported_until_somebody_has_it(
    served: SimpleNamespace,
) -> None:
    """An array is sent without it."""
    script = (
        "import sys, numpy; from skylike.client import Client\n"
        f"with Client({served.address!r}) as client:\n"
        "    y, x = numpy.mgrid[:40, :40] - 20.\n"
        "    image = numpy.exp(-(x**2 + y**2) / 50) + numpy.sin(x * y) / 50\n"
        "    print(client.embed(image, collection='sky').vector.size)\n"
        "heavy = {'astropy', 'pandas', 'pyarrow', 'tqdm'} & {*sys.modules}\n"
        "assert not heavy, heavy\n"
    )
    done = run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("24\n", 0), done.stderr


def test_bytes_of_any_kind_and_open_files_are_files(
    client: Client, sky: SimpleNamespace, tmp_path: Path
) -> None:
    """Of an open file what is left to read; each gives the same embedding."""
    content = sky.draw("ring", 9)
    path = tmp_path / "ring.fits"
    path.write_bytes(b"before" + content)
    expected = client.embed(content, collection="sky").vector
    with path.open("rb") as opened:
        opened.seek(6)
        for query in (
            bytearray(content),
            memoryview(content),
            io.BytesIO(content),
            opened,
            Cutout(io.BytesIO(content), hdu="0"),
        ):
            found = client.embed(query, collection="sky").vector
            np.testing.assert_array_equal(found, expected)
    several = {"a": io.BytesIO(content), "b": bytearray(content)}
    outcomes = dict(client.analyze_many(several, collection="sky"))
    assert all(isinstance(one, Analysis) for one in outcomes.values())


def test_an_open_file_that_cannot_be_read_is_told(
    client: Client, tmp_path: Path
) -> None:
    """Closed, for writing, of text, or too large."""
    path = tmp_path / "empty.fits"
    with path.open("wb") as writing:
        for file in (path.open("rb"), writing):
            if file is not writing:
                file.close()
            with pytest.raises(errors.BadInput, match=r"open file empty\.fits") as told:
                client.embed(file, collection="sky")
            assert told.value.reason == "io_error"
    with path.open() as text, pytest.raises(TypeError, match="'rb'"):
        client.embed(text, collection="sky")
    large = io.BytesIO(b"0" * (2**24 + 1))
    with pytest.raises(errors.BadInput, match="more than 16777216 bytes"):
        client.embed(large, collection="sky")
    with pytest.raises(TypeError, match="several queries"):
        next(client.analyze_many(io.BytesIO(b""), collection="sky"))
