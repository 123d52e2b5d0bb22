"""From a checkpoint to the one file that is served."""

import io
import json
import logging
import os
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor

from skylike.service.encoder import DATA_HASH_KEY, SPEC_KEY, TRAINING_KEY, Encoder
from skylike.service.errors import BadInput, BadModel, BadSettings
from skylike.service.stamp import StampSpec
from skylike.trainer import checkpoint
from skylike.trainer.config import TrainSettings
from skylike.trainer.data import StampSet
from skylike.trainer.embedder import Embedder

BESIDE_KEY = "skylike.training.beside"
PARITY_BATCHES = (1, 2, 7, 64)
PARITY_TOLERANCE = 1e-4
_REFERENCE = 5000
_log = structlog.get_logger()


def export(
    run: Path, archive: StampSet, out: Path, beside: Sequence[Path] = ()
) -> Encoder:
    """Whiten a trained network, or several, and write it as ONNX.

    Parameters
    ----------
    run
        A checkpoint.
    archive
        Stamps to fit the whitening on; labels play no part.
    out
        The file to write. It appears only if it passed the parity gate.
    beside
        Checkpoints of other runs, whose networks speak with the first.

    Returns
    -------
    Encoder
        The exported model, as the service sees it.

    Raises
    ------
    BadModel
        ``parity`` if the served vectors differ from torch's by more than 1e-4.
    BadInput
        ``too_few`` if the archive has fewer than two stamps.
    BadSettings
        If runs want different stamps, or the file does not end in ``.onnx``.
    """
    require_name(out)
    if len(archive.stamps) < 2:
        why = f"; for example {archive.rejects[0].message}" if archive.rejects else ""
        raise BadInput(
            f"{len(archive.stamps)} files of the archive give a stamp for this model; "
            f"the whitening needs them{why}",
            reason="too_few",
        )
    (settings, *others), data_hash, embedder = load_embedder(run, beside)
    chosen = np.random.default_rng(settings.seed).permutation(len(archive.stamps))
    reference = torch.from_numpy(archive.stamps[np.sort(chosen[:_REFERENCE])])
    embedder.whiten(reference)
    _tell_of_fewer_dimensions(embedder, settings.network.dimension, len(reference))
    metadata = {
        SPEC_KEY: settings.stamp.to_json(),
        TRAINING_KEY: _of_any_machine(settings).model_dump_json(),
        DATA_HASH_KEY: data_hash,
    }
    if others:
        metadata[BESIDE_KEY] = json.dumps(
            [_of_any_machine(own).model_dump(mode="json") for own in others]
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    # A name that no file of the user's can have.
    unchecked = out.with_name(f".{out.name}-{uuid.uuid4().hex}")
    try:
        unchecked.write_bytes(serialise(embedder, settings.stamp, metadata))
        require_parity(embedder, Encoder(unchecked), trial_stamps(archive.stamps))
        os.replace(unchecked, out)
    finally:
        unchecked.unlink(missing_ok=True)
    return Encoder(out)


def require_name(out: Path) -> None:
    """Refuse to write a model to a file that is not called like one."""
    if out.suffix != ".onnx":
        raise BadSettings(f"{out}: a model is written to a file that ends in .onnx")


def _tell_of_fewer_dimensions(embedder: Embedder, wanted: int, count: int) -> None:
    """Say so where a vector has, or fills, less than the recipe's dimension."""
    lengths = embedder.matrix_FD.norm(dim=0)
    spanned = int((lengths > 1e-6 * lengths.max()).sum())
    if spanned < wanted:
        _log.warning(
            "fewer_dimensions",
            wanted=wanted,
            learned=embedder.num_learned,
            spanned=spanned,
            stamps=count,
            remedy="whiten on more files"
            if count <= wanted
            else "lower `dimension`, or widen the network",
        )


def _of_any_machine(settings: TrainSettings) -> TrainSettings:
    """The settings with the name alone of the file that the run began with."""
    if not isinstance(settings.initial, Path):
        return settings
    return settings.model_copy(update={"initial": Path(settings.initial.name)})


def load_embedder(
    run: Path, beside: Sequence[Path] = ()
) -> tuple[list[TrainSettings], str, Embedder]:
    """Settings and archive of a checkpoint, and its network, not yet whitened.

    Networks of the checkpoints `beside` it speak with the first; the settings are of all,
    the archive is the first's.

    Raises
    ------
    BadSettings
        If a file is not a checkpoint, or runs want different stamps.
    """
    settings, weights, data_hash = checkpoint.load_encoder(run)
    others: list[tuple[TrainSettings, dict[str, Tensor]]] = []
    for path in beside:
        own, known, _ = checkpoint.load_encoder(path)
        if own.stamp != settings.stamp:
            raise BadSettings(f"{path}: this run wants other stamps than {run}")
        others.append((own, known))
    embedder = Embedder.build(
        settings.stamp,
        settings.network,
        weights,
        beside=[(own.network, known) for own, known in others],
    )
    return [settings, *(own for own, _ in others)], data_hash, embedder


def serialise(embedder: Embedder, spec: StampSpec, metadata: dict[str, str]) -> bytes:
    """The bytes of an ONNX file with every weight inside; only N is dynamic."""
    example = torch.zeros(2, len(spec.channels), spec.size, spec.size)
    example += torch.linspace(-1, 5, spec.size)
    with warnings.catch_warnings():
        # The exporter warns of its own deprecated calls.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            embedder,
            (example,),
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["stamps"],
            output_names=["vectors"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        )
    assert program is not None
    model = program.model_proto
    # What the exporter notes of every node tells folders of this machine.
    for node in model.graph.node:
        del node.metadata_props[:]
    for value in model.graph.value_info:
        del value.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    with io.BytesIO() as stream:
        onnx.save_model(model, stream)
        return stream.getvalue()


def trial_stamps(stamps: NDArray[np.float32], seed: int = 0) -> Tensor:
    """Archive stamps changed beyond what the model saw: noise, holes, an empty one."""
    random = np.random.default_rng(seed)
    count = max(PARITY_BATCHES)
    chosen = stamps[random.integers(len(stamps), size=count)]
    trial = chosen + random.normal(size=chosen.shape).astype(np.float32)
    size = trial.shape[-1]
    for stamp in trial[::3]:
        y, x = random.integers(size, size=2)
        stamp[:, y : y + size // 4, x : x + size // 4] = np.nan
    trial[-1] = 0
    return torch.from_numpy(trial)


def require_parity(embedder: Embedder, served: Encoder, stamps_NCSS: Tensor) -> float:
    """Refuse a file that does not answer as torch does; returns the difference."""
    worst = 0.0
    for count in PARITY_BATCHES:
        batch = stamps_NCSS[-count:]
        expected = embedder.in_batches(batch).numpy()
        found = served.embed(batch.numpy())
        worst = float(np.maximum(worst, np.abs(found - expected).max()))  # keeps NaN
    if not worst <= PARITY_TOLERANCE:
        raise BadModel(
            f"the exported model differs from torch by {worst:.2g}; at most "
            f"{PARITY_TOLERANCE:g} is allowed",
            reason="parity",
        )
    return worst
