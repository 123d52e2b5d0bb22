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
from skylike.client.types import Job, JobState

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
    """Start a job; paths are those of the server, under its roots."""


@start.command()
@click.argument("collection", shell_complete=names.collection)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@_rejects
@_calibration
@click.option(
    "--workers", default=0, help="Processes that read.  [default: one for each core]"
)
@_watch
@asking
def index(
    collection: str,
    sources: Sequence[str],
    max_reject_fraction: float | None,
    calibration: Sequence[str],
    workers: int,
    watch: bool,
    **where: Any,
) -> None:
    """Add images: folders, files, lists and tables."""
    work = IndexJob(collection, sources, max_reject_fraction, calibration, workers)
    _start(work, watch, where)


@start.command()
@options.collection
@_calibration
@click.option("--seed", default=0, help="Of the random numbers.")
@_watch
@asking
def fit(
    collection: str | None,
    calibration: Sequence[str],
    seed: int,
    watch: bool,
    **where: Any,
) -> None:
    """Fit clusters and anomaly scores."""
    _start(FitJob(collection, calibration, seed), watch, where)


@start.command()
@click.argument("alias", shell_complete=names.alias)
@click.argument("model")
@_rejects
@_watch
@asking
def reindex(
    alias: str,
    model: str,
    max_reject_fraction: float | None,
    watch: bool,
    **where: Any,
) -> None:
    """Make the collection of an alias anew with another model, and switch."""
    _start(ReindexJob(alias, model, max_reject_fraction), watch, where)


@start.command()
@options.collection
@click.option(
    "--kind", type=click.Choice(["flat", "hnsw", "ivf"]), help="How to search."
)
@_watch
@asking
def compact(
    collection: str | None, kind: str | None, watch: bool, **where: Any
) -> None:
    """Make the index of a collection anew."""
    _start(CompactJob(collection, kind), watch, where)


@start.command()
@click.argument("path")
@options.collection
@_watch
@asking
def snapshot(path: str, collection: str | None, watch: bool, **where: Any) -> None:
    """Write a collection into one file."""
    _start(SnapshotJob(path, collection), watch, where)


@jobs.command("list")
@options.out
@asking
def list_(out: str | None, **where: Any) -> None:
    """List the jobs since the service was started, the newest first."""
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
