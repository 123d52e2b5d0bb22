"""Views: every part of the augmentation fires at its rate, and does what it says."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from skylike.trainer.augment import Chance, Views, rotation, warp
from skylike.trainer.config import ViewSettings
from skylike.trainer.network import Front

SIZE = 32
FRONT = Front(SIZE, 3.0)
STILL: dict[str, Any] = {
    "zoom": 1.0,
    "shift": 0.0,
    "stretch": 1.0,
    "blur_share": 0.0,
    "depth_share": 0.0,
    "gain": 0.0,
    "band_gain": 0.0,
    "offset_sigma": 0.0,
    "blank_share": 0.0,
    "band_dropout": 0.0,
}


def views(**settings: float) -> Views:
    return Views(ViewSettings(**(STILL | settings)), FRONT)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stamps(count: int = 400, channels: int = 1) -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    blob = 30 * torch.exp(-((x - 12.0) ** 2 + (y - 18.0) ** 2) / 30)
    noise = torch.randn(count, channels, SIZE, SIZE, generator=generator(9))
    return blob + noise


def changed(before: Tensor, after: Tensor) -> Tensor:
    """Which images differ anywhere: (n,)."""
    return (before != after).flatten(1).any(dim=1)


def test_identity_returns_the_input() -> None:
    pixels = stamps(4)
    identity = torch.eye(2, 3).expand(4, 2, 3)
    torch.testing.assert_close(warp(pixels, identity), pixels, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_exact(turns: int) -> None:
    pixels = stamps(4)
    linear = rotation(torch.full((4,), turns * math.pi / 2))
    matrices = torch.cat([linear, torch.zeros(4, 2, 1)], dim=2)
    turned = torch.rot90(pixels, turns, (2, 3))
    torch.testing.assert_close(warp(pixels, matrices), turned, atol=1e-3, rtol=1e-3)


def test_one_fused_warp_is_its_parts_in_sequence() -> None:
    """On a smooth image, whose interpolation loses little."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    smooth = torch.exp(-((x - 15.5) ** 2 + (y - 14.0) ** 2) / 40)[None, None]
    turn = rotation(torch.tensor([0.6]))
    scale = torch.diag_embed(torch.tensor([[1.2, 1.2]]))
    zero = torch.zeros(1, 2, 1)
    fused = warp(smooth, torch.cat([turn @ scale, zero], dim=2))
    parts = warp(smooth, torch.cat([turn, zero], dim=2))
    parts = warp(parts, torch.cat([scale, zero], dim=2))
    torch.testing.assert_close(fused, parts, atol=0.03, rtol=0)


def test_nothing_is_blank_in_a_view() -> None:
    pixels = stamps(8)
    pixels[:, :, :10] = torch.nan
    made = Views(ViewSettings(), FRONT)(pixels, generator())
    assert torch.isfinite(made).all()


@pytest.mark.parametrize(
    ("share", "step"),
    [
        ("blur_share", Views._blur),
        ("depth_share", Views._make_shallower),
        ("blank_share", Views._blank_patches),
    ],
)
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_each_part_fires_at_its_rate(
    share: str, rate: float, step: Callable[[Views, Tensor, Chance], Tensor]
) -> None:
    pixels = stamps() + 100  # nowhere zero, so that a blank patch shows
    fired = changed(
        pixels, step(views(**{share: rate}), pixels, Chance(len(pixels), generator()))
    )
    if rate == 1.0:
        # A tiny patch may cover no pixel, and a narrow blur moves none.
        assert fired.float().mean() > 0.8
    else:
        error = 4 * math.sqrt(rate * (1 - rate) / len(pixels))
        assert abs(float(fired.float().mean()) - rate) <= error + 0.1 * rate


def test_a_band_is_lost_at_its_rate_and_only_of_several() -> None:
    pixels = stamps(channels=3) + 100
    made = views(band_dropout=0.5)._blank_patches(
        pixels, Chance(len(pixels), generator())
    )
    gone = (made == 0).flatten(2).all(dim=2)
    assert gone.sum(dim=1).max() == 1
    assert 0.4 < float(gone.any(dim=1).float().mean()) < 0.6
    single = stamps() + 100
    made = views(band_dropout=1.0)._blank_patches(
        single, Chance(len(single), generator())
    )
    assert not changed(single, made).any()


@pytest.mark.parametrize(
    ("settings", "least"),
    [({"gain": 0.4}, 0.25), ({"offset_sigma": 0.3}, 0.04), ({"shift": 0.1}, 0.1)],
)
def test_gain_offset_and_shift_change_every_image(
    settings: dict[str, float], least: float
) -> None:
    pixels = stamps()
    same, other = views()(pixels, generator(3)), views(**settings)(pixels, generator(3))
    assert changed(same, other).all()
    assert float((other - same).abs().amax(dim=(1, 2, 3)).median()) > least


def test_geometry_turns_and_mirrors_and_zooms() -> None:
    matrices = views(zoom=1.5)._matrices(Chance(2000, generator()))[:, :, :2]
    area = torch.linalg.det(matrices)
    assert 0.45 < float((area < 0).float().mean()) < 0.55
    assert float(area.abs().sqrt().min()) == pytest.approx(1 / 1.5, rel=0.02)
    assert float(area.abs().sqrt().max()) == pytest.approx(1.5, rel=0.02)
    angle = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0])
    quarters = torch.histc(angle, 4, -math.pi, math.pi) / len(angle)
    assert (quarters - 0.25).abs().max() < 0.05


def test_stretching_changes_the_axis_ratio_and_keeps_the_area() -> None:
    linear = views(stretch=1.4)._matrices(Chance(2000, generator()))[:, :, :2]
    torch.testing.assert_close(
        torch.linalg.det(linear).abs(), torch.ones(2000), atol=1e-4, rtol=0
    )
    longest, shortest = torch.linalg.svdvals(linear).unbind(1)
    assert float((longest / shortest).max()) == pytest.approx(1.4, rel=0.02)
    assert float((longest / shortest).median()) == pytest.approx(1.4**0.5, rel=0.05)


def test_band_gain_changes_bands_apart_and_leaves_a_single_one() -> None:
    single = stamps()
    assert not changed(
        single,
        views(band_gain=0.2)._change_gain(single, Chance(len(single), generator())),
    ).any()
    pixels = stamps(channels=3)
    made = views(band_gain=0.2)._change_gain(pixels, Chance(len(pixels), generator()))
    gains = (made / pixels).flatten(2).median(dim=2).values
    assert float(gains.min()) == pytest.approx(0.8, abs=0.01)
    assert float(gains.max()) == pytest.approx(1.2, abs=0.01)
    assert float((gains[:, 0] - gains[:, 1]).abs().median()) > 0.05


def test_a_shallower_view_keeps_its_noise_and_loses_signal() -> None:
    pixels = torch.randn(500, 1, SIZE, SIZE, generator=generator()) + 20
    made = views(depth_share=1.0, depth=0.5)._make_shallower(
        pixels, Chance(len(pixels), generator(1))
    )
    factor = made.mean(dim=(1, 2, 3)) / 20
    assert float(factor.min()) == pytest.approx(0.5, abs=0.02)
    assert float(factor.max()) == pytest.approx(1.0, abs=0.02)
    torch.testing.assert_close(made.std(dim=(1, 2, 3)).mean(), torch.tensor(1.0), atol=0.01, rtol=0)  # fmt: skip


def test_blur_keeps_flux_away_from_the_rim() -> None:
    pixels = torch.zeros(50, 1, SIZE, SIZE)
    pixels[:, :, 16, 16] = 1
    made = views(blur_share=1.0, blur_pixels=2.0)._blur(
        pixels, Chance(len(pixels), generator())
    )
    torch.testing.assert_close(made.sum(dim=(1, 2, 3)), torch.ones(50))
    assert float(made.amax(dim=(1, 2, 3)).min()) < 0.1


def test_the_same_generator_state_makes_the_same_views() -> None:
    make = Views(ViewSettings(), FRONT)
    assert torch.equal(make(stamps(8), generator(5)), make(stamps(8), generator(5)))
    assert not torch.equal(make(stamps(8), generator(5)), make(stamps(8), generator(6)))


def test_the_views_of_a_part_are_the_same_beside_whatever_they_are_made() -> None:
    make, pixels = Views(ViewSettings(), FRONT), stamps(12, channels=2)
    together = make(pixels, *(generator(seed) for seed in range(5)))
    parts = [
        make(part, generator(seed)) for seed, part in enumerate(pixels.tensor_split(5))
    ]
    torch.testing.assert_close(together, torch.cat(parts), atol=1e-5, rtol=1e-5)


def test_random_numbers_have_their_moments_and_bounds() -> None:
    chance = Chance(10_000, generator(1), generator(2), generator(3))
    numbers = chance.below(3)
    counts = torch.bincount(numbers, minlength=3) / 10_000
    assert (counts - 1 / 3).abs().max() < 0.02
    uniform, normal = chance.uniform(2), chance.normal(2, 1)
    assert (uniform.shape, normal.shape) == ((10_000, 2), (10_000, 2, 1))
    assert (float(uniform.min()) >= 0) & (float(uniform.max()) < 1)
    assert abs(float(uniform.mean()) - 0.5) < 0.01
    assert abs(float(normal.mean())) < 0.03
    assert abs(float(normal.std()) - 1) < 0.03
