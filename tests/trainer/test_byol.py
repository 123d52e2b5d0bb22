"""BYOL: the loss, the target, and that learning happens and repeats."""

import math

import pytest
import torch

from skylike.trainer.byol import Byol, distance, tau_at
from skylike.trainer.config import NetworkSettings

SMALL = NetworkSettings(width=8, hidden=16, projection=8, dimension=8)


@pytest.fixture
def model() -> Byol:
    torch.manual_seed(0)
    return Byol(1, SMALL)


def pixels(count: int = 8, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_distance_is_0_for_equal_2_for_orthogonal_4_for_opposite_vectors() -> None:
    a = torch.tensor([[3.0, 0.0]])
    for b, expected in ([5.0, 0.0], 0), ([0.0, 2.0], 2), ([-1.0, 0.0], 4):
        assert float(distance(a, torch.tensor([b]))) == pytest.approx(expected)
    assert float(distance(a, torch.zeros(1, 2))) == 2


def test_the_loss_is_the_sum_of_both_directions(model: Byol) -> None:
    """In evaluation mode, where batch statistics play no part."""
    model.eval()
    first, second = pixels(seed=1), pixels(seed=2)
    with torch.no_grad():
        one = distance(model.prediction(model.online(first)), model.target(second))
        two = distance(model.prediction(model.online(second)), model.target(first))
        assert float(model(first, second)) == pytest.approx(float(one + two), rel=1e-5)
        assert float(model(second, first)) == pytest.approx(float(one + two), rel=1e-5)


def test_the_target_shares_no_storage_with_the_online_network(model: Byol) -> None:
    online = {p.data_ptr() for p in model.online.state_dict().values()}
    target = {p.data_ptr() for p in model.target.state_dict().values()}
    assert len(online) == len(target) > 10
    assert not online & target


def test_the_target_only_follows(model: Byol) -> None:
    """It takes no gradient, and stands still while the optimiser steps."""
    before = [p.clone() for p in model.target.parameters()]
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trainable, lr=0.1)
    torch.autograd.backward(model(pixels(seed=1), pixels(seed=2)))
    optimiser.step()
    assert all(p.grad is None for p in model.target.parameters())
    for old, new in zip(before, model.target.parameters(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("tau", [0.0, 0.25, 1.0])
def test_every_parameter_follows_by_the_same_share(model: Byol, tau: float) -> None:
    with torch.no_grad():
        for parameter in model.online.parameters():
            parameter.add_(torch.ones_like(parameter))
    before = [p.clone() for p in model.target.parameters()]
    model.follow(tau)
    for old, new, online in zip(
        before, model.target.parameters(), model.online.parameters(), strict=True
    ):
        torch.testing.assert_close(new, tau * old + (1 - tau) * online)


def test_inertia_rises_from_its_start_to_one() -> None:
    values = [tau_at(step, 100, 0.99) for step in range(101)]
    assert values[0] == pytest.approx(0.99)
    assert values[-1] == 1
    assert values == sorted(values)
    assert values[50] == pytest.approx(1 - 0.01 * (math.cos(math.pi / 2) + 1) / 2)
