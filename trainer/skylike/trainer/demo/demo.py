"""From nothing to answers: the main job, as a person would do it."""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from skylike.client import Analysis, Client
from skylike.client.errors import BadInput
from skylike.service.errors import BadSettings
from skylike.service.folders import find_files
from skylike.service.sources import find_images
from skylike.trainer import config, data
from skylike.trainer.config import TrainSettings
from skylike.trainer.data import StampSet
from skylike.trainer.demo import compare, folders, picture
from skylike.trainer.demo.folders import Folders
from skylike.trainer.demo.server import running, service
from skylike.trainer.export import export
from skylike.trainer.judge.labels import Labels
from skylike.trainer.judge.labels import read as read_labels
from skylike.trainer.train import train

RECIPE = Path(__file__).with_name("demo.toml")
_COLLECTION = "demo"
_ODD = 0.05


def run(
    out: Path, source: Path | None = None, labels: Path | None = None, column: str = ""
) -> dict[str, Any]:
    """Simulate or take a sky, learn from it, index it, serve it, ask it.

    Parameters
    ----------
    out
        Folder to write; emptied first if an earlier demo made it. ``summary.json``
        and ``similar.png`` are the result; model, archive and logs stay beside.
    source
        Folder of FITS files to use instead of a simulated sky.
    labels, column
        Table of kinds of those files, and its column. They only judge.

    Returns
    -------
    dict
        What ``summary.json`` holds.

    Raises
    ------
    BadSettings
        If `out` holds something else, or labels come without files.
    BadInput
        If there are too few files.
    """
    began = time.monotonic()
    if labels and source is None:
        raise BadSettings(
            f"{labels}: labels are for your own files: name their folder with --fits"
        )
    _empty(out)
    progress = sys.stderr.isatty()

    if source is None:
        _say("drawing a sky")
        sky = folders.simulate(out / "sky", progress=progress)
        known = read_labels(sky.truth, "family")
    else:
        _say(f"dealing out the files of {source}")
        sky = folders.divide(out / "sky", source)
        known = read_labels([labels] if labels else [], column)
    kinds = _kinds(sky, known)

    _say("reading the archive")
    settings = _settings(sky)
    archive = data.load([sky.archive], settings.stamp, progress=progress)
    _tell_rejects(archive)
    if known.tables:
        compare.require_labels(archive, kinds, known.example())
    settings = settings.model_copy(
        update={"batch": max(2, min(settings.batch, len(archive.stamps)))}
    )

    _say(f"learning from {len(archive.stamps)} objects, without labels")
    train_began = time.monotonic()
    checkpoint = train(archive, settings, out / "run", progress=progress)
    train_seconds = time.monotonic() - train_began
    model = out / "model.onnx"
    encoder = export(checkpoint, archive, model)

    _say("indexing")
    store = out / "data"
    indexed = service(
        *("index", sky.archive, "--collection", _COLLECTION, "--model", model),
        *("--calibration", sky.calibration, "--data", store),
    )

    _say("asking a server about new files")
    queries = folders.choose_queries(sky.ordinary, settings.stamp)
    with running(store, out / "server.log") as address, Client(address) as client:
        client.wait_ready()
        answers = [
            (path, client.analyze(path, k=10, thumbnails=True)) for path in queries
        ]
        calibration = {
            "ordinary": _count_odd(client, sky.ordinary),
            "artefacts": _count_odd(client, sky.artefacts),
        }
    picture.draw(out / "similar.png", answers, sky.archive, kinds)

    _say("judging")
    new = data.load([sky.calibration, sky.ordinary], settings.stamp)
    report = compare.compare(encoder, settings, archive, new, kinds) if kinds else {}
    summary = {
        "objects": indexed["objects"],
        "rejected": indexed["rejected"],
        "train_seconds": round(train_seconds, 1),
        "seconds": 0.0,
        "precision_at_10": report.pop("model", None),
        "baseline_precision_at_10": report,
        "calibration": calibration,
        "queries": [
            _describe(path, answer, sky.archive, kinds) for path, answer in answers
        ],
    }
    summary["seconds"] = round(time.monotonic() - began, 1)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    _print(summary, out)
    return summary


def _empty(out: Path) -> None:
    """Make `out` an empty folder; only what an earlier demo made is removed."""
    mark = out / ".skylike-demo"
    if out.exists() and any(out.iterdir()):
        if not mark.exists():
            raise BadSettings(
                f"{out} holds something that is no demo: name a new folder"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    mark.touch()


def _settings(sky: Folders) -> TrainSettings:
    """The recipe, for the channels that most of the archive's files have."""
    settings = config.load(RECIPE)
    spec = data.completed(settings.stamp, find_images([sky.archive]))
    return settings.model_copy(update={"stamp": spec})


def _kinds(sky: Folders, known: Labels) -> dict[Path, str]:
    """The kind of every file that has one."""
    parts = [sky.archive, sky.calibration, sky.ordinary]
    paths = [Path(path) for path in find_files(parts)]
    # A user's files are links here; labels are for what they lead to.
    found = known.of([path.readlink() if path.is_symlink() else path for path in paths])
    pairs = zip(paths, found.kinds, strict=True)
    return {path: kind for path, kind in pairs if kind is not None}


def _tell_rejects(archive: StampSet) -> None:
    if archive.rejects:
        codes = [reject.code for reject in archive.rejects]
        counts = ", ".join(f"{codes.count(c)} {c}" for c in dict.fromkeys(codes))
        _say(f"  left out: {counts}; for example {archive.rejects[0].message}")


def _count_odd(client: Client, folder: Path | None) -> dict[str, int] | None:
    """How many new files there are, and how many have a p-value below 0.05."""
    if folder is None:
        return None
    values: list[float] = []
    for path in map(Path, find_files([folder])):
        try:
            value = client.anomaly(path).anomaly.p_value
        except BadInput:
            continue
        if value is not None:
            values.append(value)
    return {"objects": len(values), "odd": sum(value < _ODD for value in values)}


def _describe(
    path: Path, answer: Analysis, archive: Path, kinds: Mapping[Path, str]
) -> dict[str, Any]:
    facts = answer.to_dict()
    neighbors = [
        {
            "id": hit.id,
            "score": round(hit.score, 4),
            "ra_deg": hit.object.ra_deg,
            "dec_deg": hit.object.dec_deg,
            "true_class": kinds.get(archive / hit.id),
        }
        for hit in answer.hits
    ]
    for part in ("cluster", "anomaly"):
        if facts[part]:
            facts[part] = {
                k: v for k, v in facts[part].items() if k not in ("shares", "neighbors")
            }
    return {
        "file": path.name,
        "true_class": kinds.get(path),
        "neighbors": neighbors,
        "cluster": facts["cluster"],
        "anomaly": facts["anomaly"],
    }


def _print(summary: dict[str, Any], out: Path) -> None:
    """What a person wants to read."""
    _say("")
    for query in summary["queries"]:
        _say(f"{query['file']}  {query['true_class'] or ''}")
        for rank, hit in enumerate(query["neighbors"][:6], 1):
            _say(
                f"   {rank}  {hit['score']:.3f}  {hit['id'][:32]:32}  "
                f"{hit['true_class'] or ''}"
            )
        if query["cluster"]:
            _say(
                f"   kind: {query['cluster']['name']} "
                f"(probability {query['cluster']['probability']:.2f})"
            )
        if query["anomaly"]:
            odd, p_value = query["anomaly"], query["anomaly"]["p_value"]
            told = "" if p_value is None else f", p = {p_value:.3f}"
            _say(f"   odder than {odd['percentile']:.0f} % of the archive{told}")
    _say("")
    if summary["precision_at_10"] is not None:
        base = summary["baseline_precision_at_10"]
        _say(
            f"of the 10 nearest, {summary['precision_at_10']:.1%} are of the query's "
            f"kind (before training {base['before_training']:.1%}, a random network "
            f"{base['random_network']:.1%}, PCA on pixels {base['pca_on_pixels']:.1%})"
        )
    for name, count in summary["calibration"].items():
        if count:
            _say(f"{count['odd']} of {count['objects']} new {name} have p < {_ODD}")
    _say(
        f"{summary['objects']} objects, {summary['seconds']:.0f} s, of which "
        f"{summary['train_seconds']:.0f} s of training"
    )
    _say(f"see {out / 'similar.png'} and {out / 'summary.json'}")


def _say(text: str) -> None:
    click.echo(text)
