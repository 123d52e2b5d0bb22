"""``skylike collections`` and ``aliases``: what a service holds."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from skylike.client.cli import names, options, text
from skylike.client.cli.asking import AnswerT, Asking, asking
from skylike.client.tabulate import tabulate
from skylike.client.types import Alias, CollectionInfo


def listing(
    asking: Asking,
    found: Sequence[AnswerT],
    kind: type[AnswerT],
    show: Callable[[Sequence[AnswerT]], list[str]],
    out: str | None,
) -> None:
    """Print or export all of one kind."""
    if out is not None:
        tabulate(found, kind).write(out)
    elif asking.as_json:
        for one in found:
            click.echo(json.dumps(one.to_dict()))
    else:
        asking.tell(show(found))


@click.group()
def collections() -> None:
    """Make, show and remove collections."""


@collections.command("list")
@options.out
@asking
def list_collections(out: str | None, **where: Any) -> None:
    """List the collections of the service."""
    asking = Asking(**where)
    with asking.client() as client:
        listing(asking, client.collections(), CollectionInfo, text.collections, out)


@collections.command("get")
@click.argument("name", required=False, shell_complete=names.collection)
@asking
def get_collection(name: str | None, **where: Any) -> None:
    """Show a collection, by its name or an alias."""
    asking = Asking(**where)
    with asking.client() as client:
        asking.show(client.collection(name), text.collection)


@collections.command("create")
@click.argument("name")
@click.option(
    "--model-of",
    shell_complete=names.collection,
    metavar="COLLECTION",
    help="Whose model it takes.",
)
@asking
def create_collection(name: str, model_of: str | None, **where: Any) -> None:
    """Make an empty collection for the model of another one."""
    asking = Asking(**where)
    with asking.client() as client:
        asking.show(client.create_collection(name, model_of=model_of), text.collection)


@collections.command("delete")
@click.argument("name", shell_complete=names.collection)
@click.confirmation_option(prompt="Remove the collection and all that is in it?")
@asking
def delete_collection(name: str, **where: Any) -> None:
    """Remove a collection and all that is in it."""
    asking = Asking(**where)
    with asking.client() as client:
        client.delete_collection(name)
        asking.done(f"collection {name} is removed", collection=name)


@click.group()
def aliases() -> None:
    """Point names to collections."""


@aliases.command("list")
@options.out
@asking
def list_aliases(out: str | None, **where: Any) -> None:
    """List the aliases of the service."""
    asking = Asking(**where)
    with asking.client() as client:
        listing(asking, client.aliases(), Alias, text.aliases, out)


@aliases.command("set")
@click.argument("alias", shell_complete=names.alias)
@click.argument("collection", shell_complete=names.collection)
@asking
def set_alias(alias: str, collection: str, **where: Any) -> None:
    """Make an alias, or let it point elsewhere, at once for all who ask."""
    asking = Asking(**where)
    with asking.client() as client:
        asking.show(client.set_alias(alias, collection), text.alias)


@aliases.command("rollback")
@click.argument("alias", shell_complete=names.alias)
@click.option(
    "--leaving", metavar="COLLECTION", help="Only if it points there.  [default: any]"
)
@asking
def roll_back_alias(alias: str, leaving: str | None, **where: Any) -> None:
    """Let an alias point to where it did before."""
    asking = Asking(**where)
    with asking.client() as client:
        asking.show(client.roll_back_alias(alias, leaving=leaving), text.alias)


@aliases.command("delete")
@click.argument("alias", shell_complete=names.alias)
@asking
def delete_alias(alias: str, **where: Any) -> None:
    """Forget an alias; its collection stays."""
    asking = Asking(**where)
    with asking.client() as client:
        client.delete_alias(alias)
        asking.done(f"alias {alias} is removed", alias=alias)
