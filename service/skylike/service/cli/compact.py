"""``skylike-service compact``: make the index of a collection anew, of any kind."""

from pathlib import Path

import click

from skylike.service.cli import options
from skylike.service.index import Kind
from skylike.service.library import Library
from skylike.service.progress import Progress, Shown


@click.command()
@click.argument("collection")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    help="How it searches: compare with all, walk a graph, or look into groups. "
    "[default: what suits the number of objects]",
)
@options.data
@options.as_json
def compact(collection: str, kind: str | None, data: Path, as_json: bool) -> None:
    """Index the newest objects of COLLECTION now; with --kind, make one index of all.

    Collections do the first by themselves as they grow. No service may have the data
    directory open.
    """
    with Library(data) as library:
        target = library.collection(collection)
        with Progress(
            "building the index", len(target), "object", Shown.for_people()
        ) as progress:
            target.compact(None if kind is None else Kind(kind), progress.reach)
        facts = {
            "collection": target.name,
            "version": target.version,
            "objects": len(target),
            "index": [f"{kind} {count}" for kind, count in target.kinds],
        }
    options.report(facts, as_json)
