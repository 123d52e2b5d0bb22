"""The whole state of a training run in one file, without pickle.

Tensors go into a safetensors file, plain numbers into its JSON metadata. A run
that goes on from a checkpoint makes the same losses as one that never stopped.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from skylike.service.errors import BadSettings
from skylike.trainer import config
from skylike.trainer.byol import Byol
from skylike.trainer.config import NetworkSettings, TrainSettings

BASE = Path(__file__).with_name("base.safetensors")  # of base.toml
_SHAPE = ("kind", "layers", "width", "hidden", "projection")  # of the weights
_MODEL, _OPTIMISER, _RANDOM, _ORDER = "model.", "optimiser.", "random", "order"


@dataclass(eq=False)
class State:
    """Everything that changes while training.

    Attributes
    ----------
    model
        Online encoder, prediction head and target.
    optimiser
        AdamW, over the online half.
    random
        The one source of randomness: order and views.
    order : (n,) int64
        What is left of the current pass through the archive.
    step
        Steps done.
    """

    model: Byol
    optimiser: torch.optim.Optimizer
    random: torch.Generator
    order: Tensor
    step: int


def save(path: Path, state: State, settings: TrainSettings, data_hash: str) -> None:
    """Write a checkpoint; the old one stays until the new one is whole."""
    tensors = {_MODEL + k: v for k, v in state.model.state_dict().items()}
    for number, slots in state.optimiser.state_dict()["state"].items():
        tensors |= {f"{_OPTIMISER}{number}.{k}": v for k, v in slots.items()}
    tensors[_RANDOM] = state.random.get_state()
    tensors[_ORDER] = state.order
    metadata = {
        "step": str(state.step),
        "settings": settings.model_dump_json(),
        "data_hash": data_hash,
    }
    unfinished = path.with_suffix(".part")
    save_file({k: v.contiguous() for k, v in tensors.items()}, unfinished, metadata)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())  # or a power loss could cost the old one as well
    os.replace(unfinished, path)


def load(path: Path, state: State, settings: TrainSettings, data_hash: str) -> None:
    """Bring a fresh state to where a checkpoint was.

    Raises
    ------
    BadSettings
        If the file is not a checkpoint, or of another archive or other settings:
        going on would not give what one run gives.
    """
    tensors, metadata = _read(path)
    saved = config.checked(path, json.loads(metadata["settings"]))
    if saved != settings:
        changed = "; ".join(config.differences(saved, settings))
        raise BadSettings(
            f"{path}: the run was begun with other settings ({changed}); train into a new folder, or with --config and the settings.json beside it"
        )
    if metadata["data_hash"] != data_hash:
        raise BadSettings(
            f"{path}: the run was begun on another archive; train into a new folder"
        )
    state.model.load_state_dict(_part(tensors, _MODEL))
    optimiser = state.optimiser.state_dict()
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _part(tensors, _OPTIMISER).items():
        number, name = key.split(".", 1)
        slots.setdefault(int(number), {})[name] = tensor
    state.optimiser.load_state_dict({**optimiser, "state": slots})
    state.random.set_state(tensors[_RANDOM])
    state.order = tensors[_ORDER]
    state.step = int(metadata["step"])


def load_weights(
    initial: Path | Literal["skylike-base"], model: Byol, network: NetworkSettings
) -> None:
    """Begin with the weights of a checkpoint, or of the model of the package.

    A network of one channel can begin one of several: each takes an equal part of the
    weights of its first layer.

    Parameters
    ----------
    initial
        The checkpoint.
    model
        Whose weights are replaced.
    network
        The settings it was made with.

    Raises
    ------
    BadSettings
        If the file is not a checkpoint, or of another network.
    """
    path = BASE if initial == "skylike-base" else Path(initial)
    stored, metadata = _read(path)
    tensors = _part(stored, _MODEL)
    wanted = model.state_dict()
    for name, tensor in tensors.items():
        shape = wanted[name].shape if name in wanted else torch.Size()
        is_first = tensor.ndim == 4 and len(shape) == 4 and tensor.shape[1] == 1
        if is_first and shape[1] > 1:
            tensors[name] = tensor.expand(-1, shape[1], -1, -1) / shape[1]
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        saved = config.checked(path, json.loads(metadata["settings"]))
        differing = [
            f"{name} {getattr(saved.network, name)}, here {getattr(network, name)}"
            for name in _SHAPE
            if getattr(saved.network, name) != getattr(network, name)
        ]
        raise BadSettings(
            f"{path}: this checkpoint is of another network "
            f"({'; '.join(differing) or 'of other channels'}): give the recipe's "
            "[network] its values, or leave `initial` out"
        ) from error


def save_batch(path: Path, pair: tuple[Tensor, Tensor]) -> None:
    """Set two views of a batch aside, to find out what was wrong with it."""
    save_file({"first": pair[0].contiguous(), "second": pair[1].contiguous()}, path)


def load_encoder(path: Path) -> tuple[TrainSettings, dict[str, Tensor], str]:
    """Settings, weights of the online encoder, and the hash of the archive."""
    tensors, metadata = _read(path)
    settings = config.checked(path, json.loads(metadata["settings"]))
    weights = _part(tensors, _MODEL + "online.")
    return settings, weights, metadata["data_hash"]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - the file is no mapping
            metadata = stored.metadata() or {}
    except FileNotFoundError as error:
        raise BadSettings(f"{path}: there is no such checkpoint") from error
    except (OSError, SafetensorError) as error:
        raise BadSettings(f"{path}: this is not a checkpoint: {error}") from error
    if not {"step", "settings", "data_hash"} <= set(metadata):
        raise BadSettings(f"{path}: these are tensors, but not a checkpoint")
    return tensors, metadata


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)
    }
