"""Questions about files, objects, places and examples."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from skylike.client import types
from skylike.client.cli import options, text
from skylike.client.cli.asking import AnswerT, Asking, asking
from skylike.client.cli.sky import PLACE, Radius
from skylike.client.client import Client
from skylike.client.errors import SkylikeClientError
from skylike.client.queries import Cutout, Examples, ObjectId, Place, Source
from skylike.client.tabulate import tabulate

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def about(command: _Decorated) -> _Decorated:
    """Give a command what can be asked about, and how to read files."""
    made = [
        click.argument(
            "files", nargs=-1, type=click.Path(), metavar="[FILE.fits[HDU]]..."
        ),
        click.option(
            "--id", "ids", multiple=True, help="Ask about an object of the collection."
        ),
        click.option(
            "--at",
            "places",
            multiple=True,
            type=PLACE,
            metavar="RA DEC",
            help="Ask about the object nearest to a place, ICRS: 150.1025 2.2053 in "
            "degrees, or 10:00:24.6 +02:12:19.",
        ),
        click.option(
            "--radius",
            type=Radius(),
            default="5arcsec",
            show_default=True,
            metavar="ANGLE",
            help="How far from --at it lies at most: in arcsec, arcmin or deg.",
        ),
        click.option(
            "--like",
            multiple=True,
            metavar="ID",
            help="Ask by examples: what is like these objects together.",
        ),
        click.option(
            "--unlike", multiple=True, metavar="ID", help="And not like these."
        ),
    ]
    command = options.reading(options.collection(command))
    for option in reversed(made):
        command = option(command)
    return command


def _queries(
    files: Sequence[str],
    ids: Sequence[str],
    places: Sequence[tuple[float, float]],
    radius: float,
    like: Sequence[str],
    unlike: Sequence[str],
    **reading: Any,
) -> list[tuple[str, str, Source]]:
    """What to ask about: kind, name and query of each."""
    found: list[tuple[str, str, Source]] = [
        ("query", name, Cutout(name, **reading)) for name in files
    ]
    found += [("object_id", name, ObjectId(name)) for name in ids]
    found += [
        ("place", f"{ra:.10g} {dec:+.10g}", Place(ra, dec, radius))
        for ra, dec in places
    ]
    if unlike and not like:
        raise click.UsageError("--unlike goes with --like")
    if like:
        found.append(("examples", ", ".join(like), Examples(like, unlike)))
    if not found:
        raise click.UsageError("name a FITS file, or an object by --id, --at or --like")
    return found


def each(
    given: dict[str, Any],
    kind: type[AnswerT],
    ask: Callable[..., AnswerT],
    show: Callable[[AnswerT], list[str]],
    **how: Any,
) -> None:
    """Ask about every one, go on after failures, print or export, then exit."""
    asking = Asking.taken_from(given)
    out, collection = given.pop("out", None), given.pop("collection")
    queries = _queries(**given)
    answers: list[tuple[str, Any]] = []
    failed = False
    with asking.client() as client:
        for number, (about, name, query) in enumerate(queries):
            try:
                answer = ask(client, query, collection=collection, **how)
            except SkylikeClientError as error:
                failed = True
                answers.append((name, error))
                asking.fail(error, name)
                continue
            if out is not None:
                answers.append((name, answer))
            elif asking.as_json:
                click.echo(json.dumps({about: name, **answer.to_dict()}))
            else:
                blank = [""] if number else []
                title = [name] if len(queries) > 1 else []
                asking.tell(blank + title + show(answer))
        if out is not None:
            tabulate(answers, kind).write(out)
    sys.exit(1 if failed else 0)


def _how(given: dict[str, Any]) -> dict[str, Any]:
    """What says how to search, taken out of what was given."""
    names = ("k", "where", "exact", "effort", "least", "min_score", "thumbnails")
    return {name: given.pop(name) for name in names}


@click.command()
@about
@options.search
@options.out
@asking
def query(**given: Any) -> None:
    """Tell what is like a FITS file, what kind it is, and how odd."""
    each(given, types.Analysis, Client.analyze, text.analysis, **_how(given))


@click.command()
@about
@options.search
@options.out
@asking
def neighbors(**given: Any) -> None:
    """Tell what is most like a FITS file."""
    each(given, types.Neighbors, Client.neighbors, text.neighbors, **_how(given))


@click.command()
@about
@options.out
@asking
def cluster(**given: Any) -> None:
    """Tell what kind of object a FITS file shows."""
    each(given, types.ClusterResult, Client.cluster, text.cluster)


@click.command()
@about
@options.out
@asking
def anomaly(**given: Any) -> None:
    """Tell how odd a FITS file is."""
    each(given, types.AnomalyResult, Client.anomaly, text.anomaly)


@click.command()
@about
@options.out_of_embeddings
@asking
def embed(**given: Any) -> None:
    """Tell the embedding of a FITS file: with --json or --out all of its numbers."""
    each(given, types.Embedding, Client.embed, text.embedding)
