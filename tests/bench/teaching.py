"""How much ratings help: a person who knows the truth rates what the service suggests.

    python -m tests.bench.teaching SKY... --seeds 5
    python -m tests.bench.teaching FITS --labels labels.csv --rare dE --rare Im

Each SKY is a folder of ``skylike-trainer simulate``; with ``--labels`` the folder holds FITS
files, and the table their kinds. Of every seed a sky is drawn in which each rare kind has 0.5
% of the objects (with ``--labels`` as many as there are), and artefacts, if there are any,
too; the others are ordinary. The service indexes the embeddings, fits, and suggests ten
objects; the person gives the rare kind 5, artefacts their tag, all else 0; five times. With
``--known`` it has rated so many of the rare kind before. Kinds are seen by nobody else. Told are the rank-weighted scores of the first 100 (Roberts et al.
2019, arXiv:1902.08627) by oddness and by what was taught: of all objects, and of those
that were not rated.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from skylike.service.collection import SkyObject
from skylike.service.encoder import BASE, Encoder
from skylike.service.engine import Engine, Opinion, Order, Wanted
from skylike.service.library import Library
from skylike.trainer import data

_BUDGET = 100
_ROUNDS, _EACH = 5, 10
_SHARE = 0.005
_RARE = ("ring_galaxy", "ppdisc_crescent", "radio_bent", "merger", "point_source")
_ARTEFACT = "artefact"


def main() -> None:
    """Measure, and print what was found as JSON, a line for each kind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--rare", action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--known", type=int, default=0)
    asked = parser.parse_args()
    vectors, kinds = _read(asked.folders, asked.labels)
    for rare in asked.rare or _RARE:
        found = [
            _taught(vectors, kinds, rare, asked, seed) for seed in range(asked.seeds)
        ]
        told: dict[str, Any] = {"rare": rare, "seeds": asked.seeds}
        for name in found[0]:
            told[name] = _interval([one[name] for one in found])
        before, after = (
            sum(one[name] for one in found) for name in ("before", "taught")
        )
        told["ratio"] = round(after / max(before, 1e-9), 2)
        print(json.dumps(told), flush=True)  # noqa: T201


def _read(folders: list[Path], labels: Path | None) -> tuple[Any, Any]:
    """Embeddings of images, and what each shows."""
    encoder = Encoder(BASE)
    vectors, kinds = [], []
    for folder in folders:
        images = data.load([folder], encoder.spec)
        parts = range(0, len(images.paths), 500)
        vectors += [encoder.embed(images.stamps[i : i + 500]) for i in parts]
        if labels is not None:
            with labels.open(newline="") as file:
                known = {
                    Path(row["file"]).stem: row["coarse"]
                    for row in csv.DictReader(file)
                }
            kinds += [known[Path(path).stem] for path in images.paths]
            continue
        truth = pq.read_table(folder / "truth.parquet").to_pylist()
        known = {
            Path(row["path"]).name: _ARTEFACT if row["is_artefact"] else row["family"]
            for row in truth
        }
        kinds += [known[Path(path).name] for path in images.paths]
    return np.concatenate(vectors), np.array(kinds)


def _taught(
    vectors: Any, kinds: Any, rare: str, asked: argparse.Namespace, seed: int
) -> dict[str, float]:
    random = np.random.default_rng(seed)
    num, is_drawn = asked.objects, asked.labels is None
    chosen = np.arange(len(kinds))
    if is_drawn:
        few = round(_SHARE * num)
        some = [
            random.permutation(np.flatnonzero(kinds == kind))[:few]
            for kind in (rare, _ARTEFACT)
        ]
        ordinary = np.flatnonzero(~np.isin(kinds, [rare, _ARTEFACT]))
        rest = random.permutation(ordinary)[: num - sum(map(len, some))]
        chosen = np.concatenate([*some, rest])
    else:  # all there are, in another order and less a tenth, so that seeds differ
        chosen = random.permutation(chosen)[: round(0.9 * len(chosen))]
    chosen = random.permutation(chosen)
    kind_of = {f"o{n}": str(kinds[place]) for n, place in enumerate(chosen)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Library(Path(folder) / "l") as library,
    ):
        sky = library.create("sky", BASE)
        sky.add([SkyObject(id) for id in kind_of], vectors[chosen])
        sky.fit()
        engine = Engine(library)

        def listed(order: Order) -> list[str]:
            found = engine.anomalies("sky", Wanted(limit=1000), order)
            return [one.object.id for one in found.items]

        before = listed(Order.ODDEST)
        examples = [id for id, kind in kind_of.items() if kind == rare]
        if asked.known:
            known = dict.fromkeys(examples[: asked.known], Opinion(5.0))
            engine.rate("sky", "person", dict(known))
        for number in range(_ROUNDS):
            told = engine.suggestions("sky", num=_EACH, seed=number)
            opinions = {
                one.object.id: Opinion(
                    5.0 if kind_of[one.object.id] == rare else 0.0,
                    is_artefact=kind_of[one.object.id] == _ARTEFACT,
                )
                for one in told.suggestions
            }
            engine.rate("sky", "person", dict(opinions))
        rated = {one.id for one in engine.ratings("sky").ratings}
        after = listed(Order.TAUGHT)
    num_rare = sum(kind == rare for kind in kind_of.values())
    unseen = [id for id in after if id not in rated]
    return {
        "rare_objects": num_rare,
        "before": _rank_weighted(before, kind_of, rare),
        "taught": _rank_weighted(after, kind_of, rare),
        "before_of_unrated": _rank_weighted(
            [id for id in before if id not in rated], kind_of, rare
        ),
        "taught_of_unrated": _rank_weighted(unseen, kind_of, rare),
        "found_by_rating": sum(kind_of[id] == rare for id in rated),
    }


def _rank_weighted(ids: list[str], kind_of: dict[str, str], rare: str) -> float:
    hits = np.array([kind_of[id] == rare for id in ids[:_BUDGET]], float)
    weights = np.arange(_BUDGET, 0, -1)[: len(hits)]
    return float(weights @ hits / (_BUDGET * (_BUDGET + 1) / 2))


def _interval(values: list[float]) -> list[float]:
    """The mean, and the ends of its 95 % interval over seeds (bootstrap)."""
    random = np.random.default_rng(0)
    means = random.choice(values, (2000, len(values))).mean(axis=1)
    ends = np.quantile(means, [0.025, 0.975])
    return [round(float(one), 3) for one in (np.mean(values), *ends)]


if __name__ == "__main__":
    main()
