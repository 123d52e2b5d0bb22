"""What can be judged: a model, a recipe, or a cheap baseline.

A method learns from images, without labels, and then describes images. Baselines are
whitened exactly as the model is, and the number of axes that suits the labels best is
chosen for them: an advantage that no model gets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from skylike.service.encoder import Encoder
from skylike.service.stamp import StampSpec
from skylike.trainer import config, train
from skylike.trainer.checkpoint import load_encoder
from skylike.trainer.config import NetworkSettings
from skylike.trainer.data import StampSet
from skylike.trainer.embedder import Embedder
from skylike.trainer.judge import descriptors
from skylike.trainer.judge.descriptors import Stamps

DIMENSIONS = (16, 32, 64, 128)

Features = NDArray[np.float32]
Describe = Callable[[Stamps], Features]


@dataclass(frozen=True, slots=True)
class Method:
    """Something that turns stamps into vectors.

    Attributes
    ----------
    name
        As the report calls it.
    learn
        From stamps to learn from and a seed to what describes stamps.
    dimensions
        To how many axes its features are whitened; the best is taken. Empty where
        vectors come whitened and of unit norm.
    is_learned
        Whether it depends on the stamps it learns from.
    is_seeded
        Whether it depends on the seed.
    is_classical
        Whether its features are statistics, which the field classifies by forests and
        support vector machines.
    """

    name: str
    learn: Callable[[Stamps, int], Describe]
    dimensions: tuple[int, ...] = DIMENSIONS
    is_learned: bool = False
    is_seeded: bool = False
    is_classical: bool = False


def baselines(spec: StampSpec, network: NetworkSettings) -> dict[str, Method]:
    """Every built-in baseline by name, for stamps of one kind."""

    def fixed(
        name: str,
        describe: Callable[[Stamps, StampSpec], Features],
        *,
        is_classical: bool = False,
    ) -> Method:
        return Method(
            name,
            lambda _, seed: lambda stamps: describe(stamps, spec),
            is_classical=is_classical,
        )

    def random(_: Stamps, seed: int) -> Describe:
        embedder = Embedder.build(spec, network, None, seed)
        learned = embedder.num_learned

        def describe(stamps: Stamps) -> Features:
            found = embedder.in_batches(torch.from_numpy(stamps), raw=True)
            return found[:, :learned].numpy()

        return describe

    found = [
        fixed("pca", descriptors.pixels),
        Method("random", random, is_seeded=True),
        fixed("profile", descriptors.radial_profile),
        fixed("polar", descriptors.polar_fourier),
        fixed("classical", descriptors.classical, is_classical=True),
        fixed("scattering", descriptors.scattering),
    ]
    return {method.name: method for method in found}


def model(path: Path) -> Method:
    """A model file, as it is served."""
    encoder = Encoder(path)
    return Method(path.stem, lambda *_: encoder.embed, dimensions=())


def recipe(path: Path, spec: StampSpec, runs: Path) -> Method:
    """A recipe, trained on what the baselines are fitted on.

    Parameters
    ----------
    path
        TOML file.
    spec
        What the stamps are; the recipe's own is not used.
    runs
        Folder of the training runs. One that is there already is finished, or taken
        as it is.
    """
    settings = config.load(path).model_copy(update={"stamp": spec})

    def learn(stamps: Stamps, seed: int) -> Describe:
        chosen = settings.model_copy(update={"seed": seed})
        known = StampSet(stamps, (), ())
        out = runs / f"{path.stem}-{known.data_hash()[:12]}-{seed}"
        return trained(train.train(known, chosen, out), known)

    return Method(path.stem, learn, (), is_learned=True, is_seeded=True)


def trained(checkpoint: Path, known: StampSet) -> Describe:
    """A trained network, whitened on what it learned from."""
    settings, weights, _ = load_encoder(checkpoint)
    embedder = Embedder.build(settings.stamp, settings.network, weights)
    embedder.whiten(torch.from_numpy(known.stamps))
    return lambda stamps: embedder.in_batches(torch.from_numpy(stamps)).numpy()
