"""``skylike-service keys``: who may ask a service, while it runs or not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from skylike.service import config
from skylike.service.cli import options
from skylike.service.keys import FILE, Keys, Scope

_file = click.option(
    "--keys",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=config.PREFIX + "KEYS",
    show_envvar=True,
    help=f"File of the keys.  [default: {FILE} in the data directory]",
)


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    return options.data(_file(options.as_json(command)))


def _keys(data: Path, file: Path | None) -> Keys:
    return Keys(file or data / FILE)


@click.group()
def keys() -> None:
    """API keys: make, list and revoke them; a running service follows at once."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice([str(scope) for scope in Scope]),
    required=True,
    help="What it may do: ask; store objects as well; everything.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Calls a second, and as many at once.  [default: no limit]",
)
@_where
def add(
    name: str,
    scope: str,
    rate: float | None,
    data: Path,
    file: Path | None,
    as_json: bool,
) -> None:
    """Make a key called NAME and print it: nothing tells it a second time."""
    secret = _keys(data, file).add(name, Scope[scope.upper()], rate)
    if as_json:
        facts = {"name": name, "scope": scope, "rate": rate, "key": secret}
        click.echo(json.dumps(facts))
        return
    click.echo(secret)
    click.echo("Keep it now: only its hash is stored.", err=True)


@keys.command(name="list")
@_where
def list_keys(data: Path, file: Path | None, as_json: bool) -> None:
    """List the keys by what is known of them."""
    facts = [
        {
            "name": key.name,
            "scope": str(key.scope),
            "rate": key.rate,
            "created": key.created,
        }
        for key in _keys(data, file).all()
    ]
    if as_json:
        click.echo(json.dumps(facts))
        return
    for one in facts:
        rate = "" if one["rate"] is None else f"{one['rate']:g}/s"
        click.echo(f"{one['name']:24} {one['scope']:6} {rate:8} {one['created']}")


@keys.command()
@click.argument("name")
@_where
def revoke(name: str, data: Path, file: Path | None, as_json: bool) -> None:
    """Forget the key called NAME: its next call is refused."""
    _keys(data, file).revoke(name)
    click.echo(json.dumps({"revoked": name}) if as_json else f"{name} is no key")
