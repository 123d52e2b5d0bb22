"""``python -m tests.bench.taught_million LIBRARY``: what is taught, in a large archive.

LIBRARY, such as ``make bench ONLY=service`` leaves behind, is copied; its collection ``sky``
is asked for the nearest, a prediction that has to be learned, and an order by ratings.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from skylike.service.collection import SkyObject
from skylike.service.engine import Engine, IdQuery, Opinion, Order, Target, Wanted
from skylike.service.library import Library

_PREDICTED = 5000  # objects that get the attribute that is predicted
_RATED = (50, 256, 2000)
_AGAIN = 5


def main() -> None:
    """Measure, and print seconds of a core by name as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.library.parent) as folder:
        copied = Path(folder) / "library"
        shutil.copytree(given.library, copied)
        with Library(copied) as library:
            found = _measured(library)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def _measured(library: Library) -> dict[str, float]:
    archive = library.collection("sky")
    engine = Engine(library)
    every = [one for _, one in archive.scroll(limit=_PREDICTED + _RATED[-1])]
    ids = [one.id for one in every[_PREDICTED:]]
    told = every[:_PREDICTED]
    vectors = np.stack([archive.vector(one.id) for one in told])
    archive.upsert(
        [
            SkyObject(one.id, one.position, attributes={"bench_number": float(value)})
            for one, value in zip(told, vectors[:, 0], strict=True)
        ],
        vectors,
    )
    found: dict[str, float] = {"objects": float(engine.describe("sky").num_objects)}
    query = IdQuery(ids[0])
    last = engine.alike("sky", query, limit=100).last
    found["nearest, first page of 100"] = _seconds(
        lambda: engine.alike("sky", query, limit=100)
    )
    found["nearest, second page of 100"] = _seconds(
        lambda: engine.alike("sky", query, limit=100, after=last)
    )
    target = Target(attribute="bench_number")
    began = time.process_time()
    engine.predict("sky", query, target)
    found["predict, learned first"] = time.process_time() - began
    found["predict, learned before"] = _seconds(
        lambda: engine.predict("sky", query, target)
    )
    random = np.random.default_rng(0)
    for count in _RATED:
        scores = random.integers(0, 6, count)
        opinions = dict(zip(ids, map(Opinion, map(float, scores)), strict=False))
        engine.rate("sky", "bench", dict(opinions))
        began = time.process_time()
        engine.anomalies("sky", Wanted(limit=100), Order.TAUGHT)
        found[f"taught order after {count} ratings"] = time.process_time() - began
    return found


def _seconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_AGAIN):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
