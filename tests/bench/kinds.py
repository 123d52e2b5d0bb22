"""``python -m tests.bench.kinds``: which method finds the kinds of simulated and real sky.

Half of each set is fitted, the other half is new to the fit and judged. With ``million``:
how long a million vectors take, and what the sample changes; with ``refit``: how many
members keep their labels when 100,000 vectors become 5 % more.
"""

import argparse
import csv
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from tests.bench.vectors import CACHE, NUM_DRAWN, Vectors, base, extended
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from skylike.service import clusters
from skylike.service.clusters import METHODS, NOWHERE, Kinds, Settings, finding
from skylike.service.encoder import BASE, Encoder
from skylike.trainer import data, sky
from skylike.trainer.sky.simulate import family_of

_SKIES = (8001, 8002, 7003)
_OBJECTS = 5000
_SKEW = 0.75  # each family is so many times as frequent as the one before
_REAL = Path("../shared/data")
_MILLION = 1_000_000

Names = NDArray[np.str_]


def drawn(seed: int) -> tuple[Vectors, Names]:
    """skylike-base's vectors of a simulated sky, and the family of each; kept."""
    path = CACHE / f"kinds-{seed}.npz"
    if not path.exists():
        folder = CACHE / f"kinds-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        encoder = Encoder(BASE)
        sky.simulate(folder, _OBJECTS, seed, workers=1)
        found = data.load([folder], encoder.spec, workers=1)
        numbers = [
            int(one.stem.rpartition("-")[2].split(".")[0]) for one in found.paths
        ]
        families = np.array([family_of(number, seed, 0.0) for number in numbers])
        shutil.rmtree(folder)
        np.savez(path, vectors=encoder.embed(found.stamps), kinds=families)
    with np.load(path) as kept:
        return kept["vectors"], kept["kinds"]


def skewed(vectors: Vectors, kinds: Names, seed: int) -> tuple[Vectors, Names]:
    """A part of a sky in which some families are rare."""
    random = np.random.default_rng(seed)
    names = random.permutation(np.unique(kinds))
    rank = np.argsort(names)[np.searchsorted(np.sort(names), kinds)]
    kept = random.random(len(kinds)) < _SKEW**rank
    return vectors[kept], kinds[kept]


def galaxies() -> tuple[Vectors, Names]:
    """Those of EFIGI in grey, where they are at hand, by coarse Hubble type."""
    source, path = _REAL / "efigi_dev", CACHE / "kinds-efigi.npz"
    if not path.exists():
        folder = CACHE / "kinds-efigi"
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


def fitted(vectors: Vectors, settings: Settings, **beside: Any) -> Kinds:
    """The clusters of vectors whose ids are their numbers."""
    return clusters.fit(vectors, np.arange(len(vectors)), str, settings, **beside)


def judged(
    vectors: Vectors, kinds: Names, settings: Settings, seed: int
) -> list[float]:
    """Of new objects: ARI, NMI, purity, stability, share in none; clusters, ms each."""
    order = np.random.default_rng(seed).permutation(len(vectors))
    known, new = np.array_split(order, 2)
    fit, _ = fitted(vectors[known], settings)
    start = time.perf_counter()
    fit.probabilities(vectors[new])
    per_object = 1e3 * (time.perf_counter() - start) / len(new)
    found = fit.members(vectors[new]).labels
    # Two parts of what is known, each fitted by itself.
    one, other = (
        fitted(vectors[part], settings).fit.members(vectors[new]).labels
        for part in np.array_split(known, 2)
    )
    inside = found != NOWHERE
    purity = sum(
        np.unique(kinds[new][found == label], return_counts=True)[1].max()
        for label in np.unique(found[inside])
    )
    return [
        adjusted_rand_score(kinds[new], found),
        normalized_mutual_info_score(kinds[new], found),
        float(purity / max(1, inside.sum())),
        adjusted_rand_score(one, other),
        float(1 - inside.mean()),
        float(len(fit.labels)),
        per_object,
    ]


def chosen(vectors: Vectors, seed: int) -> int:
    """How many clusters mixtures and k-means choose for the half that is fitted."""
    known, _ = np.array_split(np.random.default_rng(seed).permutation(len(vectors)), 2)
    return len(fitted(vectors[known], Settings(seed=seed)).fit.labels)


def interval(values: Sequence[float]) -> str:
    """Mean, and half of its 95 % interval by Student's t."""
    number = len(values)
    half = student.ppf(0.975, number - 1) * np.std(values, ddof=1) / np.sqrt(number)
    return f"{np.mean(values):.3f} ± {half:.3f}"


def compare() -> Iterator[str]:
    """A table of the methods."""
    yield "| set | method | ARI | NMI | purity | stability | in none | clusters | ms |"
    yield "|---|---|---|---|---|---|---|---|---|"
    skies = [drawn(seed) for seed in _SKIES]
    sets = {
        "balanced sky": skies,
        "skewed sky": [skewed(*one, seed) for seed, one in enumerate(skies)],
    }
    if (_REAL / "efigi_dev").exists():
        sets["EFIGI, grey"] = [galaxies()] * len(skies)
    for name, several in sets.items():
        # All but hdbscan choose alike: so it is done once.
        numbers = [chosen(vectors, seed) for seed, (vectors, _) in enumerate(several)]
        for method in METHODS:
            found = np.array(
                [
                    judged(
                        *several[seed],
                        Settings(method, 0 if method == "hdbscan" else number, seed),
                        seed,
                    )
                    for seed, number in enumerate(numbers)
                ]
            )
            *shares, count, each = found.T
            told = " | ".join(map(interval, shares))
            yield f"| {name} | {method} | {told} | {count.mean():.1f} | {each.mean():.4f} |"


def refit() -> Iterator[str]:
    """How many members keep their labels when the archive grows."""
    vectors = np.random.default_rng(0).permutation(base(NUM_DRAWN))
    before = len(vectors) * 20 // 21
    yield f"| method | clusters | of {before} members keep their label, with 5 % more |"
    yield "|---|---|---|"
    number = 0
    for method in METHODS:
        settings = Settings(method, 0 if method == "hdbscan" else number)
        first, old = fitted(vectors[:before], settings)
        _, new = fitted(vectors, settings, before=first)
        members = old.labels != NOWHERE
        kept = (new.labels[:before][members] == old.labels[members]).mean()
        number = number or len(first.labels)  # all but hdbscan choose alike
        yield f"| {method} | {len(first.labels)} | {kept:.4f} |"


def million() -> Iterator[str]:
    """Time and memory of a million, and what the size of the sample changes."""
    vectors = np.load(extended(base(NUM_DRAWN), _MILLION, 1), mmap_mode="r")
    vectors = np.array(vectors)
    number = 0
    for method in METHODS:
        start = time.perf_counter()
        fit, _ = fitted(vectors, Settings(method, 0 if method == "hdbscan" else number))
        seconds = time.perf_counter() - start
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        told = f"{method}: {len(fit.labels)} clusters in {seconds:.0f} s"
        yield f"{told}, {'with' if number else 'without'} their number; {most:.1f} GiB"
        number = number or len(fit.labels)
    some = vectors[:100_000]
    for method in METHODS:
        labels = {}
        for size in (10_000, 20_000, 40_000):
            finding._SAMPLE = size
            settings = Settings(method, 0 if method == "hdbscan" else number)
            labels[size] = fitted(some, settings).membership.labels
        less, more = (
            adjusted_rand_score(labels[20_000], labels[size])
            for size in (10_000, 40_000)
        )
        yield f"{method}: ARI of 20,000 with 10,000: {less:.3f}, with 40,000: {more:.3f}"


def main() -> None:
    """Print a table."""
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "compare": compare,
        "refit": refit,
        "million": million,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts, nargs="?", default="compare")
    CACHE.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):
        for line in parts[parser.parse_args().part]():
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
