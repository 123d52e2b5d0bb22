"""The encoder takes whole models only, and gives finite unit vectors."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest

from skylike.service.encoder import BASE, SPEC_KEY, Encoder
from skylike.service.errors import BadModel, ModelMismatch


def stamps(
    count: int, size: int, seed: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    random = np.random.default_rng(seed)
    pixels = random.normal(size=(count, 1, size, size)).astype(np.float32)
    pixels[random.random(pixels.shape) < 0.2] = np.nan
    return pixels


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 130])
def test_vectors_have_unit_norm_whatever_the_batch(model: Path, count: int) -> None:
    encoder = Encoder(model)
    vectors = encoder.embed(stamps(count, encoder.spec.size))
    assert vectors.shape == (count, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_neighbours_in_the_batch(model: Path) -> None:
    encoder = Encoder(model)
    many = stamps(9, encoder.spec.size)
    alone = np.concatenate([encoder.embed(one[np.newaxis]) for one in many])
    np.testing.assert_allclose(encoder.embed(many), alone, atol=1e-6)


def test_the_model_id_is_the_hash_of_the_bytes(
    model: Path, tmp_path: Path, sky: SimpleNamespace
) -> None:
    other = sky.write_model(tmp_path / "other.onnx", seed=1)
    assert Encoder(model).model_id == Encoder(model).model_id
    assert Encoder(model).model_id != Encoder(other).model_id


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 1, 16, 16), (1, 3, 32, 32)])
def test_stamps_of_another_shape_are_refused(
    model: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ModelMismatch, match="the model wants"):
        Encoder(model).embed(np.zeros(shape, np.float32))


def test_missing_and_damaged_files_are_bad_models(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="cannot be read"):
        Encoder(tmp_path / "gone.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:500])
    with pytest.raises(BadModel, match="not a whole ONNX model"):
        Encoder(broken)


def test_a_model_without_a_spec_is_refused(model: Path, tmp_path: Path) -> None:
    loaded = onnx.load(str(model))
    del loaded.metadata_props[:]
    foreign = tmp_path / "foreign.onnx"
    onnx.save(loaded, str(foreign))
    with pytest.raises(BadModel, match="does not say what stamps"):
        Encoder(foreign)


def test_a_spec_that_is_not_the_models_is_refused(model: Path, tmp_path: Path) -> None:
    loaded = onnx.load(str(model))
    onnx.helper.set_model_props(loaded, {SPEC_KEY: '{"size": 64}'})
    wrong = tmp_path / "wrong.onnx"
    onnx.save(loaded, str(wrong))
    with pytest.raises(BadModel, match="StampSpec says"):
        Encoder(wrong)


def test_weights_in_another_file_are_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model id would not cover them; also where the other file is at hand."""
    loaded = onnx.load(str(model))
    split = tmp_path / "split.onnx"
    onnx.save(
        loaded,
        str(split),
        save_as_external_data=True,
        location="split.data",
        size_threshold=0,
    )
    assert (tmp_path / "split.data").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadModel, match="weights in another file"):
        Encoder(split)


def test_a_gpu_computes_what_the_cpu_does() -> None:
    """Vectors within 0.001, and the same ten neighbours of each."""
    encoder = Encoder(BASE)
    if encoder.provider == "CPUExecutionProvider":
        pytest.skip("there is no GPU that this onnxruntime can use")
    random = np.random.default_rng(0)
    stamps = random.standard_normal((512, *encoder._shape), np.float32)
    bare = onnxruntime.InferenceSession(str(BASE), providers=["CPUExecutionProvider"])
    expected = bare.run(None, {bare.get_inputs()[0].name: stamps})[0]
    found = encoder.embed(stamps)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    nearest = np.argsort(-(found @ found.T), axis=1)[:, :10]
    wanted = np.argsort(-(expected @ expected.T), axis=1)[:, :10]
    np.testing.assert_array_equal(nearest, wanted)
