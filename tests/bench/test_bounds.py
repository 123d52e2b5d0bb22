"""What must not be lost by accident: half of what `make bench` measures."""

from pathlib import Path

from tests.bench import imaging


def test_plain_files_take_the_short_way(tmp_path: Path) -> None:
    """By astropy the rate would be a tenth of fitsio's."""
    found = imaging.stamps(imaging.small_files(tmp_path, 200))
    assert found.value > 0.2


def test_a_compressed_frame_is_decoded_once_and_kept_small(tmp_path: Path) -> None:
    frame = tmp_path / "frame.fits"
    frame.write_bytes(imaging.compressed_field(0, 1300, 450))
    assert imaging.mosaic(frame).value < 2.5
    assert (
        imaging.memory(frame).value < 6
    )  # what does not grow with the frame counts more
