"""``skylike-service alias`` and ``delete``: which collection a name means."""

import json
from pathlib import Path

import click

from skylike.service.cli import options
from skylike.service.library import Library
from skylike.service.logs import printable


@click.group()
def alias() -> None:
    """Names that point to collections: how a new model goes live."""


@alias.command(name="list")
@options.data
@options.as_json
def list_aliases(data: Path, as_json: bool) -> None:
    """List the aliases."""
    with Library(data) as library:
        found = library.aliases()
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, collection in found.items():
        click.echo(printable(f"{name:24} {collection}"))


@alias.command(name="set")
@click.argument("name")
@click.argument("collection")
@options.data
@options.as_json
def set_alias(name: str, collection: str, data: Path, as_json: bool) -> None:
    """Let NAME point to COLLECTION, from one question to the next."""
    with Library(data) as library:
        library.point_alias(name, collection)
    _tell(name, collection, as_json)


@alias.command()
@click.argument("name")
@options.data
@options.as_json
def rollback(name: str, data: Path, as_json: bool) -> None:
    """Let NAME point to the collection it pointed to before."""
    with Library(data) as library:
        collection = library.rollback_alias(name)
    _tell(name, collection, as_json)


@alias.command()
@click.argument("name")
@options.data
@options.as_json
def drop(name: str, data: Path, as_json: bool) -> None:
    """Forget NAME; its collection stays."""
    with Library(data) as library:
        library.drop_alias(name)
    _tell(name, None, as_json)


@click.command()
@click.argument("collection")
@options.data
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def delete(collection: str, data: Path, yes: bool, as_json: bool) -> None:
    """Remove COLLECTION with all its objects; models stay."""
    with Library(data) as library:
        if not yes:
            count = len(library.collection(collection))
            question = f"Remove {collection!r} with {count} objects for good?"
            click.confirm(printable(question), abort=True, err=True)
        library.delete(collection)
    if as_json:
        click.echo(json.dumps({"deleted": collection}))


def _tell(name: str, collection: str | None, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"alias": name, "collection": collection}))
        return
    told = "is no alias any more" if collection is None else f"points to {collection}"
    click.echo(printable(f"{name} {told}"))
