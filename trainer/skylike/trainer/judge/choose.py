"""From what a user names to the methods that are judged, and the stamps they want."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from skylike.service.encoder import TRAINING_KEY, Encoder
from skylike.service.errors import BadSettings
from skylike.service.stamp import StampSpec
from skylike.trainer import config, data
from skylike.trainer.config import NetworkSettings
from skylike.trainer.judge import methods
from skylike.trainer.judge.astromorph import astromorph
from skylike.trainer.judge.methods import Method

ALL = "baselines"
_LONG = "astromorph"


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What is judged.

    Attributes
    ----------
    methods
        Each once, in the order they were named.
    spec
        What stamps all of them want.
    baselines
        The names of all baselines there are.
    """

    methods: tuple[Method, ...]
    spec: StampSpec
    baselines: tuple[str, ...]


def choose(names: Sequence[str], images: Sequence[str], runs: Path) -> Chosen:
    """Understand names of methods.

    Parameters
    ----------
    names
        Model files (``.onnx``), recipes (``.toml``) and baselines by name;
        ``baselines`` stands for all of these but `astromorph`, which takes long.
    images
        The files that are judged by: their channels count where nothing else does.
    runs
        Folder of the recipes' training runs.

    Raises
    ------
    BadSettings
        If a name is neither a file nor a baseline, two files have one name, or models
        and recipes want different stamps.
    """
    models = [Path(name) for name in names if name.endswith(".onnx")]
    recipes = {
        name: [Path(one) for one in name.split("+")]
        for name in names
        if name.endswith(".toml")
    }
    for path in models:
        if not path.is_file():
            raise BadSettings(f"{path}: there is no such model")
    spec = _spec(models, [path for own in recipes.values() for path in own], images)
    known = methods.baselines(spec, _network(models))
    known[_LONG] = astromorph()
    _require_names_apart(
        [*models, *(p for own in recipes.values() for p in own)], known
    )
    found: list[Method] = []
    for name in names:
        if name == ALL:
            found += [method for key, method in known.items() if key != _LONG]
        elif name in known:
            found.append(known[name])
        elif name in recipes:
            found.append(methods.recipe(recipes[name], spec, runs))
        elif name.endswith(".onnx"):
            found.append(methods.model(Path(name)))
        else:
            raise BadSettings(
                f"{name!r} is no model (.onnx), no recipe (.toml) and none of the "
                f"baselines: {ALL}, {', '.join(known)}"
            )
    unique = {method.name: method for method in found}
    return Chosen(tuple(unique.values()), spec, tuple(known))


def _spec(
    models: Sequence[Path], recipes: Sequence[Path], images: Sequence[str]
) -> StampSpec:
    """The stamps that all models and recipes want; without any, those of the files."""
    wanted = {path: Encoder(path).spec for path in models}
    wanted |= {
        path: data.completed(config.load(path).stamp, images) for path in recipes
    }
    if not wanted:
        return data.majority_spec(images)
    (first, spec), *others = wanted.items()
    for path, other in others:
        differing = [
            name
            for name in StampSpec.model_fields
            if getattr(other, name) != getattr(spec, name)
        ]
        if differing:
            raise BadSettings(
                f"{path} and {first} want different stamps ({', '.join(differing)}): "
                "judge them one by one"
            )
    return spec


def _network(models: Sequence[Path]) -> NetworkSettings:
    """The network whose random weights are a baseline: the first model's."""
    for path in models[:1]:
        trained = Encoder(path).metadata.get(TRAINING_KEY)
        if trained is not None:
            return config.checked(path, json.loads(trained)).network
    return methods.RANDOM


def _require_names_apart(files: Sequence[Path], known: Iterable[str]) -> None:
    """Files are told apart by their names alone in the report and the folder of runs."""
    seen = {name: Path(name) for name in known}
    for path in files:
        other = seen.setdefault(path.stem, path)
        if other != path:
            raise BadSettings(
                f"{path} and {other} have one name in the report: rename the file"
            )
