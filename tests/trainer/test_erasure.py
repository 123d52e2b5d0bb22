"""Depth is taken out of vectors, and nothing else."""

import warnings

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from torch import Tensor

from skylike.trainer.erasure import eraser, signal_to_noise

KINDS, EACH, DIMENSIONS = 6, 200, 16

Numbers = NDArray[np.float64]
Leaking = tuple[Tensor, NDArray[np.int64], Tensor]


@pytest.fixture
def leaking() -> Leaking:
    """Vectors that tell kind and depth, where one kind is deeper than the others."""
    random = np.random.default_rng(0)
    kinds = np.repeat(np.arange(KINDS), EACH)
    depth = random.normal(size=len(kinds)) + 3.0 * (kinds == 0)
    vectors = 6 * random.normal(size=(KINDS, DIMENSIONS))[kinds]
    vectors += random.normal(size=vectors.shape)
    vectors += np.outer(depth, random.normal(size=DIMENSIONS))
    return torch.from_numpy(vectors).float(), kinds, torch.from_numpy(depth)


def within(values: Numbers, kinds: NDArray[np.int64]) -> Numbers:
    return np.concatenate(
        [
            values[kinds == kind] - values[kinds == kind].mean(axis=0)
            for kind in set(kinds)
        ]
    )


def readable(vectors: Tensor, depth: Tensor, kinds: NDArray[np.int64]) -> float:
    """How much of the depth a line tells, within kinds, in the half not fitted on."""
    known, wanted = within(vectors.numpy(), kinds), within(depth.numpy(), kinds)
    model = Ridge(1.0).fit(known[::2], wanted[::2])
    return float(model.score(known[1::2], wanted[1::2]))


def test_depth_cannot_be_read_along_a_line_any_more(leaking: Leaking) -> None:
    vectors, kinds, depth = leaking
    assert readable(vectors, depth, kinds) > 0.8
    assert readable(vectors @ eraser(vectors, depth), depth, kinds) < 0.2


def test_kinds_stay_apart_though_one_is_deeper(leaking: Leaking) -> None:
    vectors, kinds, depth = leaking
    erased = vectors @ eraser(vectors, depth)
    means = np.stack(
        [erased[kinds == kind].mean(dim=0).numpy() for kind in range(KINDS)]
    )
    nearest = np.linalg.norm(erased.numpy()[:, None] - means, axis=2).argmin(axis=1)
    assert (nearest == kinds).mean() > 0.99


def test_one_direction_goes_and_the_others_stay_as_they_are(leaking: Leaking) -> None:
    vectors, _, depth = leaking
    matrix = eraser(vectors, depth)
    np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert round(float(matrix.trace())) == DIMENSIONS - 1


@pytest.mark.parametrize("count", [1, 39])
def test_nothing_is_erased_where_there_is_too_little_to_learn_from(
    leaking: Leaking, count: int
) -> None:
    vectors, _, depth = leaking
    assert eraser(vectors[:count], depth[:count]).equal(torch.eye(DIMENSIONS))


def test_nothing_is_erased_if_all_are_as_deep(leaking: Leaking) -> None:
    vectors, *_ = leaking
    matrix = eraser(vectors, torch.full((len(vectors),), 0.1))
    assert matrix.equal(torch.eye(DIMENSIONS))


def test_equal_vectors_are_no_reason_to_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix = eraser(torch.ones(80, 4), torch.arange(80.0))
    assert torch.isfinite(matrix).all()


def test_signal_to_noise_follows_the_exposure() -> None:
    random = torch.Generator().manual_seed(0)
    axis = torch.linspace(-3, 3, 64)
    source = torch.exp(-(axis[:, None] ** 2 + axis**2))[None, None]
    noise = torch.randn(source.shape, generator=random)
    found = [float(signal_to_noise(peak * source + noise)) for peak in (20, 40, 400)]
    # A Gaussian's mean weighted by itself is half its peak.
    np.testing.assert_allclose(found, [10, 20, 200], rtol=0.25)


def test_signal_to_noise_of_what_shows_nothing_is_that_of_the_faintest() -> None:
    blank = torch.full((1, 2, 8, 8), torch.nan)
    assert float(signal_to_noise(blank)) == 3
    assert float(signal_to_noise(torch.zeros(1, 1, 8, 8))) == 3
