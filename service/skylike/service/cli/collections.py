"""``skylike-service collections`` and ``info``: what is in a data directory."""

import json
from pathlib import Path
from typing import Any

import click

from skylike.service.cli import options
from skylike.service.engine import CollectionInfo, Engine
from skylike.service.library import Library
from skylike.service.logs import printable


@click.command()
@options.data
@options.as_json
def collections(data: Path, as_json: bool) -> None:
    """List the collections."""
    with Library(data) as library:
        found = Engine(library).collections()
    if as_json:
        click.echo(json.dumps([_summary(info) for info in found]))
        return
    click.echo(f"{'collection':24} {'objects':>9} {'version':>8}  model")
    for info in found:
        context = info.context
        state = info.damage or context.model_id[:12]
        line = (
            f"{context.collection:24} {info.num_objects:>9} "
            f"{context.collection_version:>8}  {state}"
        )
        click.echo(printable(line))


@click.command()
@click.argument("collection")
@options.data
@options.as_json
def info(collection: str, data: Path, as_json: bool) -> None:
    """Tell everything about a collection and its model."""
    with Library(data) as library:
        described = library.collection(collection)
        encoder = library.encoder_of(described)
        [found] = [
            info
            for info in Engine(library).collections()
            if info.context.collection == described.name
        ]
        facts = _summary(found) | {
            "provider": encoder.provider,
            "model": dict(encoder.metadata),
        }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(printable(f"{name:24} {value}"))


def _summary(info: CollectionInfo) -> dict[str, Any]:
    return {
        "collection": info.context.collection,
        "version": info.context.collection_version,
        "model_id": info.context.model_id,
        "num_objects": info.num_objects,
        "dimension": info.dimension,
        "stamp_spec": json.loads(info.stamp_spec_json or "null"),
        "cluster_fit_version": info.cluster_fit_version,
        "anomaly_fit_version": info.anomaly_fit_version,
        "damage": info.damage,
        "nuisances": [one._asdict() for one in info.nuisances],
    }
