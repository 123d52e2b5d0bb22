"""Which method finds the kinds of simulated sky, how it tells them, and how quickly.

Half of each sky is archived with 0.5 % artefacts, the other half is new and judged, and so
are other artefacts. Then an archive grows. SKIES=8101,8102 for other skies than one, each
drawn with its number as the seed; METHODS=kmeans for some methods only. Intervals are of
95 %, by Student's t over skies. By themselves: ``python -m tests.bench.kinds galaxies``
(EFIGI), and ``million``.
"""

import csv
import itertools
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from tests.bench import vectors as drawn_vectors
from tests.bench.measure import Measure
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import clusters
from skylike.service.clusters import (
    METHODS,
    NOWHERE,
    ClusterFit,
    Kinds,
    Settings,
    finding,
)
from skylike.service.encoder import BASE, Encoder
from skylike.trainer import data, sky

CACHE = Path("build/bench/kinds")
BAR_MILLISECONDS = 0.05  # to assign an object
BAR_KEPT = 0.95  # of the members, their labels with 5 % more objects
_SKIES = tuple(int(seed) for seed in os.environ.get("SKIES", "8101").split(","))
_METHODS = [name for name in METHODS if name in os.environ.get("METHODS", name)]
_OBJECTS, _ARTEFACTS = 5200, 0.04
_CONTAMINATION = 0.005
_SKEW = 0.75  # each family is so many times as frequent as the one before
_STEPS = 10  # of 5 %: with the ninth the archive is half as large again
_REAL = Path("../shared/data")
_MILLION = 1_000_000
_TOLD = (0.5, 0.9, 0.99, 0.999, 1.0)  # ends of bins of probability
_PURE = 0.9  # of a cluster that stands for a kind

Vectors = NDArray[np.float32]
Names = NDArray[np.str_]


class Sky(NamedTuple):
    """Vectors, the family of each, and which are artefacts."""

    vectors: Vectors
    kinds: Names
    is_artefact: NDArray[np.bool_]

    def at(self, chosen: NDArray[Any]) -> "Sky":
        """Some of them."""
        return Sky(*(one[chosen] for one in self))


def drawn(seed: int) -> Sky:
    """A simulated sky as skylike-base sees it; kept in `CACHE`."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{seed}.npz"
    if not path.exists():
        folder = CACHE / f"sky-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        encoder = Encoder(BASE)
        table = pq.read_table(
            sky.simulate(folder, _OBJECTS, seed, _ARTEFACTS, workers=1)
        )
        truth = {one["id"]: one for one in table.to_pylist()}
        stamps = data.load([folder], encoder.spec, workers=1)
        rows = [truth[path.stem] for path in stamps.paths]
        np.savez(
            path,
            vectors=encoder.embed(stamps.stamps),
            kinds=np.array([row["family"] for row in rows]),
            is_artefact=np.array([row["is_artefact"] for row in rows], np.bool_),
        )
        shutil.rmtree(folder)
    with np.load(path) as kept:
        return Sky(kept["vectors"], kept["kinds"], kept["is_artefact"])


def skewed(known: Sky, seed: int) -> Sky:
    """A part of a sky in which some families are rare; all of its artefacts."""
    random = np.random.default_rng(seed)
    names = random.permutation(np.unique(known.kinds[~known.is_artefact]))
    rank = {name: place for place, name in enumerate(names)}
    shares = np.array([_SKEW ** rank.get(kind, 0) for kind in known.kinds])
    return known.at(known.is_artefact | (random.random(len(shares)) < shares))


def fitted(vectors: Vectors, settings: Settings, **beside: Any) -> Kinds:
    """The clusters of vectors whose ids are their numbers."""
    return clusters.fit(vectors, np.arange(len(vectors)), str, settings, **beside)


def judged(known: Sky, settings: Settings, seed: int) -> dict[str, float]:
    """What a fit to half of a sky and some artefacts says of the others."""
    random = np.random.default_rng(seed)
    ordinary = random.permutation(np.flatnonzero(~known.is_artefact))
    artefacts = random.permutation(np.flatnonzero(known.is_artefact))
    old, new = np.array_split(ordinary, 2)
    count = round(_CONTAMINATION * len(old))
    archive = np.concatenate([old, artefacts[:count]])
    fit, membership = fitted(known.vectors[archive], settings)
    found = fit.members(known.vectors[new])
    kinds = known.kinds[new]
    inside = found.labels != NOWHERE
    purity = sum(
        np.unique(kinds[found.labels == label], return_counts=True)[1].max()
        for label in np.unique(found.labels[inside])
    )
    strange = fit.members(known.vectors[artefacts[count:]])
    told = _right(fit, membership.labels[: len(old)], known.kinds[old], found, kinds)
    return {
        "ari": adjusted_rand_score(kinds, found.labels),
        "nmi": normalized_mutual_info_score(kinds, found.labels),
        "purity": float(purity / max(1, inside.sum())),
        "stability": fit.stability,
        "in none": float((~inside).mean()),
        "artefacts in none": _mean(strange.labels == NOWHERE),
        "clusters": float(len(fit.labels)),
        **told,
        "one": milliseconds(fit, known.vectors[new[:1]], 2000),
        "many": milliseconds(fit, known.vectors[new], 5),
    }


def _right(
    fit: ClusterFit, old: NDArray[np.int32], old_kinds: Names, found: Any, kinds: Names
) -> dict[str, float]:
    """How often a cluster that stands for one kind is right, by probability told."""
    stands: dict[int, str] = {}
    for label in fit.labels.tolist():
        names, counts = np.unique(old_kinds[old == label], return_counts=True)
        if len(names) and counts.max() >= _PURE * counts.sum():
            stands[label] = str(names[counts.argmax()])
    right = np.array(
        [
            stands.get(int(one)) == kind
            for one, kind in zip(found.labels, kinds, strict=True)
        ]
    )
    sure = np.isin(found.labels, list(stands))
    of: dict[str, float] = {}
    for low, high in itertools.pairwise(_TOLD):
        some = sure & (found.probabilities > low) & (found.probabilities <= high)
        of[f"told {low} to {high}"] = _mean(found.probabilities[some])
        of[f"right {low} to {high}"] = _mean(right[some])
    return of


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else np.nan


def milliseconds(fit: ClusterFit, vectors: Vectors, rounds: int) -> float:
    """Of a core, for each object: the best of five."""
    best = np.inf
    # Threads that have nothing to do spin, and would count as work.
    with threadpool_limits(1):
        for _ in range(5):
            began = time.thread_time()
            for _ in range(rounds):
                fit.probabilities(vectors)
            best = min(best, time.thread_time() - began)
    return 1e3 * best / rounds / len(vectors)


def interval(values: Sequence[float]) -> float:
    """Half of the 95 % interval of the mean of two values or more."""
    number = len(values)
    spread = float(np.std(values, ddof=1)) / np.sqrt(number)
    return float(student.ppf(0.975, number - 1) * spread)


def compared(name: str, several: Sequence[Sky]) -> Iterator[Measure]:
    """The methods on several sets; all but hdbscan with the number a mixture chooses."""
    numbers: list[int] = []
    for method in METHODS:
        if method not in _METHODS and numbers:
            continue
        found = []
        for seed, one in enumerate(several):
            number = numbers[seed] if seed < len(numbers) else 0
            asked = 0 if method == "hdbscan" else number
            found.append(judged(one, Settings(method, asked, seed), seed))
        numbers = numbers or [int(one["clusters"]) for one in found]
        of: dict[str, float] = {"sets": len(several)}
        for key in found[0]:
            values = [one[key] for one in found if np.isfinite(one[key])]
            if values:
                of[key] = float(np.mean(values))
            if len(values) > 1:
                of[f"{key} ±"] = interval(values)
        yield Measure(
            f"kinds.{name}.{method}",
            of["ari"],
            "adjusted Rand index of new objects",
            of,
        )
        for size in ("one", "many"):
            yield Measure(
                f"kinds.{name}.{method}.assigned_{size}",
                of[size],
                "milliseconds of a core an object, without the model",
                {"bar": BAR_MILLISECONDS},
            )


def grown(several: Sequence[Sky]) -> Iterator[Measure]:
    """How many members keep their labels, 5 % more objects each time."""
    for method in _METHODS:
        steps, whole, looked = [], [], 0
        for seed, one in enumerate(several):
            random = np.random.default_rng(seed)
            ordinary = one.vectors[random.permutation(np.flatnonzero(~one.is_artefact))]
            counts = [int(len(ordinary) / 1.05**step) for step in range(_STEPS + 1)]
            settings = Settings(method, seed=seed)
            fit, before = fitted(ordinary[: counts[-1]], settings)
            first = before.labels
            for count in counts[-2::-1]:
                begun = fit.num_begun
                fit, after = fitted(ordinary[:count], settings, before=fit)
                steps.append(_kept(before.labels, after.labels))
                looked += fit.num_begun != begun
                before = after
            whole.append(_kept(first, before.labels))
        yield Measure(
            f"kinds.grown.{method}",
            min(steps),
            "share of members that keep their label with 5 % more, the worst of all steps",
            {
                "bar": BAR_KEPT,
                "skies": len(several),
                "steps": len(steps),
                "mean": float(np.mean(steps)),
                "of the first, after all": float(np.mean(whole)),
                "looked for anew": looked,
            },
        )


def _kept(old: NDArray[np.int32], new: NDArray[np.int32]) -> float:
    members = old != NOWHERE
    return float((new[: len(old)][members] == old[members]).mean())


def measure() -> list[Measure]:
    """All figures of this theme."""
    with threadpool_limits(1):
        skies = [drawn(seed) for seed in _SKIES]
        uneven = [skewed(one, seed) for seed, one in enumerate(skies)]
        return [
            *compared("balanced", skies),
            *compared("skewed", uneven),
            *grown(skies),
        ]


def galaxies() -> tuple[Vectors, Names]:
    """Vectors of EFIGI in grey, where it is at hand, and coarse Hubble types."""
    CACHE.mkdir(parents=True, exist_ok=True)
    source, path = _REAL / "efigi_dev", CACHE / "efigi.npz"
    if not path.exists():
        folder = CACHE / "efigi"
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, str(_REAL / "to_fits.py"), str(source), str(folder)]
        subprocess.run([*command, "--grey"], check=True, stdout=subprocess.DEVNULL)
        encoder = Encoder(BASE)
        found = data.load([folder], encoder.spec, workers=1)
        with (source / "labels.csv").open() as table:
            kinds = {
                Path(one["file"]).stem: one["coarse"] for one in csv.DictReader(table)
            }
        told = np.array([kinds[one.name.split(".")[0]] for one in found.paths])
        shutil.rmtree(folder)
        np.savez(path, vectors=encoder.embed(found.stamps), kinds=told)
    with np.load(path) as kept:
        return kept["vectors"], kept["kinds"]


def of_galaxies() -> Iterator[Measure]:
    """The same for EFIGI: one set, so no interval."""
    vectors, types = galaxies()
    ordinary = np.zeros(len(types), np.bool_)
    yield from compared("galaxies", [Sky(vectors, types, ordinary)])


def million() -> Iterator[Measure]:
    """Seconds and memory of a million vectors, and what the size of the sample changes."""
    known = drawn_vectors.base(drawn_vectors.NUM_DRAWN)
    vectors = np.array(np.load(drawn_vectors.extended(known, _MILLION, 1)))
    number = 0
    for method in _METHODS:
        asked = 0 if method == "hdbscan" else number
        began = time.perf_counter()
        fit, _ = fitted(vectors, Settings(method, asked))
        seconds = time.perf_counter() - began
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        of = {"clusters": float(len(fit.labels)), "asked for": asked, "GiB": most}
        yield Measure(f"kinds.million.{method}", seconds, "seconds", of)
        number = number or len(fit.labels)
    some = vectors[:100_000]
    for method in _METHODS:
        settings = Settings(method, 0 if method == "hdbscan" else number)
        labels = {}
        for size in (10_000, 20_000, 40_000):
            finding._SAMPLE = size
            labels[size] = fitted(some, settings).membership.labels
        less, more = (
            adjusted_rand_score(labels[20_000], labels[size])
            for size in (10_000, 40_000)
        )
        of = {"40,000": more, "objects": float(len(some))}
        yield Measure(
            f"kinds.sample.{method}", less, "ARI of 20,000 fitted with 10,000", of
        )


def main() -> None:
    """Print one of the parts that `make bench` leaves out."""
    parts: dict[str, Callable[[], Iterator[Measure]]] = {
        "galaxies": of_galaxies,
        "million": million,
    }
    with threadpool_limits(1):
        for one in parts[sys.argv[1]]():
            of = ", ".join(f"{key} {value:.4g}" for key, value in one.of.items())
            sys.stdout.write(f"{one.name} {one.value:.4g}: {of}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
