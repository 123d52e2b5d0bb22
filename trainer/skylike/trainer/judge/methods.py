"""What can be judged: a model, a recipe, or a cheap baseline.

A method learns from images, without labels, and then describes images. Baselines are
whitened in the same way as the model, and the number of axes and the shrinkage that suit the
labels best are chosen for them: an advantage that no model gets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skylike.service.encoder import Encoder
from skylike.service.stamp import StampSpec
from skylike.trainer import config, train
from skylike.trainer.config import NetworkSettings
from skylike.trainer.data import StampSet
from skylike.trainer.embedder import Embedder
from skylike.trainer.export import load_embedder
from skylike.trainer.judge import descriptors
from skylike.trainer.judge.descriptors import Stamps


class Choice(NamedTuple):
    """How features are whitened."""

    dimension: int
    shrinkage: float


CHOICES = tuple(Choice(d, s) for s in (0.1, 3.0) for d in (16, 32, 64, 128))

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
    choices
        How its features are whitened; the best is taken. Empty where vectors come
        whitened and of unit norm.
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
    choices: tuple[Choice, ...] = CHOICES
    is_learned: bool = False
    is_seeded: bool = False
    is_classical: bool = False


# The best of the networks tried with random weights.
RANDOM = NetworkSettings(kind="light", width=24, output="features")


def baselines(spec: StampSpec, network: NetworkSettings) -> dict[str, Method]:
    """Every built-in baseline by name, for stamps of one kind.

    The network is that of `random`.
    """

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
    return Method(path.stem, lambda *_: encoder.embed, choices=())


def recipe(paths: Sequence[Path], spec: StampSpec, runs: Path) -> Method:
    """A recipe, trained on what the baselines are fitted on; or several, side by side.

    Parameters
    ----------
    paths
        TOML files.
    spec
        What the stamps are.
    runs
        Folder of the training runs. One that is there already is finished, or taken
        as it is.
    """
    recipes = {
        path.stem: config.load(path).model_copy(update={"stamp": spec})
        for path in paths
    }

    def learn(stamps: Stamps, seed: int) -> Describe:
        known = StampSet(stamps, (), ())
        first, *others = (
            train.train(
                known,
                settings.model_copy(update={"seed": seed}),
                runs / f"{name}-{known.data_hash()[:12]}-{seed}",
            )
            for name, settings in recipes.items()
        )
        _, _, embedder = load_embedder(first, others)
        return whitened(embedder, known)

    return Method("+".join(recipes), learn, (), is_learned=True, is_seeded=True)


def whitened(embedder: Embedder, known: StampSet) -> Describe:
    """A trained network, whitened on what it learned from."""
    embedder.whiten(torch.from_numpy(known.stamps))
    return lambda stamps: embedder.in_batches(torch.from_numpy(stamps)).numpy()
