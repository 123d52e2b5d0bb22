"""``skylike jobs``: long work on the server, started, watched and stopped."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from skylike.client.cli import names, options, text
from skylike.client.cli.archive import listing
from skylike.client.cli.asking import Asking, asking
from skylike.client.client import Client
from skylike.client.queries import (
    CompactJob,
    FitJob,
    IndexJob,
    ReindexJob,
    SnapshotJob,
    Work,
)
from skylike.client.types import Job, JobReject, JobState

_collection = click.argument("collection", shell_complete=names.collection)
_watch = click.option("--watch", is_flag=True, help="Tell how it goes, until it ends.")
_rejects = click.option(
    "--max-reject-fraction",
    type=click.FloatRange(0, 1),
    help="Share of images that may be rejected before it ends.",
)
_calibration = click.option(
    "--calibration",
    multiple=True,
    metavar="SOURCE",
    help="Ordinary objects for the anomaly fit.  [default: those of the last fit]",
)


@click.group()
def jobs() -> None:
    """Start, watch and stop long work on the server."""


@jobs.group()
def start() -> None:
    """Start a job on a collection, or an alias of one.

    The collection comes first, then what it is done with; paths are those of the server,
    under its roots.
    """


@start.command()
@_collection
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@_rejects
@_calibration
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=0,
    help="Processes that read; 0: one for each core.",
)
@click.option(
    "--id-prefix",
    default="",
    metavar="TEXT",
    help="Put before every id, such as 2026-11-22/, where files are called alike.",
)
@_watch
@asking
def index(
    collection: str,
    sources: Sequence[str],
    max_reject_fraction: float | None,
    calibration: Sequence[str],
    workers: int,
    id_prefix: str,
    watch: bool,
    **where: Any,
) -> None:
    """Add images: folders, files, lists and tables."""
    work = IndexJob(
        collection, sources, max_reject_fraction, calibration, workers, id_prefix
    )
    _start(work, watch, where)


@start.command()
@_collection
@_calibration
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Of the random numbers. [default: as the last fit did; 0 the first time]",
)
@click.option(
    "--method",
    type=click.Choice(["full-mixture", "mixture", "kmeans", "hdbscan"]),
    help="How to find clusters. [default: as the last fit did]",
)
@click.option(
    "--number",
    type=click.IntRange(0),
    help="How many clusters; 0 to have the number chosen. [default: as the last fit did]",
)
@click.option(
    "--layout",
    "layouts",
    multiple=True,
    metavar="NAME",
    help="Make this map beside that of the principal components: tsne.",
)
@_watch
@asking
def fit(
    collection: str,
    calibration: Sequence[str],
    seed: int | None,
    method: str | None,
    number: int | None,
    layouts: Sequence[str],
    watch: bool,
    **where: Any,
) -> None:
    """Fit clusters, anomaly scores and maps."""
    work = FitJob(collection, calibration, seed, method, number, layouts)
    _start(work, watch, where)


@start.command()
@click.argument("alias", shell_complete=names.alias)
@click.argument("model")
@_rejects
@click.option(
    "--calibration",
    multiple=True,
    metavar="SOURCE",
    help="Ordinary objects for the anomaly fit.  [default: none, and no p-values]",
)
@_watch
@asking
def reindex(
    alias: str,
    model: str,
    max_reject_fraction: float | None,
    calibration: Sequence[str],
    watch: bool,
    **where: Any,
) -> None:
    """Make the collection of an alias anew with another model, and switch."""
    _start(ReindexJob(alias, model, max_reject_fraction, calibration), watch, where)


@start.command()
@_collection
@click.option(
    "--kind", type=click.Choice(["flat", "hnsw", "ivf"]), help="How to search."
)
@_watch
@asking
def compact(collection: str, kind: str | None, watch: bool, **where: Any) -> None:
    """Make the index of a collection anew."""
    _start(CompactJob(collection, kind), watch, where)


@start.command()
@_collection
@click.argument("path")
@_watch
@asking
def snapshot(collection: str, path: str, watch: bool, **where: Any) -> None:
    """Write a collection into one file."""
    _start(SnapshotJob(path, collection), watch, where)


@jobs.command("list")
@options.out
@asking
def list_(out: str | None, **where: Any) -> None:
    """List the jobs, the newest first; at most 1000."""
    asking = Asking(**where)
    with asking.client() as client:
        listing(asking, client.jobs(), Job, text.jobs, out)


@jobs.command()
@click.argument("id", shell_complete=names.job)
@asking
def get(id: str, **where: Any) -> None:
    """Show a job as it is now."""
    asking = Asking(**where)
    with asking.client() as client:
        asking.show(client.job(id), text.job)


@jobs.command()
@click.argument("id", shell_complete=names.job)
@asking
def watch(id: str, **where: Any) -> None:
    """Tell how a job goes, until it ends; exit with 1 unless it was done."""
    asking = Asking(**where)
    with asking.client() as client:
        _watched(asking, client, id)


@jobs.command()
@click.argument("id", shell_complete=names.job)
@options.out
@asking
def rejects(id: str, out: str | None, **where: Any) -> None:
    """List what a job that has ended left out, and why."""
    asking = Asking(**where)
    with asking.client() as client:
        listing(asking, list(client.job_rejects(id)), JobReject, text.rejects, out)


@jobs.command()
@click.argument("id", shell_complete=names.job)
@asking
def cancel(id: str, **where: Any) -> None:
    """Stop a job as soon as it can be left; what it wrote stays."""
    asking = Asking(**where)
    with asking.client() as client:
        asking.show(client.cancel_job(id), text.job)


def _start(work: Work, watch: bool, where: dict[str, Any]) -> None:
    asking = Asking(**where)
    with asking.client() as client:
        job = client.start_job(work)
        if watch:
            _watched(asking, client, job.id)
        else:
            asking.show(job, text.job)


def _watched(asking: Asking, client: Client, id: str) -> None:
    last: Job | None = None
    for job in client.watch_job(id):
        asking.show(job, text.job)
        last = job
    sys.exit(0 if last is not None and last.state is JobState.DONE else 1)
