"""New objects: what P@10 means, and that baselines are fair."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from skylike.service.errors import BadInput
from skylike.trainer import checkpoint
from skylike.trainer.config import TrainSettings
from skylike.trainer.demo.compare import (
    before_training,
    pixel_pca,
    precision_at_10,
    random_network,
)
from skylike.trainer.export import load_embedder
from skylike.trainer.step import start


def unit(vectors: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:  # fmt: skip
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / norms, np.float32)


def test_precision_counts_the_ten_nearest_of_the_archive() -> None:
    archive = unit(np.array([[1.0, 0.01 * i] for i in range(12)] + [[0.0, 1.0]] * 12))
    labels = ["a"] * 7 + ["b"] * 5 + ["b"] * 12
    found = precision_at_10(unit(np.array([[1.0, 0.0], [0.0, 1.0]])), ["a", "b"], archive, labels)  # fmt: skip
    assert found.micro == pytest.approx((0.7 + 1.0) / 2)


def test_macro_weighs_classes_alike() -> None:
    archive = unit(np.array([[1.0, 0.0]] * 10 + [[0.0, 1.0]] * 10))
    labels = ["a"] * 10 + ["b"] * 10
    queries = unit(np.array([[1.0, 0.0]] * 9 + [[1.0, 0.1]]))
    found = precision_at_10(queries, ["a"] * 9 + ["b"], archive, labels)
    assert found.micro == pytest.approx(0.9)
    assert found.macro == pytest.approx(0.5)


def test_random_vectors_score_the_share_of_the_class() -> None:
    random = np.random.default_rng(0)
    archive, queries = unit(random.normal(size=(2000, 16))), unit(random.normal(size=(500, 16)))  # fmt: skip
    labels = random.choice(list("abcd"), size=2000).tolist()
    asked = random.choice(list("abcd"), size=500).tolist()
    found = precision_at_10(queries, asked, archive, labels)
    assert found.micro == pytest.approx(0.25, abs=0.03)


SETTINGS = TrainSettings.model_validate(
    {"stamp": {"size": 32}, "network": {"width": 8, "dimension": 16}}
)


def noise() -> NDArray[np.float32]:
    stamps = np.random.default_rng(0).normal(size=(60, 1, 32, 32)).astype("f4")
    stamps[0, :, :9] = np.nan
    return stamps


def test_baselines_give_unit_vectors_and_see_no_labels() -> None:
    stamps, spec = noise(), SETTINGS.stamp
    alone = random_network(stamps, stamps[:20], spec, SETTINGS.network)
    before = before_training(stamps, stamps[:20], SETTINGS)
    pca = pixel_pca(stamps, stamps[:20], spec, SETTINGS.network)
    for known, asked in (pca, alone, before):
        assert (known.shape, asked.shape) == ((60, 16), (20, 16))
        np.testing.assert_allclose(np.linalg.norm(known, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(known[:20], asked, atol=1e-5)
    assert np.abs(alone[0] - before[0]).max() > 0.01


def test_before_training_is_what_would_be_exported_without_a_step(
    tmp_path: Path,
) -> None:
    began, stamps = tmp_path / "began.safetensors", noise()
    other = SETTINGS.model_copy(update={"seed": 1})
    checkpoint.save(began, start(other), other, "")
    _, _, embedder = load_embedder(began)
    embedder.whiten(torch.from_numpy(stamps))
    expected = embedder.in_batches(torch.from_numpy(stamps)).numpy()
    continued = SETTINGS.model_copy(update={"initial": began})
    found, _ = before_training(stamps, stamps[:20], continued)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    fresh, _ = before_training(stamps, stamps[:20], SETTINGS)
    assert np.abs(fresh - expected).max() > 0.01


def test_fewer_labels_than_neighbours_are_refused() -> None:
    with pytest.raises(BadInput, match="3 archive objects"):
        precision_at_10(
            np.ones((1, 2), "f4"), ["a"], np.ones((3, 2), "f4"), ["a", "a", "b"]
        )
