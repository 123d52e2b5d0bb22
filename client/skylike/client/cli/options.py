"""Options that several commands have, and the values they take."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from skylike.client.cli import names
from skylike.client.cli.filters import parse
from skylike.client.errors import BadInput, SkylikeClientError
from skylike.client.filters import Filter
from skylike.client.tables.writing import SAMP, door, format_of, writer
from skylike.client.types import Attribute

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


class FilterText(click.ParamType[Filter]):
    """A text of the language of filters."""

    name = "filter"

    def convert(self, value: Any, param: Any, ctx: Any) -> Filter:
        """Read it; a wrong one is wrong usage."""
        if isinstance(value, Filter):
            return value
        try:
            return parse(value)
        except BadInput as error:
            self.fail(str(error), param, ctx)


class Export(click.Path):
    """A file that a table can be written to: looked at before anything is asked.

    Parameters
    ----------
    is_of_embeddings
        Whether they are what is written.
    """

    def __init__(self, *, is_of_embeddings: bool) -> None:
        super().__init__(dir_okay=False)
        self._is_of_embeddings = is_of_embeddings

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Look at its ending, what the format needs, and its folder."""
        try:
            if value == SAMP:
                door("samp")
                return value
            format = format_of(value)
            writer(format)
        except SkylikeClientError as error:
            self.fail(str(error), param, ctx)
        if format == "npy" and not self._is_of_embeddings:
            self.fail("only embeddings are written as .npy", param, ctx)
        folder = Path(value).parent
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            self.fail(
                f"{value} cannot be written: no such folder, or no right", param, ctx
            )
        return super().convert(value, param, ctx)


class NamedValue(click.ParamType[tuple[str, Attribute]]):
    """NAME=VALUE: a number, true or false where it reads as one; else, or quoted, text."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Attribute]:
        """Split it and find the kind."""
        if isinstance(value, tuple):
            return value
        name, sign, text = value.partition("=")
        if not (name and sign):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, _kind(text)


def _kind(text: str) -> Attribute:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


collection = click.option(
    "--collection",
    shell_complete=names.collection,
    help="The collection; not needed where there is only one.",
)
where = click.option(
    "--filter",
    "where",
    type=FilterText(),
    metavar="CONDITION",
    help="Which objects: mag < 20 and not flag(EDGE); kind in (ring, disk); "
    "label(odd) or cone(150.1, 2.2, 5 arcmin); epoch >= 60000; id = NAME.",
)


def _out(
    endings: str, *, is_of_embeddings: bool, is_needed: bool = False
) -> Callable[[_Decorated], _Decorated]:
    return click.option(
        "--out",
        required=is_needed,
        type=Export(is_of_embeddings=is_of_embeddings),
        metavar="FILE",
        help=f"Write a table instead of printing; the ending tells the format: {endings}",
    )


_ENDINGS = ".vot .ecsv .parquet .csv .reg; samp: sends it to TOPCAT"
out = _out(_ENDINGS, is_of_embeddings=False)
needed_out = _out(_ENDINGS, is_of_embeddings=False, is_needed=True)
out_of_embeddings = _out(
    ".npy (float32, a row for each) .parquet .csv .ecsv .vot", is_of_embeddings=True
)
ids = click.argument("ids", nargs=-1, required=True, metavar="ID...")
ack = click.option(
    "--ack",
    type=click.Choice(["sync", "async"]),
    default="sync",
    show_default=True,
    help="What the answer promises: sync survives the loss of power.",
)
limit = click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="At most so many.",
)
thumbnails = click.option(
    "--thumbnails", is_flag=True, help="With --json: hits carry a PNG (base64)."
)


def search(command: _Decorated) -> _Decorated:
    """Give a command what `Client.neighbors` takes."""
    options = [
        click.option(
            "-k",
            "--k",
            default=10,
            show_default=True,
            type=click.IntRange(1, 1000),
            help="How many neighbours.",
        ),
        where,
        click.option("--exact", is_flag=True, help="Compare with all, without index."),
        click.option(
            "--effort",
            default=1.0,
            show_default=True,
            type=click.FloatRange(0.1, 16),
            help="How widely to search an index.",
        ),
        click.option("--least", is_flag=True, help="The least similar instead."),
        click.option(
            "--min-score",
            type=click.FloatRange(-1, 1),
            help="Only what scores at least this.",
        ),
        thumbnails,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def reading(command: _Decorated) -> _Decorated:
    """Give a command what says how to read files."""
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
    return hdu(axis_kind(stokes(command)))
