"""What scores find: rare kinds and artefacts in drawn skies, by skylike-base, untaught.

In each of three skies (drawn with seeds that nothing was chosen on) every family is rare
once: archives of 6,000 objects hold as many of five families together as artefacts, 0.5 %
in all or 0.5 % of both; all others are ordinary. Counted is what is among the 2 % that
score highest. Intervals are of 95 %: over archives, by Student's t, for what is a mean of
all, Wilson's for one kind. Beside the scores stand two that know what is odd, for what the
vectors would allow.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from tests.bench.measure import Measure

from skylike.service.anomaly import PARTS, AnomalyFit, Surrounding, fit, num_neighbors
from skylike.service.encoder import BASE, Encoder
from skylike.trainer import data, sky

CACHE = Path("build/bench/anomalies")
SEEDS = (707, 808, 909)
_DRAWN, _ARTEFACTS = 12_000, 500
_ARCHIVE, _TOP = 6_000, 0.02
_SHARES = {"0.5_percent_in_all": 0.0025, "0.5_percent_of_both": 0.005}
_RARE = 5  # families that are rare at the same time
_NEW = 1000  # objects that are timed

Drawn = Mapping[str, NDArray[np.generic]]


def drawn(seed: int) -> Drawn:
    """Vectors, families, signal to noise and beam of a sky; kept in `CACHE`."""
    path = CACHE / f"{seed}.npz"
    if not path.exists():
        encoder = Encoder(BASE)
        parts: dict[str, list[NDArray[np.generic]]] = {}
        for name, count, share in (
            ("sky", _DRAWN, 0.0),
            ("artefacts", _ARTEFACTS, 1.0),
        ):
            folder = CACHE / f"{name}-{seed}"
            table = pq.read_table(sky.simulate(folder, count, seed, share))
            truth = {one["id"]: one for one in table.to_pylist()}
            stamps = data.load([folder], encoder.spec)
            rows = [truth[path.stem] for path in stamps.paths]
            parts.setdefault("vectors", []).append(encoder.embed(stamps.stamps))
            for column in ("family", "is_artefact", "snr", "psf_fwhm_px"):
                values = np.array([row[column] for row in rows])
                parts.setdefault(column, []).append(values)
        whole: dict[str, Any] = {n: np.concatenate(one) for n, one in parts.items()}
        np.savez(path, **whole)
    with np.load(path) as found:
        return dict(found)


def measure() -> list[Measure]:
    """All figures of this theme."""
    return [one for odd, share in _SHARES.items() for one in measured(odd, share)]


def measured(odd: str, share: float) -> list[Measure]:
    """The figures of archives with such a share of each, rare kinds and artefacts."""
    found: dict[str, list[tuple[str, bool, int]]] = {}
    correlations: dict[str, list[tuple[float, float]]] = {}
    seconds: list[float] = []
    alone: list[float] = []
    archives = 0
    for seed in SEEDS:
        known = drawn(seed)
        for chosen, is_odd in _archives(known, seed, share):
            vectors = known["vectors"][chosen].astype(np.float32)
            columns = {
                "snr": known["snr"][chosen].astype(float),
                "stamp_resolution_pixels": known["psf_fwhm_px"][chosen].astype(float),
            }
            near = _nearest(vectors)
            none = vectors[:0]
            made, scores, controlled = fit(
                np.arange(len(vectors)),
                vectors,
                near,
                calibration=none,
                near_calibration=Surrounding(near.rows[:0], near.distances[:0]),
                columns=columns,
                seed=seed,
            )
            for one in made.control.correlations:
                pair = (one.score, one.controlled)
                correlations.setdefault(one.name, []).append(pair)
            families = known["family"][chosen][is_odd]
            ways = _scores(made, vectors, near, scores, controlled)
            for name, told in (ways | _taught(known, chosen, is_odd)).items():
                order = np.lexsort((-scores, -told))
                top = np.zeros(len(told), np.bool_)
                top[order[: round(_TOP * len(told))]] = True
                lines = zip(families.tolist(), top[is_odd].tolist(), strict=True)
                found.setdefault(name, []).extend((*one, archives) for one in lines)
            seconds.append(_seconds(made, vectors[:_NEW], near))
            alone.append(_seconds(made, vectors[:_NEW], near, at_once=1))
            archives += 1
    artefacts = set(
        np.unique(drawn(SEEDS[0])["family"][drawn(SEEDS[0])["is_artefact"]])
    )
    return [
        *(_recall(odd, name, lines, artefacts) for name, lines in found.items()),
        _gain(odd, found["score"], found["by densities"]),
        *(_correlation(odd, name, pairs) for name, pairs in correlations.items()),
        Measure(
            f"anomalies.{odd}.judged",
            1e3 * float(np.median(seconds)),
            "milliseconds of a core an object, a thousand together, without the search",
            {"archives": archives},
        ),
        Measure(
            f"anomalies.{odd}.judged_alone",
            1e3 * float(np.median(alone)),
            "milliseconds of a core an object, one by one, without the search",
            {"archives": archives},
        ),
    ]


def _archives(
    known: Drawn, seed: int, share: float
) -> Sequence[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Objects of each archive, and which of them are odd."""
    random = np.random.default_rng(seed)
    family, is_artefact = known["family"], known["is_artefact"].astype(bool)
    kinds = random.permutation(np.unique(family[~is_artefact]))
    num_odd = round(share * _ARCHIVE)
    found = []
    for start in range(0, len(kinds), _RARE):
        is_rare = np.isin(family, kinds[start : start + _RARE])
        odd = [
            random.choice(np.flatnonzero(some), num_odd, replace=False)
            for some in (is_rare, is_artefact)
        ]
        ordinary = random.choice(
            np.flatnonzero(~is_rare & ~is_artefact),
            _ARCHIVE - 2 * num_odd,
            replace=False,
        )
        chosen = np.concatenate([ordinary, *odd])
        found.append((chosen, np.arange(_ARCHIVE) >= len(ordinary)))
    return found


def _nearest(vectors: NDArray[np.float32]) -> Surrounding:
    k = num_neighbors(len(vectors))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    rows = np.argpartition(-cosines, k, axis=1)[:, :k]
    near = np.take_along_axis(cosines, rows, axis=1)
    order = np.argsort(-near, axis=1)
    return Surrounding.of(
        np.take_along_axis(rows, order, axis=1), np.take_along_axis(near, order, axis=1)
    )


def _scores(
    made: AnomalyFit,
    vectors: NDArray[np.float32],
    near: Surrounding,
    scores: NDArray[np.float64],
    controlled: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Every way to rank an archive, and combinations of them by ranks."""
    nearness = made.crowd.nearness(near)
    parts = dict(
        zip(
            PARTS,
            (
                *nearness[1:],
                made.forest.scores(vectors),
                made.mixture.scores(vectors),
            ),
            strict=True,
        )
    )
    crowded = near.distances[:, :5].mean(axis=1)[near.rows].mean(axis=1)
    parts["ratio of distances"] = nearness.mean_distance / crowded ** (2 / 3)
    reached = made.crowd.spacing
    parts["by densities"] = reached ** (1 / 3) * nearness.density_ratio ** (2 / 3)
    tails = {name: -np.log(1 - _ranks(one)) for name, one in parts.items()}
    own = -np.log(1 - _ranks(scores))
    return {
        "score": scores,
        "given signal to noise and beam": controlled,
        **parts,
        "score, mixture by ranks": own + tails["mixture"],
        "score, mixture, forest by ranks": own
        + tails["mixture"]
        + tails["isolation_forest"],
        "score, tenth of mixture by ranks": own + 0.1 * tails["mixture"],
        "ratio, mean by ranks": tails["density_ratio"] + tails["mean_distance"],
    }


def _taught(
    known: Drawn, chosen: NDArray[np.int64], is_odd: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """What logistic regressions tell that know what is odd: of others, or of this archive."""
    vectors = known["vectors"].astype(np.float64) * np.sqrt(known["vectors"].shape[1])
    own, kinds = vectors[chosen], known["family"]
    other = np.setdiff1d(np.arange(len(vectors)), chosen)
    model = LogisticRegression(C=0.1, max_iter=200).fit(vectors[other], kinds[other])
    # As frequent as in the archive, not as in what it was taught by.
    frequent, usual = (
        np.array([np.count_nonzero(kinds[some] == kind) for kind in model.classes_])
        for some in (chosen, other)
    )
    shares = model.predict_proba(own) * ((frequent + 0.5) / usual)
    of_odd = np.isin(model.classes_, np.unique(kinds[chosen][is_odd]))
    within = np.empty(len(own))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for some, rest in folds.split(own, is_odd):
        part = LogisticRegression(C=0.01, class_weight="balanced", max_iter=200)
        within[rest] = part.fit(own[some], is_odd[some]).decision_function(own[rest])
    return {
        "taught by all others": shares[:, of_odd].sum(axis=1) / shares.sum(axis=1),
        "taught by the archive": within,
    }


def _gain(
    odd: str,
    lines: Sequence[tuple[str, bool, int]],
    before: Sequence[tuple[str, bool, int]],
) -> Measure:
    """How much more one finds than the other, archive by archive."""
    pairs = zip(lines, before, strict=True)
    gain, low, high = _mean([(a[0], a[1] - b[1], a[2]) for a, b in pairs])
    unit = "recall of the score less that by densities, paired by archives"
    return Measure(f"anomalies.{odd}.gain", gain, unit, {"low": low, "high": high})


def _ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share below each, half of itself counted."""
    places = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    shares: NDArray[np.float64] = (places + 0.5) / len(scores)
    return shares


def _seconds(
    made: AnomalyFit,
    vectors: NDArray[np.float32],
    near: Surrounding,
    at_once: int = _NEW,
) -> float:
    each = [Surrounding(r[None], d[None]) for r, d in zip(*near, strict=True)][:_NEW]
    began = time.process_time()
    for start in range(0, len(vectors), at_once):
        part = slice(start, start + at_once)
        made.judged(vectors[part], each[part])
    return (time.process_time() - began) / len(vectors)


def _recall(
    odd: str, name: str, lines: Sequence[tuple[str, bool, int]], artefacts: set[str]
) -> Measure:
    of: dict[str, float] = {}
    groups = {
        "rare families": [one for one in lines if one[0] not in artefacts],
        "artefacts": [one for one in lines if one[0] in artefacts],
    }
    mean, low, high = _mean(lines)
    of |= {"low": low, "high": high}
    for group, some in groups.items():
        centre, *ends = _mean(some)
        of |= {group: centre, f"{group} low": ends[0], f"{group} high": ends[1]}
    for family in sorted({one[0] for one in lines}):
        hits = [is_top for kind, is_top, _ in lines if kind == family]
        of[family] = float(np.mean(hits))
        of[f"{family} low"], of[f"{family} high"] = _wilson(sum(hits), len(hits))
    label = name.replace(",", "").replace(" ", "_")
    unit = "share of what is odd among the 2 % that score highest"
    return Measure(f"anomalies.{odd}.recall.{label}", mean, unit, of)


def _mean(lines: Sequence[tuple[str, int, int]]) -> tuple[float, float, float]:
    """The mean over archives, with its interval of 95 % by Student's t."""
    by_archive: dict[int, list[int]] = {}
    for _, is_top, archive in lines:
        by_archive.setdefault(archive, []).append(is_top)
    means = [np.mean(some) for some in by_archive.values()]
    error = float(np.std(means, ddof=1)) / np.sqrt(len(means))
    error *= float(student.ppf(0.975, len(means) - 1))
    return (
        float(np.mean(means)),
        float(np.mean(means) - error),
        float(np.mean(means) + error),
    )


def _wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, JASA 22, 209)."""
    z = 1.96
    centre = (hits + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * np.sqrt(hits * (count - hits) / count + z * z / 4)
    return float(centre - half), float(centre + half)


def _correlation(odd: str, name: str, pairs: Sequence[tuple[float, float]]) -> Measure:
    before, after = np.mean(pairs, axis=0)
    errors = np.std(pairs, axis=0, ddof=1) / np.sqrt(len(pairs))
    return Measure(
        f"anomalies.{odd}.correlation.{name}",
        float(before),
        "Spearman's correlation of the score with it",
        {
            "standard_error": float(errors[0]),
            "controlled": float(after),
            "controlled_standard_error": float(errors[1]),
        },
    )
