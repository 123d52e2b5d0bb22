"""``skylike anomalies`` and ``clusters``: what a fit has put in order."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from skylike.client.cli import kinds, options, text
from skylike.client.cli.asking import Asking, asking
from skylike.client.filters import Filter
from skylike.client.kinds import Clusters
from skylike.client.ranked import Anomalies, ClusterMembers
from skylike.client.ranking import Order

_Listed = TypeVar("_Listed", Anomalies, ClusterMembers, Clusters)


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


def _label(_: click.Context, __: click.Parameter, given: str) -> int | None:
    """The number of a cluster; None for "none"."""
    if given == "none":
        return None
    if not given.isdecimal():
        raise click.BadParameter(f"{given!r} is neither a number nor none")
    return int(given)


@click.command()
@options.collection
@options.where
@options.limit
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
@click.option(
    "--fit",
    "fit_version",
    type=click.IntRange(1),
    help="Of which fit, one of the last five. [default: the newest]",
)
@click.option(
    "--portraits",
    is_flag=True,
    help="Tell what members have in common; with --json also what they look like.",
)
@options.out
@asking
def list_clusters(
    collection: str | None,
    fit_version: int | None,
    portraits: bool,
    out: str | None,
    **server: Any,
) -> None:
    """List the clusters of a collection."""
    asking = Asking(**server)
    with asking.client() as client:
        found = client.clusters(
            collection, fit_version=fit_version, portraits=portraits
        )
        _give(asking, found, kinds.clusters, out)


@clusters.command()
@click.argument("label", type=click.IntRange(0))
@click.argument("name")
@options.collection
@asking
def name(label: int, name: str, collection: str | None, **server: Any) -> None:
    """Call the cluster LABEL by NAME, now and in later fits."""
    asking = Asking(**server)
    with asking.client() as client:
        answer = client.rename_cluster(label, name, collection=collection)
        asking.show(answer, lambda _: [f"cluster {label} is called {name}"])


@clusters.command()
@click.argument("label", callback=_label)
@options.collection
@options.where
@options.limit
@options.thumbnails
@options.out
@asking
def members(
    label: int | None,
    collection: str | None,
    where: Filter | None,
    limit: int,
    thumbnails: bool,
    out: str | None,
    **server: Any,
) -> None:
    """List the members of the cluster LABEL, the most typical first.

    Give none as the LABEL for the objects that are in no cluster.
    """
    asking = Asking(**server)
    with asking.client() as client:
        answer = client.members(
            label, where, collection=collection, limit=limit, thumbnails=thumbnails
        )
        _give(asking, answer, text.members, out)
