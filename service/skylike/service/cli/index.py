"""``skylike-service index`` and ``fit``: from files to a collection that answers."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from skylike.service import fits, indexer
from skylike.service.cli import options
from skylike.service.clusters import METHODS, Method
from skylike.service.collection import LAYOUTS, Collection
from skylike.service.config import DATA
from skylike.service.encoder import Encoder
from skylike.service.errors import (
    BadInput,
    NotReady,
    UnknownCollection,
)
from skylike.service.library import Library
from skylike.service.progress import Shown
from skylike.service.sources import find_images, find_sources

_Command = TypeVar("_Command", bound=Callable[..., Any])

_sources = click.argument(
    "sources", nargs=-1, required=True, type=click.Path(path_type=Path)
)
_collection = click.option(
    "--collection", default="sky", show_default=True, help="Name of the collection."
)
_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA,
    show_default=True,
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


def _max_reject_fraction(default: float) -> Callable[[_Command], _Command]:
    return click.option(
        "--max-reject-fraction",
        type=click.FloatRange(0, 1),
        default=default,
        show_default=True,
        help="End when more than this share of all images is rejected.",
    )


@click.command()
@_sources
@_collection
@click.option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Model file, when the collection does not exist yet. [default: skylike-base, "
    "which comes with the package]",
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
@_max_reject_fraction(1.0)
@click.option(
    "--id-prefix",
    default="",
    metavar="TEXT",
    help="Put before every id, such as 2026-11-22/, where files are called alike.",
)
@options.reading
@options.as_json
def index(
    sources: tuple[Path, ...],
    collection: str,
    model: Path | None,
    calibration: tuple[Path, ...],
    data: Path,
    workers: int,
    rejects: Path | None,
    max_reject_fraction: float,
    id_prefix: str,
    reading: fits.Options,
    as_json: bool,
) -> None:
    """Add every image that SOURCES name to a collection, then fit it.

    Sources are FITS files, folders, lists of files (.txt), and tables (Parquet,
    VOTable, ECSV, CSV) with a column uri, path or file, and if they like hdu, a box
    x0, y0, x1, y1, an id, ra and dec, and more that becomes attributes.

    What cannot be read becomes a row of the rejects table and stops nothing. Images
    that are in the collection already are left alone: a run that was interrupted
    goes on when it is repeated.
    """
    with Library(data) as library:
        found = find_sources(sources, prefix=id_prefix)
        # A typing error has left no collection behind.
        collection = library.aliases().get(collection, collection)
        options.require_collection(library, collection, model)
        target = library.collection(collection)
        encoder = library.encoder_of(target)
        table = rejects or target.directory / "rejects.parquet"
        with indexer.tabled(table) as refused:
            report = indexer.index(
                target,
                encoder,
                found,
                workers=workers,
                options=reading,
                refused=refused,
                max_reject_fraction=max_reject_fraction,
                shown=Shown.for_people(),
            )
        if report.rejects and not report.indexed + report.known:
            raise BadInput(
                f"none of {len(report.rejects)} images was indexed; {table} says why, for "
                f"example: {report.rejects[0].message}",
                reason="no_images",
            )
        try:
            num_calibration = _fit(target, encoder, calibration, workers, reading)
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
    options.report(facts, as_json)
    options.report_rejects(report.rejects, as_json)


@click.command()
@_collection
@_calibration
@options.data
@_workers
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Fixes the clusters. [default: as the last fit did; 0 the first time]",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    help="How to find clusters. [default: as the last fit did; full-mixture the first "
    "time]",
)
@click.option(
    "--number",
    type=click.IntRange(0),
    help="How many clusters; 0 to have the number chosen. [default: as the last fit did, "
    "if that was by the same method]",
)
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    type=click.Choice([name for name in LAYOUTS if name != "pca"]),
    help="Make a map beside that of the principal components, which is always made; "
    "takes minutes. May be repeated.",
)
@options.reading
@options.as_json
def fit(
    collection: str,
    calibration: tuple[Path, ...],
    data: Path,
    workers: int,
    seed: int | None,
    method: Method | None,
    number: int | None,
    layouts: tuple[str, ...],
    reading: fits.Options,
    as_json: bool,
) -> None:
    """Fit clusters, anomaly scores and maps to all objects of a collection."""
    with Library(data) as library:
        if collection not in library.names():
            raise UnknownCollection(f"There is no collection {collection!r}.")
        target = library.collection(collection)
        encoder = library.encoder_of(target)
        num_calibration = _fit(
            target,
            encoder,
            calibration,
            workers,
            reading,
            seed,
            method,
            number,
            layouts,
        )
        clusters, anomaly = target.clusters, target.anomaly
        facts = {
            "collection": collection,
            "version": target.version,
            "objects": len(target),
            "clusters": len(clusters.names) if clusters else 0,
            "method": clusters.settings.method if clusters else None,
            "stability": _rounded(clusters.stability) if clusters else None,
            "in_no_cluster": clusters.num_outside if clusters else 0,
            "calibration": num_calibration,
            "nuisances": [one._asdict() for one in anomaly.control.correlations]
            if anomaly
            else [],
        }
    options.report(facts, as_json)


@click.command()
@click.option("--alias", required=True, help="Points to the collection to replace.")
@click.option(
    "--model",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The new model's file.",
)
@click.option(
    "--calibration",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Files or folders of ordinary objects, as of fit. May be repeated.",
)
@options.data
@_workers
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Table of objects that could not be read again. [default: DATA/rejects.parquet]",
)
@_max_reject_fraction(0.0)
@options.reading
@options.as_json
def reindex(
    alias: str,
    model: Path,
    calibration: tuple[Path, ...],
    data: Path,
    workers: int,
    rejects: Path | None,
    max_reject_fraction: float,
    reading: fits.Options,
    as_json: bool,
) -> None:
    """Build an alias' collection anew with another model, then switch the alias.

    Every object is read again from where it came, into a new collection beside the old
    one; counts and recall are verified before the alias points to it, and
    `skylike-service alias rollback` undoes that. No service may have the data directory
    open. A run that was interrupted goes on when it is repeated.
    """
    table = rejects or data / "rejects.parquet"
    with Library(data) as library:
        with indexer.tabled(table) as refused:
            done = indexer.reindex(
                library,
                alias,
                model,
                calibration=calibration,
                workers=workers,
                options=reading,
                refused=refused,
                max_reject_fraction=max_reject_fraction,
                shown=Shown.for_people(),
            )
        facts = {
            "alias": alias,
            "collection": done.collection,
            "before": done.before,
            "objects": len(library.collection(alias)),
            "rejected": len(done.report.rejects),
            "rejects": str(table),
            "recall": round(done.recall, 4),
            "calibration": done.calibration,
        }
    options.report(facts, as_json)
    if done.warning:
        click.echo(done.warning, err=True)
    options.report_rejects(done.report.rejects, as_json)


def _fit(
    collection: Collection,
    encoder: Encoder,
    calibration: tuple[Path, ...],
    workers: int,
    reading: fits.Options,
    seed: int | None = None,
    method: Method | None = None,
    number: int | None = None,
    layouts: tuple[str, ...] = (),
) -> int:
    """Fit; returns how many calibration objects there are."""
    vectors = None
    if calibration:
        vectors, rejects = indexer.calibration_of(
            encoder, find_images(calibration), workers=workers, options=reading
        )
        if rejects:
            click.echo(f"not used to calibrate: {options.counted(rejects)}", err=True)
    collection.fit(
        calibration=vectors,
        method=method,
        number=number,
        seed=seed,
        layouts=layouts,
        shown=Shown.for_people(),
    )
    return len(collection.anomaly.calibration) if collection.anomaly else 0


def _rounded(share: float) -> float | None:
    """For people; None for what is not known."""
    return None if math.isnan(share) else round(share, 3)
