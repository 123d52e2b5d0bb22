"""Export: one whole file that answers as torch does, and turns nothing odd."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import structlog
import torch

from skylike import trainer
from skylike.service import encoder as serving
from skylike.service.encoder import Encoder
from skylike.service.errors import BadModel, BadSettings
from skylike.service.stamp import StampSpec
from skylike.trainer import whitening
from skylike.trainer.checkpoint import load_encoder
from skylike.trainer.config import NetworkSettings, TrainSettings
from skylike.trainer.data import StampSet
from skylike.trainer.embedder import Embedder, part_weights
from skylike.trainer.erasure import signal_to_noise
from skylike.trainer.export import (
    BESIDE_KEY,
    PARITY_BATCHES,
    PARITY_TOLERANCE,
    export,
    load_embedder,
    require_parity,
    trial_stamps,
)
from skylike.trainer.polar import NUM_ORDERS, NUM_RINGS, PolarFourier, rings
from skylike.trainer.train import train

SIZE = 32


def archive(channels: int = 1, count: int = 80) -> StampSet:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    width = random.uniform(5, 60, size=(count, 1, 1, 1))
    ratio = random.uniform(1, 4, size=(count, 1, 1, 1))
    shape = 40 * np.exp(-(x**2 + ratio * y**2) / width)
    noise = random.normal(size=(count, channels, SIZE, SIZE))
    stamps = (shape + noise).astype(np.float32)
    return StampSet(stamps, tuple(Path(f"{i}.fits") for i in range(count)), ())


def settings(channels: int = 1, *, d4: bool = True, **network: Any) -> TrainSettings:
    names = [f"band{i}" for i in range(channels)]
    spec = {"size": SIZE}
    if channels > 1:
        spec |= {"axes": "bands", "channels": names}  # type: ignore[dict-item]
    return TrainSettings.model_validate(
        {
            "stamp": spec,
            "network": {
                "kind": "light",
                "width": 4,
                "output": "features",
                "hidden": 32,
                "projection": 16,
                "dimension": 16,
                "d4": d4,
                **network,
            },
            "steps": 12,
            "batch": 16,
            "threads": 1,
        }
    )


EQUIVARIANT: dict[str, Any] = {
    "kind": "equivariant",
    "width": 8,
    "output": "projection",
}


ALONE: tuple[dict[str, Any], ...] = ()


@pytest.fixture(
    scope="module",
    params=[
        (1, True, {}, ALONE),
        (1, False, {}, ALONE),
        (3, True, {"output": "projection"}, ALONE),
        (1, True, EQUIVARIANT, ({}, {"output": "projection"})),
    ],
)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> SimpleNamespace:
    """A trained and exported model: ``encoder``, ``path``, ``stamps``, ``d4``."""
    channels, d4, network, others = request.param
    folder = tmp_path_factory.mktemp("run")
    stamps, recipe = archive(channels), settings(channels, d4=d4, **network)
    checkpoint = train(stamps, recipe, folder)
    path = folder / "model.onnx"
    beside = [
        train(stamps, settings(channels, **other), folder / f"beside{i}")
        for i, other in enumerate(others)
    ]
    encoder = export(checkpoint, stamps, path, beside)
    return SimpleNamespace(
        encoder=encoder, path=path, stamps=stamps, d4=d4, recipe=recipe,
        folder=folder, runs=[checkpoint, *beside],
    )  # fmt: skip


def test_only_the_one_file_is_left_and_it_is_enough(
    exported: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not list(exported.folder.glob("*.data"))
    assert not list(exported.folder.glob("*.unchecked"))
    alone = tmp_path / "elsewhere.onnx"
    alone.write_bytes(exported.path.read_bytes())
    monkeypatch.chdir(tmp_path)
    vectors = Encoder(alone).embed(exported.stamps.stamps)
    np.testing.assert_array_equal(vectors, exported.encoder.embed(exported.stamps.stamps))  # fmt: skip
    weights = onnx.load(str(alone), load_external_data=False).graph.initializer
    assert all(w.data_location != onnx.TensorProto.EXTERNAL for w in weights)


def test_the_file_tells_no_folder_of_the_machine_it_was_made_on(
    exported: SimpleNamespace,
) -> None:
    data = exported.path.read_bytes()
    for folder in (
        Path(torch.__file__).parent,
        Path(trainer.__file__).parent,
        Path.cwd(),
    ):
        assert str(folder).encode() not in data


def test_of_what_a_run_began_with_the_name_alone_is_told(tmp_path: Path) -> None:
    stamps, recipe = archive(1), settings(1, d4=False).model_copy(update={"steps": 1})
    first = train(stamps, recipe, tmp_path / "first")
    begun = recipe.model_copy(update={"initial": first})
    runs = [train(stamps, begun, tmp_path / name) for name in ("second", "third")]
    encoder = export(runs[0], stamps, tmp_path / "model.onnx", runs[1:])
    assert str(tmp_path).encode() not in (tmp_path / "model.onnx").read_bytes()
    kept = TrainSettings.model_validate_json(encoder.metadata[serving.TRAINING_KEY])
    assert kept == begun.model_copy(update={"initial": Path(first.name)})


def test_the_file_says_what_it_wants_and_what_it_was_made_of(
    exported: SimpleNamespace,
) -> None:
    metadata = exported.encoder.metadata
    assert exported.encoder.spec == exported.recipe.stamp
    kept = TrainSettings.model_validate_json(metadata[serving.TRAINING_KEY])
    beside = json.loads(metadata.get(BESIDE_KEY, "[]"))
    assert len(beside) == len(exported.runs) - 1
    for found, run in zip(beside, exported.runs[1:], strict=True):
        assert TrainSettings.model_validate(found) == load_encoder(run)[0]
    assert kept == exported.recipe
    assert metadata[serving.DATA_HASH_KEY] == exported.stamps.data_hash()


@pytest.mark.parametrize("count", PARITY_BATCHES)
def test_torch_and_the_served_file_agree(exported: SimpleNamespace, count: int) -> None:
    """Weights from the checkpoint in torch, vectors from the serving encoder."""
    first, *beside = exported.runs
    _, _, embedder = load_embedder(first, beside)
    embedder.whiten(torch.from_numpy(exported.stamps.stamps))
    unseen = trial_stamps(exported.stamps.stamps, seed=3)[:count]
    served = exported.encoder.embed(unseen.numpy())
    assert served.shape == (count, 16)
    np.testing.assert_allclose(served, embedder.in_batches(unseen).numpy(), atol=1e-4)


def test_a_file_of_other_weights_does_not_pass_the_gate(
    exported: SimpleNamespace,
) -> None:
    recipe = exported.recipe
    other = Embedder.build(recipe.stamp, recipe.network, None, seed=5)
    other.whiten(torch.from_numpy(exported.stamps.stamps))
    trial = trial_stamps(exported.stamps.stamps)
    with pytest.raises(BadModel, match="differs from torch by"):
        require_parity(other, exported.encoder, trial)
    other.matrix_FD.fill_(torch.nan)
    with pytest.raises(BadModel, match="differs from torch by nan"):
        require_parity(other, exported.encoder, trial)


def test_a_file_that_fails_the_gate_is_not_left_behind(
    exported: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skylike.trainer.export.PARITY_TOLERANCE", -1.0)
    with pytest.raises(BadModel, match="differs"):
        export(
            exported.folder / "checkpoint.safetensors",
            exported.stamps,
            tmp_path / "model.onnx",
        )
    assert list(tmp_path.iterdir()) == []


def test_files_beside_the_model_are_left_alone(
    exported: SimpleNamespace, tmp_path: Path
) -> None:
    for name in ("model.unchecked", "model.part", "model"):
        (tmp_path / name).write_text("a thesis")
    few = StampSet(exported.stamps.stamps[:6], exported.stamps.paths[:6], ())
    with structlog.testing.capture_logs() as told:
        export(exported.runs[0], few, tmp_path / "model.onnx", exported.runs[1:])
    [entry] = [entry for entry in told if entry["event"] == "fewer_dimensions"]
    assert (entry["wanted"], entry["stamps"]) == (16, 6)
    assert entry["spanned"] <= 5
    for name in ("model.unchecked", "model.part", "model"):
        assert (tmp_path / name).read_text() == "a thesis"
    assert len(list(tmp_path.iterdir())) == 4


def test_no_file_but_a_model_is_written_over(exported: SimpleNamespace) -> None:
    run = exported.runs[0]
    before = run.read_bytes()
    with pytest.raises(BadSettings, match=r"ends in \.onnx"):
        export(run, exported.stamps, run, exported.runs[1:])
    assert run.read_bytes() == before


def test_runs_that_want_other_stamps_do_not_speak_together(tmp_path: Path) -> None:
    one = train(archive(), settings(), tmp_path / "one")
    three = train(archive(3), settings(3), tmp_path / "three")
    with pytest.raises(BadSettings, match="wants other stamps"):
        export(one, archive(), tmp_path / "model.onnx", [three])


def test_depth_is_taken_out_unless_it_is_wanted() -> None:
    shapes, random = archive().stamps, np.random.default_rng(3)
    factor = 10 ** random.uniform(0, 1, size=(len(shapes), 1, 1, 1))
    stamps = torch.from_numpy((shapes * factor).astype("f4"))
    depth = signal_to_noise(stamps).log()
    told = []
    for forget in (True, False):
        network = settings(**EQUIVARIANT, shrinkage=0.1, forget_depth=forget).network
        embedder = Embedder.build(StampSpec(size=SIZE), network, None)
        whitened = (embedder.whiten(stamps) - embedder.mean_F) @ embedder.matrix_FD
        told.append(np.abs(np.corrcoef(whitened.T, depth)[-1, :-1]).max())
    forgotten, kept = told
    assert forgotten < 0.5 * kept


def test_every_network_beside_the_first_is_heard(tmp_path: Path) -> None:
    stamps = archive()
    runs = [
        train(stamps, settings(**network), tmp_path / name)
        for name, network in (("turning", EQUIVARIANT), ("light", {}))
    ]
    (_, _, alone), (_, _, both) = (
        load_embedder(runs[0]),
        load_embedder(runs[0], runs[1:]),
    )
    assert both.num_learned == alone.num_learned + 2 * 4 * (1 + 2 + 4 + 8)
    pixels = torch.from_numpy(stamps.stamps)
    found = both.in_batches(pixels, raw=True)
    first = alone.in_batches(pixels, raw=True)[:, : alone.num_learned]
    torch.testing.assert_close(found[:, : alone.num_learned], first)
    both.whiten(pixels)
    of_first = both.matrix_FD[: alone.num_learned]
    of_second = both.matrix_FD[alone.num_learned : both.num_learned]
    assert of_first.abs().sum() > 0
    assert of_second.abs().sum() > 0


def test_the_gate_is_a_tenth_of_a_thousandth() -> None:
    assert PARITY_TOLERANCE == 1e-4
    assert PARITY_BATCHES == (1, 2, 7, 64)


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_quarter_turns_and_mirrors_move_the_embedding_little(
    exported: SimpleNamespace, turns: int, mirrored: bool
) -> None:
    stamps = exported.stamps.stamps[:20]
    turned = np.rot90(stamps, turns, (2, 3))
    turned = turned[..., ::-1] if mirrored else turned
    a = exported.encoder.embed(stamps)
    b = exported.encoder.embed(np.ascontiguousarray(turned))
    cosine = (a * b).sum(axis=1)
    if exported.d4:
        np.testing.assert_allclose(cosine, 1, atol=1e-4)
    else:
        assert (cosine < 0.999).all()  # so that the others show what D4 does


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30])
def test_any_pixels_give_finite_unit_vectors(
    exported: SimpleNamespace, value: float
) -> None:
    shape = exported.stamps.stamps.shape[1:]
    vectors = exported.encoder.embed(np.full((2, *shape), value, np.float32))
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


class TestWhitening:
    """Whitened features have unit covariance on what they were fitted to."""

    def test_covariance_is_the_identity(self) -> None:
        random = np.random.default_rng(0)
        mixed = random.normal(size=(5000, 6)) @ random.normal(size=(6, 6)) + 3
        features = torch.from_numpy(mixed.astype(np.float32))
        fitted = whitening.fit(features, 6, 0.1)
        white: Any = (features - fitted.mean_F) @ fitted.matrix_FD
        covariance = np.cov(white.numpy().T)
        off = covariance - np.diag(np.diag(covariance))
        assert np.abs(off).max() < 0.02
        # Shrinkage only ever lowers a variance.
        assert (np.diag(covariance) <= 1.001).all()
        assert np.diag(covariance)[0] > 0.9

    def test_directions_without_spread_stay_finite(self) -> None:
        features = torch.ones(50, 8)
        features[:, 0] = torch.linspace(-1, 1, 50)
        fitted = whitening.fit(features, 8, 0.1)
        assert torch.isfinite(fitted.matrix_FD).all()
        # Nor does a new object have any part in them.
        white = (torch.randn(9, 8) - fitted.mean_F) @ fitted.matrix_FD
        assert white[:, 0].abs().min() > 0
        assert not white[:, 1:].any()

    def test_the_sign_of_every_axis_is_fixed(self) -> None:
        features = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
        one = whitening.fit(features, 3, 0.1).matrix_FD
        two = whitening.fit(features.flip(0), 3, 0.1).matrix_FD
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_the_embedder_without_whitening_is_of_unit_norm() -> None:
    network = NetworkSettings(width=8, dimension=8)
    embedder = Embedder.build(StampSpec(size=SIZE), network, None)
    vectors = embedder.in_batches(torch.from_numpy(archive().stamps))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(80))


def test_every_ring_is_the_mean_at_its_distance() -> None:
    """And the profile of an image of distances is the distances themselves."""
    weights = rings(64, 16)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(16))
    axis = (torch.arange(64) + 0.5) / 32 - 1
    distance = torch.hypot(axis[:, None], axis[None]).flatten()
    centres = (torch.arange(16) + 0.5) / 16
    torch.testing.assert_close(weights @ distance, centres, atol=0.02, rtol=0)
    assert ((distance - centres[:, None]).abs()[weights > 0] < 1 / 16).all()


@pytest.mark.parametrize("size", [8, 9, 14])
def test_rings_narrower_than_a_pixel_take_the_nearest(size: int) -> None:
    weights = rings(size, 16)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(16))
    image = torch.arange(16.0).view(16, 1, 1) * weights.view(16, size, size)
    torch.testing.assert_close(image, image.flip(1))
    torch.testing.assert_close(image, image.transpose(1, 2))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_networks_have_equal_spreads_and_polar_amplitudes_a_share_of_theirs(
    share: float,
) -> None:
    """Whatever their units are; and nothing changes what does not vary."""
    features = torch.randn(200, 12, generator=torch.Generator().manual_seed(0))
    features[:, 4:8] *= 1e3
    features[:, 8:] *= 1e-3
    weighted = features * part_weights(features, (4, 4, 4), share)
    spreads = [float(part.var(dim=0).sum()) for part in torch.split(weighted, 4, dim=1)]
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-4)
    assert spreads[2] / sum(spreads[:2]) == pytest.approx(share**2, rel=1e-4)
    features[:, 8:] = 0
    assert part_weights(features, (4, 4, 4), share)[8:].tolist() == [1] * 4


def test_polar_amplitudes_tell_the_order_of_a_wave_and_no_turn_changes_them() -> None:
    axis = (torch.arange(64) + 0.5) / 32 - 1
    azimuth = torch.atan2(axis[:, None], axis[None])
    radius = torch.hypot(axis[:, None], axis[None])
    polar = PolarFourier(64)
    for order in range(1, NUM_ORDERS):
        wave = (1 + torch.cos(order * (azimuth - 0.4))) * torch.exp(-4 * radius**2)
        found = polar(wave[None, None]).unflatten(1, (NUM_RINGS, NUM_ORDERS))[0, 4:12]
        assert (found[:, 1:].argmax(dim=1) == order - 1).all()
        # A wave of amplitude 1 around a mean of 1.
        torch.testing.assert_close(
            found[:, order] / found[:, 0], torch.full((8,), 0.5**0.5), atol=0.02, rtol=0
        )
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    turned = torch.rot90(image, 1, (2, 3)).flip(3)
    torch.testing.assert_close(polar(turned), polar(image), atol=1e-5, rtol=0)
