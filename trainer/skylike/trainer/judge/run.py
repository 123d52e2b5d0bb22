"""From names of methods and folders of files to the report."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from skylike.service.errors import BadInput
from skylike.service.fits.address import text
from skylike.service.sources import find_images
from skylike.trainer import data
from skylike.trainer.data import StampSet
from skylike.trainer.judge import picture, report
from skylike.trainer.judge.audit import COVARIATES
from skylike.trainer.judge.bootstrap import NUM_SAMPLES
from skylike.trainer.judge.choose import choose
from skylike.trainer.judge.judge import Protocol, Subject, judge
from skylike.trainer.judge.labels import Labels
from skylike.trainer.judge.quantity import condition, quantity

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
        As `choose` takes them.
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
        If methods cannot be judged together, labels are ambiguous, or a quantity is
        not in the tables.
    """
    protocol = protocol or Protocol()
    images = find_images([archive])
    chosen = choose(names, images, out / "runs")
    files = data.load([archive], chosen.spec, progress=progress)
    others = (
        data.load([learn_from], chosen.spec, progress=progress) if learn_from else None
    )
    subject = _subject(images, files, known, parameters, where, others)
    results = [
        judge(method, subject, protocol)
        for method in tqdm(
            chosen.methods, desc="judging", unit="method", disable=not progress
        )
    ]
    rejects = [*files.rejects, *(others.rejects if others else ())]
    facts = {
        "archive": str(archive),
        "objects": len(subject.kinds),
        "without_a_kind": len(files.paths) - len(subject.kinds),
        "left_out": len(rejects),
        "kinds": _counts(subject.kinds.tolist()),
        "parameters_known_of": {
            name: int(np.isfinite(values).sum())
            for name, values in subject.parameters.items()
        },
        "learned_from": str(learn_from)
        if learn_from
        else f"other of {protocol.num_folds} folds",
        "seeds": protocol.num_seeds,
        "bootstrap_samples": NUM_SAMPLES,
    }
    found = report.summary(results, chosen.baselines, facts)
    found["left_out"] = [asdict(reject) for reject in rejects]
    report.write(found, out)
    picture.draw(found, out / "report.png")
    return found


def _counts(values: Iterable[str]) -> dict[str, int]:
    names, counts = np.unique(list(values), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _subject(
    images: Sequence[str],
    files: StampSet,
    known: Labels,
    parameters: Sequence[str],
    where: Sequence[str],
    others: StampSet | None,
) -> Subject:
    # Of all images, so that none takes the label of one that gave no stamp.
    told = known.of([Path(image) for image in images])
    number = {text(image): i for i, image in enumerate(images)}
    places = [number[str(path)] for path in files.paths]
    chosen = [i for i, place in enumerate(places) if told.kinds[place] is not None]
    if not chosen:
        raise BadInput(
            f"the labels name none of {len(places)} files; the files are named like "
            f"{files.paths[0].name if files.paths else ''!r}, the labels are for "
            f"{known.example()!r} and so on",
            reason="too_few",
        )
    labelled = [places[i] for i in chosen]
    columns = {name: values[labelled] for name, values in told.quantities.items()}
    counts = np.ones(len(chosen), bool)
    for words in where:
        counts &= condition(words, columns)
    return Subject(
        stamps=files.stamps[chosen],
        kinds=np.array([told.kinds[place] for place in labelled]),
        parameters={
            name: np.where(counts, quantity(name, columns), np.nan)
            for name in parameters
        },
        covariates={
            name: column for name, column in columns.items() if name in _OBSERVATION
        },
        others=others.stamps if others else None,
    )
