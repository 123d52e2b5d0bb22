"""``skylike-service verify``: whether everything is as it was written."""

import json
import sys
from pathlib import Path

import click

from skylike.service.cli import options
from skylike.service.library import Library
from skylike.service.logs import printable


@click.command()
@click.argument("collections", nargs=-1, metavar="[COLLECTION]...")
@click.option(
    "--repair", is_flag=True, help="Make anew what is derived, if the truth is whole."
)
@options.data
@options.as_json
def verify(
    collections: tuple[str, ...], repair: bool, data: Path, as_json: bool
) -> None:
    """Read every row, segment and model of COLLECTIONs, by default of all.

    Exit code 0 if all is whole, or was repaired; 1 if something is damaged.
    """
    is_whole = True
    told = []
    with Library(data) as library:
        for name in collections or library.names():
            found = library.verify(name, repair=repair)
            was_repaired = repair and all(one.is_derived for one in found)
            is_whole &= not found or was_repaired
            state = "whole" if not found else "repaired" if was_repaired else "damaged"
            problems = [one.message for one in found]
            told.append({"collection": name, "state": state, "problems": problems})
            if not as_json:
                click.echo(printable(f"{name:24} {state}"))
                for message in problems:
                    click.echo(printable(f"  {message}"))
    if as_json:
        click.echo(json.dumps(told))
    sys.exit(0 if is_whole else 1)
