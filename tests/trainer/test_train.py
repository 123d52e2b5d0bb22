"""Training: it learns, repeats, resumes bit for bit, and notices what goes wrong."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from skylike.service.encoder import BASE, DATA_HASH_KEY, TRAINING_KEY, Encoder
from skylike.service.errors import BadInput, BadSettings
from skylike.service.fits import Axes
from skylike.service.sources import find_images
from skylike.service.stamp import StampSpec
from skylike.trainer import checkpoint, data
from skylike.trainer.config import TrainSettings, load
from skylike.trainer.data import StampSet
from skylike.trainer.monitor import examine, has_levelled_off, self_recall
from skylike.trainer.network import Front, asinh
from skylike.trainer.processes import Processes
from skylike.trainer.record import EVENTS, LOG, Record
from skylike.trainer.schedule import learning_rate
from skylike.trainer.step import start, take
from skylike.trainer.train import CHECKPOINT, _features, train

SETTINGS = TrainSettings.model_validate(
    {
        "stamp": {"size": 32},
        "network": {"width": 8, "hidden": 32, "projection": 16, "dimension": 8},
        "steps": 8,
        "batch": 16,
        "checkpoint_steps": 2,
        "threads": 1,
    }
)


@pytest.fixture(scope="module")
def archive() -> StampSet:
    return StampSet(blobs(40), tuple(Path(f"{i}.fits") for i in range(40)), ())


def blobs(count: int) -> Any:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] - 15.5
    width = random.uniform(5, 60, size=(count, 1, 1, 1))
    ratio = random.uniform(1, 4, size=(count, 1, 1, 1))
    shape = 40 * np.exp(-(x**2 + ratio * y**2) / width)
    return (shape + random.normal(size=shape.shape)).astype(np.float32)


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / LOG).read_text().splitlines()]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load_encoder(run / CHECKPOINT)[1]


def test_same_seed_same_loss_other_seed_other_loss(
    archive: StampSet, tmp_path: Path
) -> None:
    for name, seed in ("a", 0), ("b", 0), ("c", 1):
        train(archive, SETTINGS.model_copy(update={"seed": seed}), tmp_path / name)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert losses(tmp_path / "a") != losses(tmp_path / "c")


def test_a_run_that_was_stopped_goes_on_to_the_same_losses_and_weights(
    archive: StampSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optimiser, target, order, views and schedule all come back."""
    train(archive, SETTINGS, tmp_path / "whole")

    class Stopped(Exception):
        pass

    saved = checkpoint.save

    def stop_after_step_4(path: Path, state: Any, *rest: Any) -> None:
        saved(path, state, *rest)
        if state.step == 4:
            raise Stopped

    monkeypatch.setattr(checkpoint, "save", stop_after_step_4)
    with pytest.raises(Stopped):
        train(archive, SETTINGS, tmp_path / "parts")
    monkeypatch.undo()
    train(archive, SETTINGS, tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), name


def test_a_finished_run_is_left_as_it_is(archive: StampSet, tmp_path: Path) -> None:
    path = train(archive, SETTINGS, tmp_path)
    before = path.read_bytes()
    train(archive, SETTINGS, tmp_path)
    assert path.read_bytes() == before


def test_other_settings_or_another_archive_are_refused_in_the_same_folder(
    archive: StampSet, tmp_path: Path
) -> None:
    train(archive, SETTINGS, tmp_path)
    with pytest.raises(BadSettings, match=r"other settings \(batch 16, here 8\)"):
        train(archive, SETTINGS.model_copy(update={"batch": 8}), tmp_path)
    other = StampSet(blobs(41), archive.paths, ())
    with pytest.raises(BadSettings, match="another archive"):
        train(other, SETTINGS, tmp_path)


def test_a_patient_run_ends_where_views_are_found_no_better(
    archive: StampSet, tmp_path: Path
) -> None:
    """And beginning it again leaves it as it is."""
    still = {"learning_rate": 1e-12, "steps": 400, "patience": 2}
    settings = SETTINGS.model_copy(update=still)
    train(archive, settings, tmp_path)
    log = (tmp_path / LOG).read_text()
    recalls = [json.loads(line)["recall"] for line in log.splitlines()]
    assert 2 < len(recalls) < 200
    assert max(recalls[-2:]) <= max(recalls[:-2])
    assert all(0 < recall <= 1 for recall in recalls)
    train(archive, settings, tmp_path)
    assert (tmp_path / LOG).read_text() == log


def test_the_loss_falls_on_a_few_stamps(archive: StampSet, tmp_path: Path) -> None:
    longer = SETTINGS.model_copy(update={"steps": 100, "checkpoint_steps": 10})
    train(archive, longer, tmp_path)
    found = losses(tmp_path)
    assert found[-1] < 0.7 * found[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_run_can_begin_with_the_weights_of_another(
    archive: StampSet, tmp_path: Path, channels: int
) -> None:
    """One channel begins three: of three equal ones the features are the same."""
    first = train(archive, SETTINGS, tmp_path / "first")
    names = tuple(f"band{i}" for i in range(channels))
    spec = SETTINGS.stamp
    if channels > 1:
        spec = StampSpec(size=32, axes=Axes.BANDS, channels=names)
    changed = SETTINGS.model_copy(update={"initial": first, "stamp": spec})
    begun, done = start(changed).model, start(SETTINGS)
    checkpoint.load(first, done, SETTINGS, archive.data_hash())
    pixels = torch.from_numpy(archive.stamps[:4])
    for model in begun, done.model:
        model.eval()
    with torch.inference_mode():
        found = begun.online(pixels.expand(-1, channels, -1, -1))
        torch.testing.assert_close(found, done.model.online(pixels))
    begun.train()
    stamps = np.repeat(archive.stamps, channels, axis=1)
    train(StampSet(stamps, archive.paths, ()), changed, tmp_path / "second")
    assert losses(tmp_path / "second")[-1] < losses(tmp_path / "first")[-1]


def test_a_run_goes_on_when_what_it_began_with_is_gone(
    archive: StampSet, tmp_path: Path
) -> None:
    first = train(archive, SETTINGS, tmp_path / "first")
    settings = SETTINGS.model_copy(update={"initial": first})
    done = train(archive, settings, tmp_path / "second").read_bytes()
    first.unlink()
    assert train(archive, settings, tmp_path / "second").read_bytes() == done
    with pytest.raises(BadSettings, match="there is no such checkpoint"):
        train(archive, settings, tmp_path / "third")


def test_a_run_can_begin_with_the_model_of_the_package() -> None:
    """Of the same training as its ONNX file, by the recipe that is told."""
    recipe = load(checkpoint.BASE.with_suffix(".toml"))
    kept, learned, data_hash = checkpoint.load_encoder(checkpoint.BASE)
    metadata = Encoder(BASE).metadata
    assert kept == recipe == TrainSettings.model_validate_json(metadata[TRAINING_KEY])
    assert data_hash == metadata[DATA_HASH_KEY]
    begun = start(recipe.model_copy(update={"initial": "skylike-base"})).model
    for name, tensor in begun.online.state_dict().items():
        torch.testing.assert_close(tensor, learned[name])


def test_weights_of_another_network_are_refused(
    archive: StampSet, tmp_path: Path
) -> None:
    first = train(archive, SETTINGS, tmp_path / "first")
    wider = SETTINGS.network.model_copy(update={"width": 16})
    with pytest.raises(BadSettings, match=r"of another network \(width 8, here 16\)"):
        start(SETTINGS.model_copy(update={"initial": first, "network": wider}))


def test_the_smallest_batch_is_two(archive: StampSet, tmp_path: Path) -> None:
    train(archive, SETTINGS.model_copy(update={"batch": 2}), tmp_path)
    assert np.isfinite(losses(tmp_path)).all()


def test_too_few_stamps_are_refused(archive: StampSet, tmp_path: Path) -> None:
    few = StampSet(archive.stamps[:10], archive.paths[:10], ())
    with pytest.raises(BadInput, match="10 stamps are too few"):
        train(few, SETTINGS, tmp_path)


def test_blank_and_constant_stamps_leave_loss_and_weights_finite(
    archive: StampSet, tmp_path: Path
) -> None:
    stamps = archive.stamps.copy()
    stamps[:10, :, :, :20] = np.nan
    stamps[10:14] = 0
    train(StampSet(stamps, archive.paths, ()), SETTINGS, tmp_path)
    assert np.isfinite(losses(tmp_path)).all()
    assert all(torch.isfinite(w).all() for w in weights(tmp_path).values())


def test_infinite_pixels_are_taken_as_blank(archive: StampSet, tmp_path: Path) -> None:
    stamps = archive.stamps.copy()
    stamps[3] = np.inf
    train(StampSet(stamps, archive.paths, ()), SETTINGS, tmp_path)
    assert np.isfinite(losses(tmp_path)).all()


def test_a_step_without_finite_gradient_changes_nothing_and_its_batch_is_kept(
    tmp_path: Path,
) -> None:
    state = start(SETTINGS)
    before = {k: v.clone() for k, v in state.model.state_dict().items()}
    bad = torch.full((4, 1, 32, 32), torch.nan)
    alone = Processes(0, 1, torch.device("cpu"))
    assert math.isnan(take(state, SETTINGS, (bad, bad.clone()), tmp_path, alone))
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert [path.name for path in tmp_path.iterdir()] == ["bad-batch-0.safetensors"]


def test_the_rate_rises_and_falls_as_the_schedule_says() -> None:
    for schedule, halfway in ("cosine", 0.5), ("linear", 0.5), ("constant", 1):
        settings = TrainSettings.model_validate(
            {"steps": 220, "warmup": 20 / 220, "schedule": schedule, "learning_rate": 2}
        )
        rates = [learning_rate(step, settings) for step in range(220)]
        assert rates[:20] == pytest.approx(np.arange(1, 21) / 10)
        assert rates[20] == pytest.approx(2)
        assert rates[120] == pytest.approx(2 * halfway)
        assert rates[219] < (0.03 if schedule != "constant" else 2.1)


def test_the_loss_of_held_out_stamps_is_recorded_and_they_are_not_learned_from(
    archive: StampSet, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"held_out": 0.25})
    train(archive, settings, tmp_path / "part")
    lines = (tmp_path / "part" / LOG).read_text().splitlines()
    assert len(lines) == 4
    assert all(0 < json.loads(line)["held_out_loss"] < 8 for line in lines)
    few = settings.model_copy(update={"held_out": 0.625})
    with pytest.raises(BadInput, match="15 stamps are too few"):
        train(archive, few, tmp_path / "few")


def test_tensorboard_reads_what_the_log_holds(
    archive: StampSet, tmp_path: Path
) -> None:
    train(archive, SETTINGS, tmp_path)
    events = EventAccumulator(str(tmp_path / EVENTS)).Reload()
    assert [event.step for event in events.Scalars("loss")] == [2, 4, 6, 8]
    found = [event.value for event in events.Scalars("loss")]
    assert found == pytest.approx(losses(tmp_path))
    assert {"rank", "spread", "images_per_second"} <= set(events.Tags()["scalars"])


def test_lines_of_steps_that_are_done_again_are_dropped(tmp_path: Path) -> None:
    with Record(tmp_path, 0) as record:
        for step in 2, 4, 6:
            record.write(step, {"loss": float(step)})
    with (tmp_path / LOG).open("a") as log:
        log.write('[1]\n3\n{"loss": 1}\n{"step": 8, "lo')
    with Record(tmp_path, 4) as record:
        record.write(6, {"loss": 7.0})
    assert losses(tmp_path) == [2, 4, 7]


@pytest.mark.parametrize(
    ("kind", "layers"), [("light", 2), ("resnet18", 1), ("equivariant", 3)]
)
def test_a_network_that_is_cut_learns_too(
    archive: StampSet, tmp_path: Path, kind: str, layers: int
) -> None:
    width = 8 if kind == "equivariant" else 4
    network = SETTINGS.network.model_copy(
        update={"kind": kind, "layers": layers, "width": width}
    )
    train(archive, SETTINGS.model_copy(update={"network": network}), tmp_path)
    assert np.isfinite(losses(tmp_path)).all()
    blocks = [n for n in weights(tmp_path) if re.match(r"backbone\.(blocks|layers)", n)]
    numbers = {int(name.split(".")[2]) for name in blocks}
    # The stem is a layer of the small networks, and none of a ResNet.
    assert numbers == set(range(layers if kind == "resnet18" else layers - 1))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(
    archive: StampSet, tmp_path: Path
) -> None:
    with pytest.raises(BadSettings, match="no CUDA device"):
        train(archive, SETTINGS.model_copy(update={"device": "cuda"}), tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_learns_in_bfloat16(archive: StampSet, tmp_path: Path) -> None:
    longer = SETTINGS.model_copy(update={"steps": 100, "checkpoint_steps": 10})
    train(archive, longer, tmp_path)
    assert losses(tmp_path)[-1] < 0.7 * losses(tmp_path)[0]


def test_looking_at_features_leaves_every_module_in_training() -> None:
    state = start(SETTINGS)
    _features(state.model, torch.zeros(2, 1, 32, 32))
    assert all(module.training for module in state.model.modules())


def test_what_is_no_checkpoint_is_refused(archive: StampSet, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"\x80\x04pickle")
    with pytest.raises(BadSettings, match="not a checkpoint"):
        train(archive, SETTINGS, tmp_path)


class TestMonitor:
    """Collapse shows in the spread, whatever the loss says."""

    def test_a_sphere_is_healthy(self) -> None:
        features = torch.randn(2000, 32, generator=torch.Generator().manual_seed(0))
        health = examine(features)
        assert health.spread == pytest.approx(1, abs=0.02)
        assert health.rank > 30
        assert not health.collapsed

    def test_a_point_is_collapsed(self) -> None:
        features = torch.ones(100, 32)
        features += 1e-3 * torch.randn(100, 32, generator=torch.Generator().manual_seed(0))  # fmt: skip
        assert examine(features).collapsed

    def test_every_object_finds_itself_and_no_other(self) -> None:
        features = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
        assert self_recall(features, features) == 1
        assert self_recall(features, features.roll(1, 0)) < 0.3

    def test_a_run_levels_off_when_its_best_is_too_long_ago(self) -> None:
        assert not has_levelled_off([], 1)
        assert not has_levelled_off([0.1, 0.2, 0.3], 1)
        assert has_levelled_off([0.1, 0.3, 0.3], 1)
        assert not has_levelled_off([0.3, 0.2], 2)
        assert has_levelled_off([0.3, 0.2, 0.1], 2)
        assert not has_levelled_off([0.3, 0.2, 0.1], 0)

    def test_a_line_has_rank_one(self) -> None:
        features = torch.linspace(-1, 1, 50)[:, None] * torch.ones(1, 8)
        assert examine(features).rank == pytest.approx(1, abs=1e-6)


class TestSettings:
    """A recipe is a TOML file; what it may not hold is refused by name."""

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("stepz = 3", "stepz"),
            ("[views]\ncolour = 1", "views.colour"),
            ("batch = 1", "batch"),
            ("steps =", "not TOML"),
            ("clip_norm = inf", "clip_norm: Input should be a finite number"),
            ("[stamp]\nsize = 88", "multiple of 16, not 88: take 80 or 96"),
            ("[stamp]\nsize = 17\n[network]\nlayers = 1", "take 16 or 18"),
        ],
    )
    def test_bad_recipes(self, tmp_path: Path, text: str, told: str) -> None:
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        with pytest.raises(BadSettings, match=told):
            load(path)

    def test_a_resnet_takes_stamps_of_any_even_size(self, tmp_path: Path) -> None:
        path = tmp_path / "recipe.toml"
        path.write_text('[stamp]\nsize = 88\n[network]\nkind = "resnet18"\n')
        assert load(path).stamp.size == 88

    def test_the_settings_of_a_run_are_a_recipe(self, tmp_path: Path) -> None:
        path = tmp_path / "settings.json"
        path.write_text(SETTINGS.model_dump_json())
        assert load(path) == SETTINGS
        path.write_text("{")
        with pytest.raises(BadSettings, match="not JSON"):
            load(path)

    def test_a_missing_recipe(self, tmp_path: Path) -> None:
        with pytest.raises(BadSettings, match="cannot be read"):
            load(tmp_path / "gone.toml")

    def test_sections(self, tmp_path: Path) -> None:
        path = tmp_path / "recipe.toml"
        path.write_text("steps = 7\n[stamp]\nsize = 32\n[views]\nzoom = 1.5\n")
        found = load(path)
        assert (found.steps, found.stamp, found.views.zoom) == (
            7,
            StampSpec(size=32),
            1.5,
        )


def test_the_front_shows_the_same_sky_however_it_is_turned() -> None:
    front = Front(32, 3.0)
    pixels = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    turned = torch.rot90(front(pixels), 1, (2, 3))
    torch.testing.assert_close(front(torch.rot90(pixels, 1, (2, 3))), turned)
    assert float(front(pixels)[..., 0, 0].abs().max()) == 0


def test_the_inverse_hyperbolic_sine_is_that_of_float64() -> None:
    x = torch.cat([torch.linspace(-5, 5, 2001), torch.logspace(-30, 18, 500)])
    x = torch.cat([x, -x])
    exact = torch.asinh(x.double())
    torch.testing.assert_close(asinh(x).double(), exact, atol=2e-7, rtol=2e-7)
    assert torch.isfinite(asinh(torch.tensor([3e38, -3e38]))).all()


def test_stamps_take_the_channels_of_the_files_unless_the_recipe_names_some(
    sky: SimpleNamespace, tmp_path: Path
) -> None:
    for number in range(3):
        drawn = np.random.default_rng(number).normal(size=(3, 40, 40))
        (tmp_path / f"{number}.fits").write_bytes(sky.bands(drawn, "irg"))
    images = find_images([tmp_path])
    for stamp, channels in (
        (StampSpec(), ("i", "r", "g")),
        (StampSpec(softening_sigma=40, size=32), ("i", "r", "g")),
        (StampSpec(channels=("intensity",), size=32), ("intensity",)),
        (StampSpec(axes=Axes.BANDS, channels=("g", "r")), ("g", "r")),
    ):
        found = data.completed(stamp, images)
        assert found.channels == channels
        assert (found.size, found.softening_sigma) == (
            stamp.size,
            stamp.softening_sigma,
        )
