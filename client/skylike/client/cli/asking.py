"""Where a command asks, as whom, and how it answers: what all commands share."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, TypeVar

import click

from skylike.client.client import Client
from skylike.client.credentials import KEY_FILE_VARIABLE, KEY_VARIABLE, Tls, key_in
from skylike.client.errors import SkylikeClientError
from skylike.client.session import DEFAULT_ADDRESS
from skylike.client.tables.text import printable


class Answer(Protocol):
    """What can be printed as JSON."""

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON can hold it."""
        ...


AnswerT = TypeVar("AnswerT", bound=Answer)
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Asking:
    """Where to ask and how to print."""

    address: str
    timeout: float
    as_json: bool
    tls: bool = False
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    api_key_file: str | None = None

    @classmethod
    def taken_from(cls, given: dict[str, Any]) -> Self:
        """Made of its options, which are taken out of all that were given."""
        return cls(**{one.name: given.pop(one.name) for one in fields(cls)})

    def connected(self) -> Client:
        """A client, which has to be closed."""
        files = (self.tls_ca, self.tls_certificate, self.tls_key)
        return Client(
            self.address,
            timeout=self.timeout,
            tls=Tls(*files) if self.tls or any(files) else None,
            api_key=key_in(self.api_key_file) if self.api_key_file else None,
        )

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client; what it raises is told, and ends the command with 1."""
        try:
            with self.connected() as client:
                yield client
        except SkylikeClientError as error:
            self.fail(error)
            sys.exit(1)

    def show(
        self, answer: AnswerT, text: Callable[[AnswerT], Sequence[str]], **facts: Any
    ) -> None:
        """Print an answer: one line of JSON, facts first, or its text."""
        if self.as_json:
            click.echo(json.dumps(facts | answer.to_dict()))
        else:
            self.tell(text(answer))

    def done(self, sentence: str, **facts: Any) -> None:
        """Print what was done: the facts as JSON, or the sentence."""
        if self.as_json:
            click.echo(json.dumps(facts))
        else:
            self.tell([sentence])

    def tell(self, lines: Sequence[str]) -> None:
        """Print lines for people, disarmed."""
        for line in lines:
            click.echo(printable(line))

    def fail(self, error: SkylikeClientError, name: str | None = None) -> None:
        """Report an error: for machines among the answers, for people beside them."""
        if self.as_json:
            facts = {
                "reason": error.reason,
                "message": str(error),
                "request_id": error.request_id,
            }
            click.echo(json.dumps({"query": name, "error": facts}))
            return
        where = f"{name}: " if name and name not in str(error) else ""
        line = f"error: {where}{error} [{error.reason}]"
        click.echo(printable(line), err=True)


def asking(command: _Decorated) -> _Decorated:
    """Give a command the options that make an `Asking`."""
    options = [
        click.option(
            "--address",
            default=DEFAULT_ADDRESS,
            envvar="SKYLIKE_ADDRESS",
            show_default=True,
            show_envvar=True,
            help="HOST:PORT of the service.",
        ),
        click.option(
            "--timeout",
            default=30.0,
            show_default=True,
            type=click.FloatRange(min=0, min_open=True),
            help="Seconds to wait for an answer.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="Print one JSON object per line."
        ),
        click.option(
            "--tls", is_flag=True, help="TLS, with certificates of public authorities."
        ),
        click.option(
            "--tls-ca",
            type=click.Path(),
            envvar="SKYLIKE_TLS_CA",
            show_envvar=True,
            metavar="FILE",
            help="TLS, with certificates signed by one of these (PEM).",
        ),
        click.option(
            "--tls-certificate",
            type=click.Path(),
            metavar="FILE",
            help="Your own certificate (PEM).",
        ),
        click.option(
            "--tls-key", type=click.Path(), metavar="FILE", help="The key of it (PEM)."
        ),
        click.option(
            "--api-key-file",
            type=click.Path(),
            metavar="FILE",
            help=f"Holds your API key.  [env var: {KEY_FILE_VARIABLE}, or the key itself "
            f"in {KEY_VARIABLE}]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
