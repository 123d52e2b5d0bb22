"""Options that several commands share."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from skylike.service import config, fits
from skylike.service.encoder import BASE, Encoder
from skylike.service.errors import BadRequest
from skylike.service.library import Library
from skylike.service.logs import printable
from skylike.service.prepare import Reject

data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=config.DATA,
    show_default=True,
    envvar="SKYLIKE_DATA",
    show_envvar=True,
    help="Data directory.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

LIMITS = {
    "max_inflated_bytes": "inflated_bytes",
    "max_pixels": "pixels",
    "max_tile_pixels": "tile_pixels",
    "max_header_bytes": "header_bytes",
    "max_hdus": "hdus",
}
"""Settings of the service, and the limits of reading that they set."""


def reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how to read files, as `reading`."""

    @functools.wraps(command)
    def with_options(
        hdu: str | None,
        axis_kind: Any,
        stokes: str | None,
        strict: bool,
        **others: Any,
    ) -> Any:
        given = {limit: others.pop(name) for name, limit in LIMITS.items()}
        limits = {limit: value for limit, value in given.items() if value is not None}
        how = fits.Options(
            hdu=hdu,
            axis_kind=axis_kind,
            stokes=stokes,
            strict=strict,
            limits=fits.Limits(**limits),
        )
        return command(reading=how, **others)

    decorated: Any = with_options
    for name in reversed(LIMITS):
        field = config.Settings.model_fields[name]
        decorated = click.option(
            f"--{name.replace('_', '-')}",
            type=click.IntRange(1),
            envvar=config.PREFIX + name.upper(),
            show_envvar=True,
            help=f"{field.description} [default: {field.default}]",
        )(decorated)
    for option in (
        click.option(
            "--strict",
            is_flag=True,
            help="Refuse files whose CHECKSUM or DATASUM does not hold.",
        ),
        click.option(
            "--stokes", help="Which plane of a Stokes axis to take. [default: I]"
        ),
        click.option(
            "--axis-kind",
            type=click.Choice(["bands", "spectral"]),
            help="What a third axis is where the header does not say.",
        ),
        click.option(
            "--hdu",
            help="What to read of each file: 1, SCI or SCI,2; g=1;r=2 for an HDU for "
            "each band; [SCI][11:74,21:84] for a section.",
        ),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def require_collection(library: Library, collection: str, model: Path | None) -> None:
    """Make a collection unless it is there, by skylike-base unless a model is given.

    Raises
    ------
    BadRequest
        ``other_model`` if it is there and has another model than the one given.
    """
    if collection not in library.names():
        library.create(collection, model or BASE)
        return
    if model is None:
        return
    if Encoder(model).model_id != library.collection(collection).model_id:
        raise BadRequest(
            f"{collection!r} was made with another model than {model}: leave --model "
            "away, or index into a new collection",
            reason="other_model",
        )


def report(facts: dict[str, Any], as_json: bool) -> None:
    """Print what was done."""
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:12} {value}")


def report_rejects(rejects: Sequence[Reject], as_json: bool) -> None:
    """Print for people what was left out, and where the list of it is."""
    if rejects and not as_json:
        click.echo(f"left out: {counted(rejects)}", err=True)


def counted(rejects: Sequence[Reject]) -> str:
    """``3 not_fits, 1 truncated; for example FILE: what is wrong with it``."""
    codes = [reject.code for reject in rejects]
    counts = ", ".join(f"{codes.count(code)} {code}" for code in dict.fromkeys(codes))
    return printable(f"{counts}; for example {rejects[0].message}")
