"""``skylike anomalies`` and ``clusters``: what a fit has put in order."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from skylike.client.cli import options, text
from skylike.client.cli.asking import Asking, asking
from skylike.client.filters import Filter
from skylike.client.ranked import Anomalies, ClusterMembers
from skylike.client.ranking import Order
from skylike.client.types import Clusters

_Listed = TypeVar("_Listed", Anomalies, ClusterMembers, Clusters)

_limit = click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="At most so many.",
)


def _give(
    asking: Asking,
    answer: _Listed,
    show: Callable[[_Listed], list[str]],
    out: str | None,
) -> None:
    """Print an answer, or export its table."""
    if out is not None:
        answer.write(out)
    else:
        asking.show(answer, show)


@click.command()
@options.collection
@options.where
@_limit
@click.option(
    "--order",
    type=click.Choice(["oddest", "typical", "taught"]),
    default="oddest",
    show_default=True,
    help="typical: the least odd first; taught: by what ratings have taught.",
)
@options.thumbnails
@click.option(
    "--controlled",
    is_flag=True,
    help="Order by the percentile among objects observed alike (signal to noise, valid "
    "fraction, beam).",
)
@options.out
@asking
def anomalies(
    collection: str | None,
    where: Filter | None,
    limit: int,
    order: Order,
    thumbnails: bool,
    controlled: bool,
    out: str | None,
    **server: Any,
) -> None:
    """List the objects of a collection by how odd they are, the oddest first."""
    asking = Asking(**server)
    with asking.client() as client:
        answer = client.anomalies(
            where,
            collection=collection,
            limit=limit,
            thumbnails=thumbnails,
            order=order,
            controlled=controlled,
        )
        _give(asking, answer, text.anomalies, out)


@click.group()
def clusters() -> None:
    """Show the clusters of a collection, and what they hold."""


@clusters.command("list")
@options.collection
@options.out
@asking
def list_clusters(collection: str | None, out: str | None, **server: Any) -> None:
    """List the clusters of a collection."""
    asking = Asking(**server)
    with asking.client() as client:
        _give(asking, client.clusters(collection), text.clusters, out)


@clusters.command()
@click.argument("label", type=click.IntRange(0))
@options.collection
@options.where
@_limit
@options.thumbnails
@options.out
@asking
def members(
    label: int,
    collection: str | None,
    where: Filter | None,
    limit: int,
    thumbnails: bool,
    out: str | None,
    **server: Any,
) -> None:
    """List the members of the cluster LABEL, the most typical first."""
    asking = Asking(**server)
    with asking.client() as client:
        answer = client.members(
            label, where, collection=collection, limit=limit, thumbnails=thumbnails
        )
        _give(asking, answer, text.members, out)
