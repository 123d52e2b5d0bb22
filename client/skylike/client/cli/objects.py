"""``skylike objects``: what a collection holds, read and written."""

import json
import os
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any

import click

from skylike.client.cli import options, text
from skylike.client.cli.asking import Asking, asking
from skylike.client.cli.sky import PLACE
from skylike.client.errors import SkylikeClientError
from skylike.client.filters import Filter
from skylike.client.queries import Ack, Cutout, NewObject
from skylike.client.tabulate import tabulate
from skylike.client.types import Attribute, Object


@click.group()
def objects() -> None:
    """Read and write objects of a collection."""


@objects.command()
@options.ids
@options.collection
@options.out
@asking
def get(
    ids: Sequence[str], collection: str | None, out: str | None, **where: Any
) -> None:
    """Show objects by their ids."""
    asking = Asking(**where)
    found, failed = [], False
    with asking.client() as client:
        for id in ids:
            try:
                answer = client.get(id, collection=collection)
            except SkylikeClientError as error:
                failed = True
                asking.fail(error, id)
                continue
            if out is None:
                asking.show(answer, text.found, object_id=id)
            found.append(answer)
        if out is not None and found:
            objects = [one.object for one in found]
            tabulate(objects, context=found[-1].context).write(out)
    sys.exit(1 if failed else 0)


@objects.command("list")
@options.collection
@options.where
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@options.out
@asking
def list_(
    collection: str | None,
    limit: int | None,
    out: str | None,
    where: Filter | None,
    **server: Any,
) -> None:
    """List objects in the order of writing."""
    asking = Asking(**server)
    with asking.client() as client:
        found = islice(client.objects(where, collection=collection), limit)
        if out is not None:
            context = client.count(where, collection=collection).context
            tabulate(found, Object, context=context).write(out)
        elif asking.as_json:
            for one in found:
                click.echo(json.dumps(one.to_dict()))
        else:
            asking.tell(text.objects(list(found)))


@objects.command()
@options.collection
@options.where
@asking
def count(collection: str | None, where: Filter | None, **server: Any) -> None:
    """Tell how many objects there are."""
    asking = Asking(**server)
    with asking.client() as client:
        asking.show(client.count(where, collection=collection), text.count)


@objects.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(), metavar="FILE.fits[HDU]..."
)
@click.option("--id", "id", help="Of the one file.  [default: the file's name]")
@click.option(
    "--at",
    "place",
    type=PLACE,
    metavar="RA DEC",
    help="Where the one is, ICRS: 150.1025 2.2053 in degrees, or 10:00:24.6 +02:12:19."
    "  [default: as its header says]",
)
@click.option(
    "--epoch",
    type=float,
    metavar="MJD",
    help="When each was observed.  [default: as its header says]",
)
@options.reading
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    type=options.NamedValue(),
    metavar="NAME=VALUE",
    help="An attribute of each.",
)
@click.option("--label", "labels", multiple=True, help="What people call each.")
@click.option("--replace", is_flag=True, help="Replace objects whose ids are taken.")
@options.ack
@options.collection
@asking
def add(
    files: Sequence[str],
    id: str | None,
    place: tuple[float, float] | None,
    epoch: float | None,
    hdu: str,
    axis_kind: str | None,
    stokes: str,
    attributes: Sequence[tuple[str, Attribute]],
    labels: Sequence[str],
    replace: bool,
    ack: Ack,
    collection: str | None,
    **where: Any,
) -> None:
    """Add FITS files, each by itself: FOLDER/NAME.fits[HDU] as NAME.fits[HDU]."""
    if len(files) > 1 and (id is not None or place is not None):
        raise click.UsageError("--id and --at go with one file")
    named = _by_id(files) if id is None else {id: files[0]}
    ra, dec = place or (None, None)
    asking = Asking(**where)
    failed = False
    with asking.client() as client:
        for id, name in named.items():
            new = NewObject(
                id,
                Cutout(name, hdu, axis_kind, stokes),
                ra_deg=ra,
                dec_deg=dec,
                epoch_mjd=epoch,
                attributes=dict(attributes),
                labels=labels,
            )
            try:
                added = client.add(
                    [new], collection=collection, replace=replace, ack=ack
                )
            except SkylikeClientError as error:
                failed = True
                asking.fail(error, name)
                continue
            asking.show(added, text.added, query=name)
    sys.exit(1 if failed else 0)


def _by_id(files: Sequence[str]) -> dict[str, str]:
    """Files by their names, which have to be different."""
    found: dict[str, str] = {}
    for file in files:
        id = os.path.basename(file)
        if id in found:
            raise click.UsageError(
                f"{found[id]} and {file} would both be {id!r}: add one of them by itself, "
                "with --id"
            )
        found[id] = file
    return found


@objects.command()
@options.ids
@options.ack
@options.collection
@asking
def delete(ids: Sequence[str], ack: Ack, collection: str | None, **where: Any) -> None:
    """Take objects out; ids that are not there are passed over."""
    asking = Asking(**where)
    with asking.client() as client:
        answer = client.delete(ids, collection=collection, ack=ack)
        asking.show(answer, text.changed)


@objects.command()
@options.ids
@click.option("--add", multiple=True, metavar="LABEL", help="Give this label.")
@click.option("--remove", multiple=True, metavar="LABEL", help="Take this label away.")
@options.ack
@options.collection
@asking
def label(
    ids: Sequence[str],
    add: Sequence[str],
    remove: Sequence[str],
    ack: Ack,
    collection: str | None,
    **where: Any,
) -> None:
    """Give labels to objects, and take others away."""
    if not (add or remove):
        raise click.UsageError("name a label by --add or --remove")
    asking = Asking(**where)
    with asking.client() as client:
        answer = client.set_labels(
            ids, add, remove=remove, collection=collection, ack=ack
        )
        asking.show(answer, text.changed)


@objects.command()
@options.ids
@click.option(
    "--set",
    "attributes",
    multiple=True,
    type=options.NamedValue(),
    metavar="NAME=VALUE",
    help="Set this attribute.",
)
@click.option("--remove", multiple=True, metavar="NAME", help="Take this one away.")
@options.ack
@options.collection
@asking
def attributes(
    ids: Sequence[str],
    attributes: Sequence[tuple[str, Attribute]],
    remove: Sequence[str],
    ack: Ack,
    collection: str | None,
    **where: Any,
) -> None:
    """Set attributes of objects, and take others away."""
    if not (attributes or remove):
        raise click.UsageError("name an attribute by --set or --remove")
    asking = Asking(**where)
    with asking.client() as client:
        answer = client.set_attributes(
            ids, dict(attributes), remove=remove, collection=collection, ack=ack
        )
        asking.show(answer, text.changed)
