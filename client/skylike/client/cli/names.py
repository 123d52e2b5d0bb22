"""Names that a shell completes by asking the service."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem

from skylike.client.cli.asking import Asking
from skylike.client.client import Client
from skylike.client.errors import SkylikeClientError

_PATIENCE_SECONDS = 2.0

_Complete: TypeAlias = Callable[
    [click.Context, click.Parameter, str], list[CompletionItem]
]


_OPTIONS = dataclasses.fields(Asking)


def _by(names: Callable[[Client], Iterable[tuple[str, str]]]) -> _Complete:
    """What completes by names and what they are; by nothing where nobody answers."""

    def complete(
        context: click.Context, _: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        where = {one.name: context.params[one.name] for one in _OPTIONS}
        asking = dataclasses.replace(Asking(**where), timeout=_PATIENCE_SECONDS)
        try:
            with asking.connected() as client:
                found = list(names(client))
        except SkylikeClientError:
            return []
        return [
            CompletionItem(name, help=told)
            for name, told in found
            if name.startswith(begun)
        ]

    return complete


def _collections(client: Client) -> Iterable[tuple[str, str]]:
    for one in client.collections():
        yield one.name, f"{one.num_objects} objects"


def _aliases(client: Client) -> Iterable[tuple[str, str]]:
    for one in client.aliases():
        yield one.alias, f"points to {one.collection}"


def _either(client: Client) -> Iterable[tuple[str, str]]:
    yield from _collections(client)
    yield from _aliases(client)


def _jobs(client: Client) -> Iterable[tuple[str, str]]:
    for one in client.jobs():
        yield one.id, f"{one.kind}, {one.state}"


collection = _by(_either)
alias = _by(_aliases)
job = _by(_jobs)
