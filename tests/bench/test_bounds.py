"""What must not be lost by accident: half of what `make bench` measures."""

from pathlib import Path

import numpy as np
from tests.bench import imaging, kinds

from skylike.service.clusters import Settings


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


def test_assigning_an_object_stays_cheap() -> None:
    """By mixtures, as they are the default; most of it is the time of calls."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, 128))
    vectors = centres[random.integers(20, size=1000)] + random.normal(size=(1000, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    known = vectors.astype(np.float32)
    fit, _ = kinds.fitted(known, Settings("full-mixture", 20))
    assert kinds.milliseconds(fit, known[:1], 200) < kinds.BAR_MILLISECONDS
    assert kinds.milliseconds(fit, known, 1) < kinds.BAR_MILLISECONDS
