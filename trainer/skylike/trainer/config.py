"""Settings of a training run: one TOML file into frozen models.

Unknown keys are refused. The settings are saved with every run and travel in
the metadata of the exported model.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from skylike.service.errors import BadSettings
from skylike.service.stamp import StampSpec

Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkSettings(_Section):
    """The backbone and its two heads."""

    kind: Literal["equivariant", "light", "resnet18"] = "equivariant"
    """``equivariant``: a small network that turns with the image; ``light``: a small
    ResNet; or ResNet-18."""
    layers: int = Field(default=4, ge=1, le=4)
    """How many of its four layers are kept."""
    width: int = Field(default=16, ge=4, le=256)
    """Channels of a small network's first layer; each layer doubles them. A multiple of
    8 for the equivariant one."""
    hidden: int = Field(default=512, ge=8)
    """Hidden units of the projection and prediction heads."""
    projection: int = Field(default=128, ge=8)
    """Length of the projections that the loss compares."""
    output: Literal["features", "projection"] = "projection"
    """What is exported, whitened: the backbone's features, or their projections."""
    dimension: int = Field(default=128, ge=2)
    """Length D of the exported, whitened vectors."""
    shrinkage: float = Field(default=1.0, ge=0)
    """How far whitening lifts the variances of all axes, as a share of their mean; the
    larger, the more those that vary most count."""
    polar_spread: float = Field(default=0.3, gt=0)
    """Spread of the polar Fourier amplitudes, in that of all that was learned."""
    forget_depth: bool = True
    """Whether what tells the signal to noise is taken out of the exported vectors."""
    d4: bool = True
    """Whether the exported model averages over the eight rotations and flips; nothing
    to do for the equivariant one."""

    @pydantic.model_validator(mode="after")
    def _orientations_share_the_width(self) -> Self:
        if self.kind == "equivariant" and self.width % 8:
            raise ValueError("the width of an equivariant network is a multiple of 8")
        return self


class ViewSettings(_Section):
    """How far two views of one object may differ; drawn for each image and view."""

    zoom: float = Field(default=1.4, ge=1)
    """Largest factor of enlargement, and of shrinking; log-uniform."""
    shift: Share = 0.06
    """Largest shift, as a share of the side."""
    stretch: float = Field(default=1.0, ge=1)
    """Largest factor between the scales of two perpendicular axes."""
    blur_share: Share = 0.3
    """Share of views that are blurred."""
    blur_pixels: float = Field(default=1.2, gt=0)
    """Largest sigma of the blur; uniform from 0."""
    depth_share: Share = 0.8
    """Share of views that are made shallower."""
    depth: float = Field(default=0.3, gt=0, le=1)
    """Smallest factor on the signal-to-noise ratio."""
    gain: float = Field(default=0.3, ge=0, lt=1)
    """Largest relative change of the stretched brightness."""
    band_gain: float = Field(default=0.2, ge=0, lt=1)
    """Largest relative change of each band beside that."""
    offset_sigma: float = Field(default=0.1, ge=0)
    """Standard deviation of a change of the background."""
    blank_share: Share = 0.2
    """Share of views with blank patches."""
    band_dropout: Share = 0.1
    """Share of views that lose one of several bands."""


class TrainSettings(_Section):
    """A whole training run."""

    stamp: StampSpec = StampSpec()
    """What stamps the model wants."""
    network: NetworkSettings = NetworkSettings()
    """The network."""
    views: ViewSettings = ViewSettings()
    """The augmentation."""
    steps: int = Field(default=2000, ge=1)
    """Optimiser steps. Small archives need steps, not epochs."""
    batch: int = Field(default=64, ge=2)
    """Objects per step; two views are made of each."""
    learning_rate: float = Field(default=1.5e-3, gt=0)
    """Peak rate of AdamW, reached after the warm-up."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decay of the weights; biases and normalisation are exempt."""
    warmup: Share = 0.05
    """Share of the steps over which the rate rises."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How it goes on from its peak: to 0 along half a cosine or a line, or not at all."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    tau: Share = 0.95
    """How much the target keeps of itself at the first step; rises to 1."""
    initial: Literal["skylike-base"] | Path | None = None
    """Checkpoint whose weights a run begins with; of one channel, if it likes.
    ``skylike-base`` comes with the package."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Fixes initial weights, order and views."""
    threads: int = Field(default=0, ge=0)
    """Threads of torch; 0 leaves the choice to it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; ``auto`` takes CUDA where there is one."""
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the stamps that are not learned from; their loss is recorded."""
    patience: int = Field(default=0, ge=0)
    """Checkpoints without a better `recall` after which a run ends; 0: it never does."""
    checkpoint_steps: int = Field(default=100, ge=1)
    """Steps between checkpoints and between lines of the log."""

    @pydantic.model_validator(mode="after")
    def _layers_halve_the_stamp(self) -> Self:
        # A ResNet pads; the polar amplitudes beside it want a centre between pixels.
        factor = 2 if self.network.kind == "resnet18" else 2**self.network.layers
        if self.stamp.size % factor:
            smaller = self.stamp.size // factor * factor
            raise ValueError(
                f"this network wants stamps of a size that is a multiple of {factor}, "
                f"not {self.stamp.size}: take {smaller or factor} or {smaller + factor}"
            )
        return self


def load(path: Path | None) -> TrainSettings:
    """Read settings from TOML, or the ``settings.json`` of a run.

    The defaults without a file.

    Raises
    ------
    BadSettings
        If the file is missing, is not TOML or JSON, or holds unknown keys or bad values.
    """
    if path is None:
        return TrainSettings()
    is_json = path.suffix == ".json"
    try:
        text = path.read_bytes().decode()
        found = json.loads(text) if is_json else tomllib.loads(text)
    except OSError as error:
        raise BadSettings(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        kind = "JSON" if is_json else "TOML"
        raise BadSettings(f"{path}: this is not {kind}: {error}") from error
    return checked(path, found)


def differences(one: BaseModel, other: BaseModel) -> list[str]:
    """What differs between two settings, such as ``network.width 16, here 24``."""
    found = []
    for name in type(one).model_fields:
        values = getattr(one, name), getattr(other, name)
        if values[0] == values[1]:
            continue
        if isinstance(values[0], BaseModel) and isinstance(values[1], BaseModel):
            found += [f"{name}.{text}" for text in differences(*values)]
        else:
            found.append(f"{name} {values[0]}, here {values[1]}")
    return found


def checked(path: Path, found: object) -> TrainSettings:
    """Settings that a file holds.

    Raises
    ------
    BadSettings
        If there are unknown keys or bad values.
    """
    try:
        return TrainSettings.model_validate(found)
    except pydantic.ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors()
        )
        raise BadSettings(f"{path}: {problems}") from error
