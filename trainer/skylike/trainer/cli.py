"""The commands of ``skylike-trainer``.

Exit codes: 0 done; 1 failed; 2 bad input, settings or usage.
"""

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from skylike.service import logs
from skylike.service.encoder import Encoder
from skylike.service.errors import BadInput, BadSettings
from skylike.service.logs import printable
from skylike.service.prepare import Reject
from skylike.service.sources import find_images
from skylike.trainer import config, data, judge, sky
from skylike.trainer import demo as demonstration
from skylike.trainer import embed as embedding
from skylike.trainer import export as exporting
from skylike.trainer import train as training
from skylike.trainer.checkpoint import load_encoder
from skylike.trainer.config import TrainSettings

_path = click.Path(path_type=Path)
_existing = click.Path(path_type=Path, exists=True)
_archive = click.argument("archive", nargs=-1, required=True, type=_path)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_config = click.option("--config", type=_path, help="TOML file of the recipe.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skylike")
def main() -> None:
    """Learn to see what is alike: simulate, train, export, embed, evaluate."""
    logs.configure(json=False)


@main.command()
@click.argument("out", type=_path)
@click.option(
    "--objects",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="How many.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Same seed, same sky.",
)
@click.option(
    "--artefacts",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of cosmic rays, satellite trails and ghosts.",
)
@_as_json
def simulate(
    out: Path, objects: int, seed: int, artefacts: float, as_json: bool
) -> None:
    """Draw a sky of known objects as FITS files, with truth.parquet."""
    truth = sky.simulate(
        out, objects, seed, artefacts=artefacts, progress=sys.stderr.isatty()
    )
    _tell({"objects": objects, "archive": str(out), "truth": str(truth)}, as_json)


@main.command()
@_archive
@click.option("--out", type=_path, required=True, help="Folder of the run.")
@_config
@_as_json
def train(
    archive: tuple[Path, ...], out: Path, config: Path | None, as_json: bool
) -> None:
    """Train on every image of ARCHIVE, without labels.

    ARCHIVE is a folder, a FITS file, a list of files (.txt), or a table of files and
    boxes (Parquet, VOTable, ECSV, CSV). Repeating the command goes on where an
    interrupted run stopped. The files' channels decide the model's unless the recipe's
    [stamp] names axes, channels or collapse.
    """
    _make_folder(out)
    settings = _settings(config, archive)
    stamps = data.load(archive, settings.stamp, progress=sys.stderr.isatty())
    _tell_rejects(stamps.rejects)
    checkpoint = training.train(stamps, settings, out, progress=sys.stderr.isatty())
    facts = {
        "objects": len(stamps.stamps),
        "left_out": len(stamps.rejects),
        "checkpoint": str(checkpoint),
    }
    _tell(facts, as_json)


@main.command()
@click.argument("run", type=_existing)
@_archive
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The .onnx file to write.",
)
@click.option(
    "--beside",
    type=_existing,
    multiple=True,
    metavar="RUN",
    help="Another run, whose network speaks with the first; may be repeated.",
)
@_as_json
def export(
    run: Path,
    archive: tuple[Path, ...],
    out: Path,
    beside: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Turn a RUN into one model file, whitened on ARCHIVE."""
    first, *others = (
        path / training.CHECKPOINT if path.is_dir() else path for path in (run, *beside)
    )
    spec = load_encoder(first)[0].stamp
    exporting.require_name(out)
    _make_folder(out.parent)
    stamps = data.load(archive, spec, progress=sys.stderr.isatty())
    _tell_rejects(stamps.rejects)
    encoder = exporting.export(first, stamps, out, others)
    facts = {
        "model": str(out),
        "model_id": encoder.model_id,
        "dimension": encoder.dimension,
        "objects": len(stamps.stamps),
        "left_out": len(stamps.rejects),
    }
    _tell(facts, as_json)


@main.command()
@click.argument("model", type=_existing)
@_archive
@click.option(
    "--out", type=_path, help="Table to write: .parquet, .csv, .vot or .ecsv."
)
@click.option("--projector", type=_path, help="Folder for TensorBoard's projector.")
@click.option(
    "--header",
    "keywords",
    multiple=True,
    metavar="KEYWORD",
    help="Card of the header to keep as a column; may be repeated.",
)
@_as_json
def embed(
    model: Path,
    archive: tuple[Path, ...],
    out: Path | None,
    projector: Path | None,
    keywords: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the vectors that MODEL gives the images of ARCHIVE."""
    if out is None and projector is None:
        raise click.UsageError("give --out, --projector, or both")
    if out is not None:
        embedding.require_format(out)
        _make_folder(out.parent)
    if projector is not None:
        _make_folder(projector)
    encoder = Encoder(model)
    images = find_images(archive)
    found = embedding.embed(
        encoder,
        images,
        keywords=[keyword.upper() for keyword in keywords],
        pictures=projector is not None,
        progress=sys.stderr.isatty(),
    )
    _tell_rejects(found.rejects)
    if not len(found.vectors):
        raise BadInput(
            f"none of {len(images)} images gives a vector: nothing is written",
            reason="too_few",
        )
    if out is not None:
        embedding.save_table(out, found)
    if projector is not None:
        embedding.save_projector(projector, found)
    facts = {
        "model_id": encoder.model_id,
        "vectors": len(found.vectors),
        "left_out": len(found.rejects),
        **({"table": str(out)} if out else {}),
        **({"projector": str(projector)} if projector else {}),
    }
    _tell(facts, as_json)


@main.command(name="evaluate")
@click.argument("methods", nargs=-1, required=True)
@click.option("--archive", type=_existing, required=True, help="Files to judge by.")
@click.option(
    "--labels",
    "tables",
    type=_existing,
    required=True,
    multiple=True,
    help="Table of their kinds and quantities (CSV, Parquet, VOTable, ECSV, FITS); may "
    "be repeated.",
)
@click.option("--column", default="family", show_default=True, help="Its kinds.")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    help="Column that vectors should tell, or a quotient A/B; may be repeated.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="CONDITION",
    help="Whose parameters count, such as 'snr>=30' or 'radius>=2*fwhm'; may be "
    "repeated.",
)
@click.option(
    "--undetermined", type=float, help="Number that stands for unknown in the tables."
)
@click.option(
    "--learn-from",
    type=_existing,
    help="Files that methods learn from; by default the other folds of the archive.",
)
@click.option(
    "--folds", type=click.IntRange(2), default=2, show_default=True, help="How many."
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How often everything random is drawn anew.",
)
@click.option(
    "--transductive",
    is_flag=True,
    help="Also judge what learned from the judged files themselves.",
)
@click.option("--out", type=_path, required=True, help="Folder of the report.")
@_as_json
def evaluate(
    methods: tuple[str, ...],
    archive: Path,
    tables: tuple[Path, ...],
    column: str,
    parameters: tuple[str, ...],
    where: tuple[str, ...],
    undetermined: float | None,
    learn_from: Path | None,
    folds: int,
    seeds: int,
    transductive: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Judge METHODS by files whose kinds are known.

    A method is a model (.onnx), a recipe (.toml), which is trained, several recipes
    side by side (one.toml+two.toml), or a baseline: pca, random, profile, polar,
    classical, scattering, astromorph; "baselines" are all of these but the last.
    Writes report.json, report.md and report.png.
    """
    _make_folder(out)
    found = judge.evaluate(
        methods,
        archive,
        judge.read_labels(tables, column, undetermined),
        out,
        learn_from=learn_from,
        parameters=parameters,
        where=where,
        protocol=judge.Protocol(folds, seeds, transductive),
        progress=sys.stderr.isatty(),
    )
    for reject in found["left_out"]:
        _tell_left_out(reject["message"], reject["code"])
    click.echo(
        json.dumps(found) if as_json else (out / "report.md").read_text(), nl=as_json
    )


@main.command()
@click.argument("out", type=_path)
@click.option("--fits", type=_existing, help="Use the FITS files of this folder.")
@click.option("--labels", type=_existing, help="Table of their kinds, to judge only.")
@click.option("--column", default="family", show_default=True, help="Its column.")
@_as_json
def demo(
    out: Path, fits: Path | None, labels: Path | None, column: str, as_json: bool
) -> None:
    """Show the whole way, from files to answers, in OUT.

    What --json prints is in OUT/summary.json as well.
    """
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        summary = demonstration.run(out, fits, labels, column)
    if as_json:
        click.echo(json.dumps(summary))


def _make_folder(path: Path) -> None:
    """Make the folder that is written to before the work that would be lost."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(f"{path}: cannot be a folder: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise BadSettings(f"{path}: this folder cannot be written to")


def _tell_rejects(rejects: Sequence[Reject]) -> None:
    for reject in rejects:
        _tell_left_out(reject.message, reject.code)


def _tell_left_out(message: str, code: str) -> None:
    click.echo(printable(f"left out: {message} [{code}]"), err=True)


def _tell(facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(printable(f"{name:16} {value}"))


def _settings(path: Path | None, archive: tuple[Path, ...]) -> TrainSettings:
    settings = config.load(path)
    spec = data.completed(settings.stamp, find_images(archive))
    return settings.model_copy(update={"stamp": spec})
