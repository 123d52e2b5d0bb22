"""Where files come from: paths, bytes, addresses, alerts."""

import gzip
import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.io import fits as astropy_fits
from astropy.nddata import CCDData, StdDevUncertainty
from moto.server import ThreadedMotoServer

from skylike.service import fits
from skylike.service.errors import BadCutout
from skylike.service.fits import Box, Options

s3fs = pytest.importorskip("s3fs")
PIXELS = np.arange(300 * 400, dtype=np.float32).reshape(300, 400)


def file_of(pixels: Any) -> bytes:
    stream = io.BytesIO()
    astropy_fits.PrimaryHDU(pixels).writeto(stream)
    return stream.getvalue()


def reason(source: Any) -> str:
    with pytest.raises(BadCutout) as caught:
        fits.read(source)
    return caught.value.reason


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A bucket on a server of this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("sky")
    yield store
    server.stop()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def test_a_file_address_is_read_like_the_path(tmp_path: Path) -> None:
    path = tmp_path / "one.fits"
    path.write_bytes(file_of(PIXELS))
    found = fits.read(f"file://{path}[1:20,1:10]")
    np.testing.assert_array_equal(found.pixels[0], PIXELS[:10, :20])
    assert reason(f"file://{tmp_path}/gone.fits") == "file_missing"


def test_a_server_that_does_not_answer_is_no_missing_file() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/one.fits"
        with pytest.raises(BadCutout, match="cannot be opened") as caught:
            fits.read(address)
    assert caught.value.reason == "io_error"


def test_an_object_store_is_read(bucket: Any) -> None:
    bucket.pipe("sky/one.fits", file_of(PIXELS))
    bucket.pipe("sky/packed.fits.gz", gzip.compress(file_of(PIXELS)))
    np.testing.assert_array_equal(fits.read("s3://sky/one.fits").pixels[0], PIXELS)
    packed = fits.read("s3://sky/packed.fits.gz[1:9,1:9]")
    np.testing.assert_array_equal(packed.pixels[0], PIXELS[:9, :9])
    assert reason("s3://sky/gone.fits") == "file_missing"


def test_of_a_large_remote_file_only_the_part_is_fetched(bucket: Any) -> None:
    large = np.zeros((3000, 4000), np.float32)
    large[2000:2020, 1000:1030] = 7
    bucket.pipe("sky/large.fits", file_of(large))
    fetched: list[int] = []
    original = s3fs.core.S3File._fetch_range

    def counted(self: Any, start: int, end: int) -> Any:
        fetched.append(end - start)
        return original(self, start, end)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3fs.core.S3File, "_fetch_range", counted)
        with fits.opened("s3://sky/large.fits") as frame:
            found = frame.read(Box(1000, 2000, 1030, 2020))
    assert (found.pixels == 7).all()
    assert 0 < sum(fetched) < large.nbytes / 2


@pytest.mark.parametrize(
    "address", ["nonsense://a/b.fits", "s3://no-such-bucket-anywhere/a.fits", "://x"]
)
def test_an_address_that_cannot_be_opened_has_its_reason(
    bucket: Any, address: str
) -> None:
    assert reason(address) in ("io_error", "file_missing")


class TestAlerts:
    """Stamps inside alert packets."""

    def test_a_ztf_packet_has_a_gzipped_stamp(self) -> None:
        stamp = np.ones((63, 63), np.float32)
        stamp[:, :5] = np.nan
        packet = {"cutoutScience": {"stampData": gzip.compress(file_of(stamp))}}
        found = fits.read(fits.alert_stamp(packet))
        assert found.pixels.shape == (1, 63, 63)
        assert np.isnan(found.pixels[0, :, :5]).all()

    def test_a_rubin_packet_has_a_plain_stamp_with_mask_and_uncertainty(self) -> None:
        stamp = CCDData(
            PIXELS[:30, :30],
            mask=np.zeros((30, 30), bool),
            uncertainty=StdDevUncertainty(np.ones((30, 30))),
            unit=units.nJy,
        )
        stream = io.BytesIO()
        stamp.to_hdu().writeto(stream)
        packet = {"cutoutTemplate": stream.getvalue(), "cutoutScience": None}
        found = fits.read(fits.alert_stamp(packet, "template"))
        np.testing.assert_array_equal(found.pixels[0], PIXELS[:30, :30])
        assert found.unit == "nJy"
        assert found.warnings == ()

    @pytest.mark.parametrize(
        "packet",
        [{}, {"cutoutScience": None}, {"cutoutScience": {"stampData": None}}],
    )
    def test_a_packet_without_the_stamp_has_its_reason(
        self, packet: dict[str, Any]
    ) -> None:
        with pytest.raises(BadCutout) as caught:
            fits.alert_stamp(packet)
        assert caught.value.reason == "stamp_missing"


class TestSeveralFiles:
    """Bands that lie in a file each."""

    def write(self, path: Path, pixels: Any, **cards: Any) -> Path:
        header = astropy_fits.Header(
            {
                "CTYPE1": "RA---TAN",
                "CTYPE2": "DEC--TAN",
                "CRVAL1": 10.0,
                "CRVAL2": -5.0,
                "CRPIX1": 1.0,
                "CRPIX2": 1.0,
                "CDELT1": -1e-4,
                "CDELT2": 1e-4,
            }
            | cards
        )
        astropy_fits.PrimaryHDU(pixels, header).writeto(path)
        return path

    def test_they_become_one_frame(self, tmp_path: Path) -> None:
        paths = [
            self.write(tmp_path / f"{b}.fits", PIXELS + i) for i, b in enumerate("gr")
        ]
        with fits.opened(paths[0]) as g, fits.opened(paths[1]) as r:
            found = fits.together({"g": g, "r": r}).read(Box(0, 0, 8, 9))
        assert found.bands == ("g", "r")
        np.testing.assert_array_equal(found.pixels[1], PIXELS[:9, :8] + 1)

    @pytest.mark.parametrize(
        ("pixels", "cards"),
        [
            (PIXELS[:-1], {}),
            (PIXELS, {"CRVAL1": 10.001}),
            (PIXELS, {"CDELT2": -1e-4}),
            (PIXELS, {"CRVAL1": 190.0, "CRVAL2": 5.0}),
        ],
    )
    def test_other_grids_are_refused(
        self, tmp_path: Path, pixels: Any, cards: dict[str, Any]
    ) -> None:
        one = self.write(tmp_path / "one.fits", PIXELS)
        other = self.write(tmp_path / "other.fits", pixels, **cards)
        with fits.opened(one) as g, fits.opened(other) as r:
            with pytest.raises(BadCutout) as caught:
                fits.together({"g": g, "r": r})
            assert caught.value.reason == "band_mismatch"


def test_the_file_at_fault_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.fits"
    path.write_bytes(b"nothing")
    for source in (path, str(path), f"{path}[1]"):
        with pytest.raises(BadCutout, match=r"bad\.fits.*: this is not") as caught:
            fits.read(source, Options())
        assert str(caught.value).count("bad.fits") == 1
