"""How fast FITS becomes stamps and cutouts, beside what the bare parts take."""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import fitsio
import numpy as np
from astropy.io import fits as astropy_fits
from tests.bench.measure import Measure, paired

from skylike.service import cutouts, fits, stamp
from skylike.service.stamp import StampSpec

NUM_FILES = 1000
TURN_FILES = 50  # the machine's moods change within a second
SIDE = 2600
NUM_SOURCES = 1800


def measure(frame: Path | None) -> list[Measure]:
    """All figures of this theme; `frame` is a compressed image to cut instead of ours."""
    with tempfile.TemporaryDirectory() as folder:
        files = small_files(Path(folder))
        found = [stamps(files)]
        if frame is None:
            frame = Path(folder) / "frame.fits"
            frame.write_bytes(compressed_field(seed=0))
        found += [mosaic(frame), memory(frame)]
    return found


def small_files(folder: Path, count: int = NUM_FILES) -> list[str]:
    """Files of 64 x 64 float32 pixels with a plain tangent-plane projection."""
    random = np.random.default_rng(0)
    for i in range(count):
        header = astropy_fits.Header(
            {
                "CTYPE1": "RA---TAN",
                "CTYPE2": "DEC--TAN",
                "CRVAL1": 10.0 + i / 1000,
                "CRVAL2": -5.0,
                "CRPIX1": 32.5,
                "CRPIX2": 32.5,
                "CDELT1": -1e-4,
                "CDELT2": 1e-4,
                "CUNIT1": "deg",
                "CUNIT2": "deg",
                "RADESYS": "ICRS",
                "BUNIT": "Jy/beam",
                "OBJECT": f"source {i}",
                "MJD-OBS": 58000.5,
            }
        )
        pixels = random.normal(size=(64, 64)).astype("f4")
        astropy_fits.PrimaryHDU(pixels, header).writeto(folder / f"{i:05d}.fits")
    return [str(path) for path in sorted(folder.glob("*.fits"))]


def stamps(files: list[str]) -> Measure:
    """Plain small files from disk to stamps, beside bare reads of data and header."""
    spec = StampSpec()

    some: list[str] = []

    def ours() -> None:
        for name in some:
            stamp.make(fits.read(name), spec)

    def bare() -> None:
        for name in some:
            fitsio.read(name, header=True)

    taken = []
    for first in range(0, len(files), TURN_FILES):
        some[:] = files[first : first + TURN_FILES]
        taken.append(paired(ours, bare))
    seconds, bare_seconds = (sum(times) for times in zip(*taken, strict=True))
    return Measure(
        "imaging.stamp_vs_fitsio",
        bare_seconds / seconds,
        "stamps per second, over files per second of fitsio",
        {
            "stamps_per_second": len(files) / seconds,
            "fitsio_files_per_second": len(files) / bare_seconds,
        },
    )


def mosaic(frame: Path) -> Measure:
    """All sources of a compressed frame, beside decoding and detection alone."""
    count = 0

    def ours() -> None:
        nonlocal count
        with fits.opened(frame) as opened:
            found = cutouts.Detect().find(opened)
            count = sum(1 for _ in cutouts.cut(opened, found))

    def bare() -> None:
        with fits.opened(frame) as opened:
            cutouts.detect(opened.whole()[0])

    seconds, bare_seconds = paired(ours, bare)
    return Measure(
        "imaging.mosaic_vs_decode",
        seconds / bare_seconds,
        "time to measure and cut every source, over decompress + detect",
        {"seconds": seconds, "bare_seconds": bare_seconds, "sources": count},
    )


def memory(frame: Path) -> Measure:
    """In a process of its own, of which the start is known."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.imaging", str(frame.absolute())],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    peak, size = map(float, run.stdout.split())
    return Measure(
        "imaging.mosaic_memory",
        peak / size,
        "peak memory above the start, over the float32 frame",
        {"peak_megabytes": peak / 2**20, "frame_megabytes": size / 2**20},
    )


def compressed_field(
    seed: int, side: int = SIDE, num_sources: int = NUM_SOURCES
) -> bytes:
    """A frame of stars and discs on noise of 1, by HCOMPRESS, quantised to 1/16.

    Fluxes follow a power law from a signal to noise of some 10 on; half of the sources
    are discs.
    """
    random = np.random.default_rng(seed)
    pixels = random.normal(size=(side, side)).astype("f4")
    y, x = np.mgrid[-20:21, -20:21]
    for i in range(num_sources):
        row, column = random.integers(20, side - 20, 2)
        flux = 100 * (1 - random.random()) ** -0.8
        width = random.uniform(1.2, 3.5)
        squared = x**2 + (y / random.uniform(0.4, 1)) ** 2
        if i % 2:
            shape = np.exp(-np.sqrt(squared) / width)
        else:
            shape = np.exp(-squared / (2 * width**2))
        part = np.s_[row - 20 : row + 21, column - 20 : column + 21]
        pixels[part] += (flux * shape / shape.sum()).astype("f4")
    stream = io.BytesIO()
    image = astropy_fits.CompImageHDU(pixels, compression_type="HCOMPRESS_1")
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), image]).writeto(stream)
    return stream.getvalue()


def _peak_bytes() -> int:
    """Of this process alone: what rusage tells begins with the parent's peak."""
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


def _cut_and_tell(frame: str) -> None:
    """Peak memory above the start, and the size of the frame, in bytes."""
    # What is imported on the way belongs to the start.
    list(cutouts.detect(np.eye(64, dtype=np.float32)).labels)
    with fits.opened(_tiny()) as opened:
        opened.whole()
    start = _peak_bytes()
    with fits.opened(frame) as opened:
        for _ in cutouts.cut(opened, cutouts.Detect().find(opened)):
            pass
        size = 4 * opened.shape[1] * opened.shape[2]
    print(_peak_bytes() - start, size)  # noqa: T201 -- read by the parent


def _tiny() -> bytes:
    stream = io.BytesIO()
    pixels = np.arange(64 * 64, dtype="f4").reshape(64, 64)
    image = astropy_fits.CompImageHDU(pixels, compression_type="HCOMPRESS_1")
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), image]).writeto(stream)
    return stream.getvalue()


if __name__ == "__main__":
    _cut_and_tell(sys.argv[1])
