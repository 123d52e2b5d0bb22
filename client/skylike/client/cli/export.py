"""``skylike export``: what a collection holds, for other tools."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from skylike.client import handover
from skylike.client.cli import options
from skylike.client.cli.asking import Asking, asking
from skylike.client.filters import Filter

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def _limit(most: int) -> Callable[[_Decorated], _Decorated]:
    return click.option(
        "--limit",
        type=click.IntRange(1),
        default=most,
        show_default=True,
        help="At most so many objects; of more a uniform sample.",
    )


@click.group()
def export() -> None:
    """Hand a collection over to other tools."""


@export.command()
@options.collection
@options.where
@options.needed_out
@asking
def table(
    collection: str | None, where: Filter | None, out: str, **server: Any
) -> None:
    """Write all objects with positions, attributes, clusters and anomaly scores."""
    asking = Asking(**server)
    with asking.client() as client:
        found = handover.everything(client, where, collection=collection)
        found.write(out)
        number = len(found.items)
        asking.done(f"{number} objects are in {out}", num_objects=number, out=out)


@export.command("embedding-atlas")
@options.collection
@options.where
@click.option("--layout", default="", help="Of the map.  [default: the best there is]")
@click.option(
    "--neighbors",
    type=click.IntRange(1, 1000),
    default=15,
    show_default=True,
    help="How many of the nearest of each.",
)
@_limit(50_000)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False), metavar="FILE.parquet"
)
@asking
def embedding_atlas(
    collection: str | None,
    where: Filter | None,
    layout: str,
    neighbors: int,
    limit: int,
    out: str,
    **server: Any,
) -> None:
    """Write places on the map and neighbours, for embedding-atlas.

    Show it by: embedding-atlas FILE.parquet --x x --y y --neighbors neighbors
    """
    asking = Asking(**server)
    with asking.client() as client:
        number = handover.embedding_atlas(
            client,
            out,
            where,
            collection=collection,
            layout=layout,
            neighbors=neighbors,
            limit=limit,
        )
        asking.done(f"{number} objects are in {out}", num_objects=number, out=out)


@export.command()
@options.collection
@options.where
@_limit(10_000)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
)
@asking
def tensorboard(
    collection: str | None,
    where: Filter | None,
    limit: int,
    out: Path,
    **server: Any,
) -> None:
    """Write vectors and thumbnails, for TensorBoard's projector.

    Show it by: tensorboard --logdir FOLDER
    """
    asking = Asking(**server)
    with asking.client() as client:
        number = handover.tensorboard(
            client, out, where, collection=collection, limit=limit
        )
        told = str(out)
        asking.done(f"{number} objects are in {told}", num_objects=number, out=told)
