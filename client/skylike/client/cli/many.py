"""``skylike many``: files by the thousand over one stream."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import click

from skylike.client.cli import options, text
from skylike.client.cli.asking import Asking, asking
from skylike.client.errors import SkylikeClientError
from skylike.client.exchange import Outcome
from skylike.client.queries import Cutout
from skylike.client.tabulate import tabulate
from skylike.client.types import Analysis


@click.command()
@click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE.fits[HDU]]...")
@click.option(
    "--from",
    "listed",
    type=click.File(errors="surrogateescape"),
    metavar="LIST",
    help="Files by name, one on each line; - for standard input, as they come.",
)
@options.reading
@options.collection
@options.search
@click.option(
    "--false-discovery-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Tell discoveries, so that in the mean at most this share of them is ordinary. "
    "Answers come a window at a time, in the order of the files.",
)
@click.option(
    "--window",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="With --false-discovery-rate: files judged together.",
)
@options.out
@asking
def many(
    files: Sequence[str],
    listed: IO[str] | None,
    out: str | None,
    hdu: str,
    axis_kind: str | None,
    stokes: str,
    **given: Any,
) -> None:
    """Analyze many files at once, and answer as soon as each is ready.

    Prints a line for each; a table of --out is in the order of the files, and tells the
    errors too. Of a run that is stopped it holds what was answered.
    """
    if not (files or listed):
        raise click.UsageError("name FITS files, or a list of them by --from")
    asking = Asking.taken_from(given)
    numbered = enumerate(_names(files, listed))
    questions = ((key, Cutout(key[1], hdu, axis_kind, stokes)) for key in numbered)
    outcomes: list[tuple[int, str, Outcome]] = []
    failed = False
    is_bar = sys.stderr.isatty() and (out is not None or not sys.stdout.isatty())
    with asking.client() as client, _progress(is_bar) as progress:
        answers = client.analyze_many(questions, progress=progress, **given)
        try:
            for (number, name), outcome in answers:
                failed = failed or isinstance(outcome, SkylikeClientError)
                if out is not None:
                    outcomes.append((number, name, outcome))
                _tell(asking, name, outcome, is_printed=out is None)
        finally:  # whatever ended it, what was answered is kept
            if out is not None:
                outcomes.sort(key=lambda one: one[0])
                named = [(name, outcome) for _, name, outcome in outcomes]
                tabulate(named, Analysis).write(out)
    sys.exit(1 if failed else 0)


def _names(files: Sequence[str], listed: IO[str] | None) -> Iterator[str]:
    yield from files
    for line in listed or ():
        if name := line.rstrip("\r\n"):
            yield name


def _tell(asking: Asking, name: str, outcome: Outcome, *, is_printed: bool) -> None:
    if isinstance(outcome, SkylikeClientError):
        asking.fail(outcome, name)
    elif is_printed and asking.as_json:
        click.echo(json.dumps({"query": name, **outcome.to_dict()}))
    elif is_printed:
        asking.tell([text.brief(name, outcome)])


@contextmanager
def _progress(is_bar: bool) -> Iterator[bool | Callable[[int, int | None], None]]:
    """How many are done, on a terminal where nothing else is printed."""
    if not is_bar:
        yield False
        return

    def tell(done: int, total: int | None) -> None:
        click.echo(f"\r{done} done", nl=False, err=True)

    yield tell
    click.echo(err=True)
