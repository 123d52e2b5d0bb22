"""``skylike-service snapshot`` and ``restore``: a collection in one file."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from skylike.service import snapshot as snapshots
from skylike.service.cli import options
from skylike.service.library import Library
from skylike.service.logs import printable
from skylike.service.progress import Shown

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@click.argument("collection")
@_file
@options.data
@options.as_json
def snapshot(collection: str, file: Path, data: Path, as_json: bool) -> None:
    """Write COLLECTION as it is now, with its model, into a new FILE."""
    with Library(data) as library:
        facts = library.snapshot(collection, file)
    _tell(file, facts, as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--collection", default="", help="Another name for it.")
@click.option("--check", is_flag=True, help="Only verify the file.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="skylike-data",
    show_default=True,
    envvar="SKYLIKE_DATA",
    show_envvar=True,
    help="Data directory; made if it does not exist.",
)
@options.as_json
def restore(
    file: Path, collection: str, check: bool, data: Path, as_json: bool
) -> None:
    """Make a collection of the snapshot FILE."""
    if check:
        _tell(file, snapshots.verify(file), as_json)
        return
    with Library(data) as library:
        made = library.restore(file, collection)
        with made.bulk(shown=Shown.for_people()):
            pass  # its index is not in the snapshot
        facts = snapshots.Facts(
            made.name, made.version, len(made), made.dimension, made.model_id
        )
    _tell(file, facts, as_json)


def _tell(file: Path, facts: snapshots.Facts, as_json: bool) -> None:
    told = {"file": str(file), **asdict(facts)}
    if as_json:
        click.echo(json.dumps(told))
        return
    for name, value in told.items():
        click.echo(printable(f"{name:16} {value}"))
