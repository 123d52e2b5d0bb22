"""``skylike-service index`` and ``fit``: from files to a collection that answers."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from skylike.service import indexer
from skylike.service.cli import options
from skylike.service.collection import Collection
from skylike.service.encoder import Encoder
from skylike.service.errors import (
    BadInput,
    BadRequest,
    BadSettings,
    NotReady,
    UnknownCollection,
)
from skylike.service.library import Library
from skylike.service.logs import printable
from skylike.service.prepare import Reject, find_files

_sources = click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path)
)
_collection = click.option(
    "--collection", required=True, help="Name of the collection."
)
_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    envvar="SKYLIKE_DATA",
    show_envvar=True,
    help="Data directory; made if it does not exist.",
)
_workers = click.option(
    "--workers",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Processes that read files.",
)
_calibration = click.option(
    "--calibration",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Files or folders of ordinary objects that are neither indexed nor were "
    "trained on: they make p-values possible. May be repeated. [default: those of the "
    "last fit]",
)


@click.command()
@_sources
@_collection
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Model file; needed when the collection does not exist yet.",
)
@_calibration
@_data
@_workers
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Table of files that were not indexed. [default: DATA/collections/NAME/"
    "rejects.parquet]",
)
@options.as_json
def index(
    sources: tuple[Path, ...],
    collection: str,
    model: Path | None,
    calibration: tuple[Path, ...],
    data: Path,
    workers: int,
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Add every FITS file under SOURCES to a collection, then fit it.

    A file that cannot be read becomes a row of the rejects table and stops
    nothing. Files that are in the collection already are left alone, so that a
    run that was interrupted can be repeated.
    """
    with Library(data) as library:
        if collection not in library.names():
            if model is None:
                raise BadSettings(
                    f"there is no collection {collection!r} yet: give its --model",
                    reason="no_model",
                )
            find_files(sources)  # a mistyped folder must not leave a collection behind
            library.create(collection, model)
        target, encoder = library.collection(collection), library.encoder(collection)
        _require_same_model(model, target)
        table = rejects or data / "collections" / collection / "rejects.parquet"
        indexer.write_rejects(table, [])  # where it cannot be written, say so first
        report = indexer.index(
            target,
            encoder,
            sources,
            workers=workers,
            rejects=table,
            progress=sys.stderr.isatty(),
        )
        try:
            num_calibration = _fit(target, encoder, calibration, workers)
        except NotReady as error:
            click.echo(f"not fitted: {error}", err=True)
            num_calibration = 0
        facts = {
            "collection": collection,
            "version": target.version,
            "objects": len(target),
            "indexed": report.indexed,
            "known": report.known,
            "rejected": len(report.rejects),
            "rejects": str(table),
            "calibration": num_calibration,
            "seconds": round(report.seconds, 3),
        }
    _report(facts, as_json)
    if report.rejects and not as_json:
        click.echo(f"not indexed: {_count(report.rejects)}", err=True)
        click.echo(f"all of them: {table}", err=True)


@click.command()
@_collection
@_calibration
@options.data
@_workers
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Fixes the clusters.",
)
@options.as_json
def fit(
    collection: str,
    calibration: tuple[Path, ...],
    data: Path,
    workers: int,
    seed: int,
    as_json: bool,
) -> None:
    """Fit clusters and anomaly scores to all objects of a collection."""
    with Library(data) as library:
        if collection not in library.names():
            raise UnknownCollection(f"There is no collection {collection!r}.")
        target, encoder = library.collection(collection), library.encoder(collection)
        num_calibration = _fit(target, encoder, calibration, workers, seed)
        clusters = target.clusters
        facts = {
            "collection": collection,
            "version": target.version,
            "objects": len(target),
            "clusters": len(clusters.names) if clusters else 0,
            "calibration": num_calibration,
        }
    _report(facts, as_json)


def _fit(
    collection: Collection,
    encoder: Encoder,
    calibration: tuple[Path, ...],
    workers: int,
    seed: int = 0,
) -> int:
    """Fit; returns how many calibration objects there are."""
    vectors = None
    if calibration:
        vectors, rejects = indexer.embed_files(encoder, calibration, workers=workers)
        if rejects:
            click.echo(f"not used to calibrate: {_count(rejects)}", err=True)
        if not len(vectors):
            raise BadInput(
                "none of the calibration files can be used; the fit stays as it was",
                reason="no_files",
            )
    collection.fit(calibration=vectors, seed=seed)
    return len(collection.anomaly.calibration) if collection.anomaly else 0


def _count(rejects: Sequence[Reject]) -> str:
    """``3 not_fits, 1 truncated; for example FILE: what is wrong with it``."""
    codes = [reject.code for reject in rejects]
    counts = ", ".join(f"{codes.count(code)} {code}" for code in dict.fromkeys(codes))
    return printable(f"{counts}; for example {rejects[0].message}")


def _require_same_model(model: Path | None, collection: Collection) -> None:
    if model is not None and Encoder(model).model_id != collection.model_id:
        raise BadRequest(
            f"{collection.name!r} was made with another model than {model}: leave "
            "--model away, or index into a new collection",
            reason="other_model",
        )


def _report(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:12} {value}")
