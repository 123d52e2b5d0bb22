"""What must not be lost by accident: half of what `make bench` measures."""

from pathlib import Path

import numpy as np
import pytest
from tests.bench import anomalies, imaging, kinds

from skylike.service.clusters import METHODS, Method, Settings


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


def test_what_is_rare_is_among_what_is_odd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one small sky; by chance it would be 2 %, by a forest 20 %."""
    monkeypatch.setattr(anomalies, "CACHE", tmp_path)
    monkeypatch.setattr(anomalies, "SEEDS", (707,))
    monkeypatch.setattr(anomalies, "_DRAWN", 2400)
    monkeypatch.setattr(anomalies, "_ARTEFACTS", 60)
    monkeypatch.setattr(anomalies, "_ARCHIVE", 1600)
    found = {one.name: one.value for one in anomalies.measured("some", 0.0025)}
    assert found["anomalies.some.recall.score"] > 0.7
    assert found["anomalies.some.judged_alone"] < 1


@pytest.mark.parametrize("method", METHODS)
def test_assigning_an_object_stays_cheap(method: Method) -> None:
    """By each method, one alone and many; most of it is the time of calls."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, 128))
    vectors = centres[random.integers(20, size=1000)] + random.normal(size=(1000, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    known = vectors.astype(np.float32)
    fit, _ = kinds.fitted(known, Settings(method, 0 if method == "hdbscan" else 20))
    assert len(fit.sizes) > 10  # or there would be little to do
    assert kinds.milliseconds(fit, known[:1], 200) < kinds.BAR_MILLISECONDS
    assert kinds.milliseconds(fit, known, 1) < kinds.BAR_MILLISECONDS
