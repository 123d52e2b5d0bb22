"""What ``skylike`` understands; each command asks the client and prints."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, TypeVar

import click

from skylike.client.cli import text
from skylike.client.client import Client
from skylike.client.credentials import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    Tls,
    key_in,
)
from skylike.client.errors import SkylikeClientError
from skylike.client.queries import Cutout
from skylike.client.session import DEFAULT_ADDRESS
from skylike.client.tables.text import printable


class _Answer(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


_AnswerT = TypeVar("_AnswerT", bound=_Answer)
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class _About(TypedDict, total=False):
    """What a question is about, as the client's methods take it."""

    query: Cutout
    object_id: str


@dataclass(frozen=True, slots=True)
class _Asking:
    """Where to ask and how to print."""

    address: str
    timeout: float
    as_json: bool
    tls: bool = False
    tls_ca: str | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    api_key_file: str | None = None
    hdu: str = ""
    axis_kind: str | None = None
    stokes: str = ""

    def client(self) -> Client:
        """A client; where none can be made, the reason why, and the end."""
        files = (self.tls_ca, self.tls_certificate, self.tls_key)
        try:
            return Client(
                self.address,
                timeout=self.timeout,
                tls=Tls(*files) if self.tls or any(files) else None,
                api_key=key_in(self.api_key_file) if self.api_key_file else None,
            )
        except SkylikeClientError as error:
            self.fail(error)
            sys.exit(1)

    def each(
        self,
        files: Sequence[str],
        ids: Sequence[str],
        ask: Callable[[Client, _About], _AnswerT],
        show: Callable[[_AnswerT], list[str]],
    ) -> None:
        """Ask about every file and id, go on after failures, then exit."""
        queries: list[tuple[str, str, _About]] = [
            ("query", name, {"query": self._cutout(name)}) for name in files
        ]
        queries += [("object_id", name, {"object_id": name}) for name in ids]
        if not queries:
            raise click.UsageError("name a FITS file, or an object by --id")
        failed = False
        with self.client() as client:
            for number, (kind, name, query) in enumerate(queries):
                try:
                    answer = ask(client, query)
                except SkylikeClientError as error:
                    failed = True
                    self.fail(error, name)
                    continue
                if self.as_json:
                    click.echo(json.dumps({kind: name, **answer.to_dict()}))
                    continue
                blank = [""] if number else []
                title = [name] if len(queries) > 1 else []
                self.tell(blank + title + show(answer))
        sys.exit(1 if failed else 0)

    def _cutout(self, name: str) -> Cutout:
        return Cutout(name, self.hdu, self.axis_kind, self.stokes)

    def tell(self, lines: Sequence[str]) -> None:
        for line in lines:
            click.echo(printable(line))

    def fail(self, error: SkylikeClientError, name: str | None = None) -> None:
        """Report an error: for machines beside the answers, for people beside them."""
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


def _where(command: _Decorated) -> _Decorated:
    """Give a command the options that make an `_Asking`."""
    address = click.option(
        "--address",
        default=DEFAULT_ADDRESS,
        envvar="SKYLIKE_ADDRESS",
        show_default=True,
        show_envvar=True,
        help="HOST:PORT of the service.",
    )
    timeout = click.option(
        "--timeout",
        default=30.0,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds to wait for an answer.",
    )
    as_json = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object per line."
    )
    return address(timeout(as_json(_credentials(command))))


def _credentials(command: _Decorated) -> _Decorated:
    """Give a command the options for services that ask for credentials."""
    tls = click.option(
        "--tls", is_flag=True, help="TLS, with certificates of public authorities."
    )
    ca = click.option(
        "--tls-ca",
        envvar="SKYLIKE_TLS_CA",
        show_envvar=True,
        metavar="FILE",
        help="TLS, with certificates signed by one of these (PEM).",
    )
    certificate = click.option(
        "--tls-certificate", metavar="FILE", help="Your own certificate (PEM)."
    )
    key = click.option("--tls-key", metavar="FILE", help="The key of it (PEM).")
    api_key = click.option(
        "--api-key-file",
        metavar="FILE",
        help=f"Holds your API key.  [env var: {KEY_FILE_VARIABLE}, or the key itself in "
        f"{KEY_VARIABLE}]",
    )
    return tls(ca(certificate(key(api_key(command)))))


def _files(command: _Decorated) -> _Decorated:
    """Give a command its files, and the options that say how to read them."""
    files = click.argument("files", nargs=-1, metavar="[FILE.fits[HDU]]...")
    hdu = click.option(
        "--hdu",
        default="",
        help="What to read of each file: 1, SCI or SCI,2; g=1;r=2 for an HDU for each "
        "band; [SCI][11:74,21:84] for a section.",
    )
    axis_kind = click.option(
        "--axis-kind",
        type=click.Choice(["bands", "spectral"]),
        help="What a third axis is where the header does not say.",
    )
    stokes = click.option(
        "--stokes", default="", help="Which plane of a Stokes axis.  [default: I]"
    )
    return files(hdu(axis_kind(stokes(command))))


_ids = click.option(
    "--id", "ids", multiple=True, help="Ask about an object of the collection."
)
_collection = click.option(
    "--collection", help="The collection; not needed where there is only one."
)
_k = click.option(
    "-k",
    "--k",
    default=10,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many neighbours.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skylike")
def main() -> None:
    """Ask a skylike service what a piece of sky looks like."""


@main.command()
@_files
@_ids
@_collection
@_k
@_where
def query(
    files: Sequence[str],
    ids: Sequence[str],
    collection: str | None,
    k: int,
    **where: Any,
) -> None:
    """Tell what is like a FITS file, what kind it is, and how odd."""
    _Asking(**where).each(
        files,
        ids,
        lambda client, query: client.analyze(**query, collection=collection, k=k),
        text.analysis,
    )


main.add_command(query, "analyze")


@main.command()
@_files
@_ids
@_collection
@_k
@_where
def neighbors(
    files: Sequence[str],
    ids: Sequence[str],
    collection: str | None,
    k: int,
    **where: Any,
) -> None:
    """Tell what is most like a FITS file."""
    _Asking(**where).each(
        files,
        ids,
        lambda client, query: client.neighbors(**query, collection=collection, k=k),
        text.neighbors,
    )


@main.command()
@_files
@_ids
@_collection
@_where
def cluster(
    files: Sequence[str], ids: Sequence[str], collection: str | None, **where: Any
) -> None:
    """Tell what kind of object a FITS file shows."""
    _Asking(**where).each(
        files,
        ids,
        lambda client, query: client.cluster(**query, collection=collection),
        text.cluster,
    )


@main.command()
@_files
@_ids
@_collection
@_where
def anomaly(
    files: Sequence[str], ids: Sequence[str], collection: str | None, **where: Any
) -> None:
    """Tell how odd a FITS file is."""
    _Asking(**where).each(
        files,
        ids,
        lambda client, query: client.anomaly(**query, collection=collection),
        text.anomaly,
    )


@main.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_collection
@_where
def objects(ids: Sequence[str], collection: str | None, **where: Any) -> None:
    """Show objects of a collection by their ids."""
    _Asking(**where).each(
        (),
        ids,
        lambda client, query: client.get(query["object_id"], collection=collection),
        text.found,
    )


@main.command()
@_where
def collections(**where: Any) -> None:
    """List the collections of the service."""
    asking = _Asking(**where)
    try:
        with asking.client() as client:
            found = client.collections()
    except SkylikeClientError as error:
        asking.fail(error)
        sys.exit(1)
    if asking.as_json:
        for info in found:
            click.echo(json.dumps(info.to_dict()))
    else:
        asking.tell(text.collections(found))
