"""How much ratings help, and how well is predicted: by skylike-base, on drawn and real sky.

A person who knows the truth rates what the service suggests, five times ten objects: a rare
kind 5, artefacts their tag, all else 0. Kinds are seen by nobody else. Drawn archives hold
0.5 % of the rare kind and of artefacts each, as drawn anew for each run from two skies; in
others four more kinds are as rare, and of no interest. Where EFIGI is at hand, nine tenths of it, with all there are of dE or Im. Told are the
rank-weighted score of the first 100 (Roberts et al. 2019, arXiv:1902.08627) and the share
of the rare kind among the first 2 %, by oddness and by what was taught, of all objects and
of those that nobody rated. Before and after are of the same run: intervals, 95 % by
Student's t over runs, are of their difference and of the logarithm of their ratio.

Predictions are cross-validated beside what is plainer, on the same parts.
"""

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from tests.bench import kinds
from tests.bench.measure import Measure

from skylike.service.collection import SkyObject
from skylike.service.encoder import BASE, Encoder
from skylike.service.engine import Engine, Opinion, Order, Wanted
from skylike.service.library import Library
from skylike.service.teaching import Examples, fit_classes, fit_quantity
from skylike.trainer import data, sky

CACHE = Path("build/bench/teaching")
_SKIES = (505, 909)
_DRAWN, _ARTEFACTS = 5000, 0.01
_RUNS = 10
_ARCHIVE, _SHARE = 5000, 0.005
_RARE = ("ring_galaxy", "ppdisc_crescent", "radio_bent", "merger", "point_source")
_REAL = ("Im", "dE")
_KNOWN = 3  # of the rare kind, rated before where nothing is odd about it
_ROUNDS, _EACH = 5, 10
_BUDGET, _TOP = 100, 0.02
_ARTEFACT = "artefact"
_LEARNED = 2000  # objects that predictions are compared on

Names = NDArray[np.str_]
Run = Mapping[str, float]


def drawn(seed: int) -> dict[str, NDArray[Any]]:
    """Vectors, kinds and signal to noise of a sky; kept in `CACHE`."""
    path = CACHE / f"{seed}.npz"
    if not path.exists():
        folder = CACHE / f"sky-{seed}"
        encoder = Encoder(BASE)
        table = pq.read_table(sky.simulate(folder, _DRAWN, seed, _ARTEFACTS, workers=1))
        truth = {one["id"]: one for one in table.to_pylist()}
        stamps = data.load([folder], encoder.spec, workers=1)
        rows = [truth[one.stem] for one in stamps.paths]
        names = [_ARTEFACT if one["is_artefact"] else one["family"] for one in rows]
        np.savez(
            path,
            vectors=encoder.embed(stamps.stamps),
            kinds=np.array(names),
            snr=np.array([one["snr"] for one in rows], float),
        )
    with np.load(path) as kept:
        return dict(kept)


def measure() -> list[Measure]:
    """All figures of this theme; those of EFIGI where it is at hand."""
    skies = [drawn(seed) for seed in _SKIES]
    vectors = np.concatenate([one["vectors"] for one in skies])
    names = np.concatenate([one["kinds"] for one in skies])
    found = []
    for rare in _RARE:
        for name, few in ((rare, (rare,)), (f"{rare}.of_{len(_RARE)}_rare", _RARE)):
            archives = [_archive(vectors, names, few, n) for n in range(_RUNS)]
            runs = [_run(*one, rare, n) for n, one in enumerate(archives)]
            found += _told(f"sky.{name}", runs)
    bright = skies[0]["kinds"] != _ARTEFACT
    some = {name: values[bright][:_LEARNED] for name, values in skies[0].items()}
    found.append(_quantity("log_snr", some["vectors"], np.log(some["snr"])))
    found.append(_classes("families", some["vectors"], some["kinds"]))
    try:
        galaxies, types = kinds.galaxies()
    except (OSError, ImportError):
        return found
    for rare, known in ((_REAL[0], 0), (_REAL[1], 0), (_REAL[1], _KNOWN)):
        runs = []
        for number in range(_RUNS):
            order = np.random.default_rng(number).permutation(len(types))
            some_of = order[: round(0.9 * len(order))]
            runs.append(_run(galaxies[some_of], types[some_of], rare, number, known))
        found += _told(f"efigi.{rare}" + f".{known}_known" * bool(known), runs)
    return [*found, _classes("efigi", galaxies, types)]


def _archive(
    vectors: Any, names: Names, rare: Sequence[str], number: int
) -> tuple[Any, Names]:
    random = np.random.default_rng(number)
    few = round(_SHARE * _ARCHIVE)
    some = [
        random.permutation(np.flatnonzero(names == kind))[:few]
        for kind in (*rare, _ARTEFACT)
    ]
    ordinary = np.flatnonzero(~np.isin(names, [*rare, _ARTEFACT]))
    rest = random.permutation(ordinary)[: _ARCHIVE - sum(map(len, some))]
    chosen = random.permutation(np.concatenate([*some, rest]))
    return vectors[chosen], names[chosen]


def _run(vectors: Any, names: Names, rare: str, number: int, known: int = 0) -> Run:
    """What an archive tells before and after fifty ratings."""
    kind_of = {f"o{n}": str(name) for n, name in enumerate(names)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Library(Path(folder) / "l") as library,
    ):
        archive = library.create("sky", BASE)
        archive.add([SkyObject(id) for id in kind_of], vectors)
        archive.fit(method="kmeans", number=2)  # clusters are not asked for
        engine = Engine(library)

        def listed(order: Order) -> list[str]:
            found = engine.anomalies("sky", Wanted(limit=1000), order)
            return [one.object.id for one in found.items]

        before = listed(Order.ODDEST)
        examples = [id for id, kind in kind_of.items() if kind == rare][:known]
        if examples:
            engine.rate("sky", "person", dict.fromkeys(examples, Opinion(5.0)))
        for turn in range(_ROUNDS):
            told = engine.suggestions("sky", num=_EACH, seed=_ROUNDS * number + turn)
            opinions: dict[str, Opinion | None] = {}
            for one in told.suggestions:
                kind = kind_of[one.object.id]
                score = 5.0 if kind == rare else 0.0
                opinions[one.object.id] = Opinion(score, is_artefact=kind == _ARTEFACT)
            engine.rate("sky", "person", opinions)
        rated = {one.id for one in archive.ratings().ratings}
        after = listed(Order.TAUGHT)
    is_rare = {id for id, kind in kind_of.items() if kind == rare}
    top = round(_TOP * len(kind_of))
    lists = {
        "before": before,
        "taught": after,
        "before_of_unrated": [id for id in before if id not in rated],
        "taught_of_unrated": [id for id in after if id not in rated],
    }
    found = {"rare": float(len(is_rare)), "rated": float(len(is_rare & rated))}
    for name, ids in lists.items():
        hits = np.array([id in is_rare for id in ids[: max(top, _BUDGET)]], float)
        weights = np.arange(_BUDGET, 0, -1)
        found[name] = float(weights @ hits[:_BUDGET] / weights.sum())
        there = len(is_rare - rated) if name.endswith("unrated") else len(is_rare)
        found[f"{name}_recall"] = float(hits[:top].sum() / max(there, 1))
    return found


def _told(name: str, runs: Sequence[Run]) -> list[Measure]:
    """Score and recall of an experiment, and what they were before."""
    columns = {key: np.array([one[key] for one in runs]) for key in runs[0]}
    made = []
    for suffix, unit in (
        ("", "rank-weighted score of the first 100"),
        ("_recall", "share of the rare kind in the first 2 %"),
        ("_of_unrated", "rank-weighted score of the first 100, without what was rated"),
    ):
        before, after = columns[f"before{suffix}"], columns[f"taught{suffix}"]
        of = {
            "runs": float(len(runs)),
            **_interval("taught", after),
            **_interval("before", before),
            **_interval("gain", after - before),
        }
        if (before > 0).all() and (after > 0).all():
            ratio = _interval("ratio", np.log(after / before))
            of |= {key: float(np.exp(value)) for key, value in ratio.items()}
        for key in ("rare", "rated"):
            of |= _interval(key, columns[key])
        made.append(
            Measure(
                f"teaching.{name}{suffix or '.score'}".replace("_recall", ".recall"),
                float(after.mean()),
                unit,
                of,
            )
        )
    return made


def _interval(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    """The mean, and the ends of its 95 % interval by Student's t."""
    mean = float(values.mean())
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1))
    half /= float(np.sqrt(len(values)))
    return {name: mean, f"{name} low": mean - half, f"{name} high": mean + half}


def _quantity(name: str, vectors: Any, values: Any) -> Measure:
    """How well a number is predicted: R squared, beside plainer models."""
    began = time.perf_counter()
    ours = fit_quantity(Examples(vectors, np.arange(len(vectors))), values)
    seconds = time.perf_counter() - began
    bare = {
        "k_nearest": KNeighborsRegressor(10, weights="distance"),
        "ridge": RidgeCV(np.logspace(-3, 3, 13)),
    }
    others = {
        key: float(r2_score(values, cross_val_predict(one, vectors, values, cv=5)))
        for key, one in bare.items()
    }
    told = ours.quality(0.9)
    of = others | {"coverage": told["coverage"], "seconds": seconds}
    of["objects"] = len(vectors)
    return Measure(f"teaching.predict.{name}", told["r_squared"], "R squared", of)


def _classes(name: str, vectors: Any, names: Names) -> Measure:
    """How well a class is predicted: the logarithmic loss, beside plainer models."""
    known, numbers = np.unique(names, return_inverse=True)
    began = time.perf_counter()
    ours = fit_classes(Examples(vectors, np.arange(len(vectors))), numbers, len(known))
    seconds = time.perf_counter() - began
    told = ours.quality(0.9)
    of = {"seconds": seconds, "objects": float(len(vectors))}
    for key in ("balanced_accuracy", "calibration_error", "coverage"):
        of[key] = told[key]
    bare: dict[str, Callable[[], Any]] = {
        "k_nearest": lambda: KNeighborsClassifier(10, weights="distance"),
        "logistic, a tenth of the penalty": lambda: LogisticRegression(C=100.0),
    }
    for key, make in bare.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = cross_val_predict(
                make(), vectors, numbers, cv=5, method="predict_proba"
            )
        of[key] = float(log_loss(numbers, shares))
        right = balanced_accuracy_score(numbers, shares.argmax(axis=1))
        of[f"{key}, balanced accuracy"] = float(right)
    return Measure(f"teaching.predict.{name}", told["log_loss"], "log loss", of)
