"""Options that several commands share."""

from pathlib import Path

import click

data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    envvar="SKYLIKE_DATA",
    show_envvar=True,
    help="Data directory.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
