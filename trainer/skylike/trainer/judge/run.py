"""From names of methods and folders of files to the report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from skylike.service.encoder import TRAINING_KEY, Encoder
from skylike.service.errors import BadInput, BadSettings
from skylike.service.sources import find_images
from skylike.service.stamp import StampSpec
from skylike.trainer import config, data
from skylike.trainer.config import NetworkSettings
from skylike.trainer.data import StampSet
from skylike.trainer.judge import labels, methods, picture, report
from skylike.trainer.judge.astromorph import astromorph
from skylike.trainer.judge.audit import COVARIATES
from skylike.trainer.judge.bootstrap import NUM_SAMPLES
from skylike.trainer.judge.judge import Protocol, Subject, judge
from skylike.trainer.judge.labels import Labels
from skylike.trainer.judge.methods import Method
from skylike.trainer.judge.quantity import condition, quantity

ALL = "baselines"
_OBSERVATION = {"axis_ratio"}.union(
    *((*covariate.columns, covariate.unit) for covariate in COVARIATES)
)


def evaluate(
    names: Sequence[str],
    archive: Path,
    known: Labels,
    out: Path,
    *,
    learn_from: Path | None = None,
    parameters: Sequence[str] = (),
    where: Sequence[str] = (),
    protocol: Protocol | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Judge methods by the labelled files of an archive, and write the report.

    Parameters
    ----------
    names
        Model files (``.onnx``), recipes (``.toml``) and baselines by name;
        ``baselines`` stands for all of these but `astromorph`, which takes long.
    archive
        Folder of the files that are judged by.
    known
        Their kinds and quantities.
    out
        Folder for ``report.json``, ``report.md``, ``report.png`` and the runs of
        recipes, which are taken up again where they are found.
    learn_from
        Folder of the files that methods learn from, by default the other folds.
    parameters
        Quantities that vectors should tell: columns, or quotients ``a/b`` of two.
    where
        Conditions, such as ``a>=30`` or ``a>=2*b``, that an object must fulfil to count
        in these.
    protocol
        How often and how.
    progress
        Whether to show bars.

    Returns
    -------
    dict
        What ``report.json`` holds.

    Raises
    ------
    BadInput
        ``too_few`` if too few files have labels.
    BadSettings
        If a name is neither a file nor a baseline, a quantity is not in the tables, or
        models and recipes want different stamps.
    """
    protocol = protocol or Protocol()
    spec, network = _wanted(names, archive)
    cheap = methods.baselines(spec, network)
    chosen = _methods(names, cheap | {"astromorph": astromorph()}, spec, out)
    files = data.load([archive], spec, progress=progress)
    others = data.load([learn_from], spec, progress=progress) if learn_from else None
    subject = _subject(files, known, parameters, where, others)
    results = [
        judge(method, subject, protocol)
        for method in tqdm(chosen, desc="judging", unit="method", disable=not progress)
    ]
    facts = {
        "archive": str(archive),
        "objects": len(subject.kinds),
        "kinds": {
            str(k): int((subject.kinds == k).sum()) for k in np.unique(subject.kinds)
        },
        "learned_from": str(learn_from)
        if learn_from
        else f"other of {protocol.num_folds} folds",
        "seeds": protocol.num_seeds,
        "bootstrap_samples": NUM_SAMPLES,
    }
    found = report.summary(results, [*cheap, "astromorph"], facts)
    report.write(found, out)
    picture.draw(found, out / "report.png")
    return found


def _wanted(names: Sequence[str], archive: Path) -> tuple[StampSpec, NetworkSettings]:
    """What stamps are made, and the network whose random weights are a baseline."""
    models = [Path(name) for name in names if name.endswith(".onnx")]
    recipes = [
        Path(one) for name in names if name.endswith(".toml") for one in name.split("+")
    ]
    encoders = [Encoder(path) for path in models]
    images = find_images([archive])
    wanted = [encoder.spec for encoder in encoders]
    wanted += [data.completed(config.load(path).stamp, images) for path in recipes]
    for path, spec in zip([*models, *recipes], wanted, strict=True):
        differing = [
            name
            for name in StampSpec.model_fields
            if getattr(spec, name) != getattr(wanted[0], name)
        ]
        if differing:
            raise BadSettings(
                f"{path} and {[*models, *recipes][0]} want different stamps "
                f"({', '.join(differing)}): judge them one by one"
            )
    network = methods.RANDOM
    if encoders:
        trained = encoders[0].metadata.get(TRAINING_KEY)
        if trained is not None:
            network = config.checked(models[0], json.loads(trained)).network
    return wanted[0] if wanted else data.majority_spec(images), network


def _require_names_apart(names: Sequence[str], known: Sequence[str]) -> None:
    """Files are told apart by their names alone in the report and the folder of runs."""
    seen = {name: Path(name) for name in known}
    for path in (Path(one) for name in names for one in name.split("+")):
        other = seen.setdefault(path.stem, path)
        if other != path:
            raise BadSettings(
                f"{path} and {other} have one name in the report: rename the file"
            )


def _methods(
    names: Sequence[str], known: dict[str, Method], spec: StampSpec, out: Path
) -> list[Method]:
    _require_names_apart(names, list(known))
    found: list[Method] = []
    for name in names:
        path = Path(name)
        if name == ALL:
            found += [method for key, method in known.items() if key != "astromorph"]
        elif name in known:
            found.append(known[name])
        elif path.suffix == ".onnx":
            found.append(methods.model(path))
        elif path.suffix == ".toml":
            recipes = [Path(one) for one in name.split("+")]
            found.append(methods.recipe(recipes, spec, out / "runs"))
        else:
            raise BadSettings(
                f"{name!r} is no model (.onnx), no recipe (.toml) and none of the "
                f"baselines: {ALL}, {', '.join(known)}"
            )
    return list({method.name: method for method in found}.values())


def _subject(
    files: StampSet,
    known: Labels,
    parameters: Sequence[str],
    where: Sequence[str],
    others: StampSet | None,
) -> Subject:
    stems = [labels.file_stem(path.name) for path in files.paths]
    chosen = [i for i, stem in enumerate(stems) if stem in known.kinds]
    if not chosen:
        raise BadInput(
            f"the labels name none of {len(stems)} files; the files are named like "
            f"{stems[0] if stems else ''!r}, the labels are for "
            f"{next(iter(known.kinds), '')!r} and so on",
            reason="too_few",
        )
    stems = [stems[i] for i in chosen]
    columns = known.columns(stems)
    counts = np.ones(len(stems), bool)
    for text in where:
        counts &= condition(text, columns)
    return Subject(
        stamps=files.stamps[chosen],
        kinds=np.array([known.kinds[stem] for stem in stems]),
        parameters={
            text: np.where(counts, quantity(text, columns), np.nan)
            for text in parameters
        },
        covariates={
            name: column for name, column in columns.items() if name in _OBSERVATION
        },
        others=others.stamps if others else None,
    )
