"""Entry point of ``skylike-service``."""

import sys

import click

from skylike.service import cli
from skylike.service.errors import BadInput, BadSettings, SkylikeError
from skylike.service.logs import printable


def main() -> None:
    """Run a command; an error becomes one line and an exit code."""
    try:
        cli.main()
    except SkylikeError as error:
        click.echo(f"error: {printable(str(error))} [{error.reason}]", err=True)
        sys.exit(2 if isinstance(error, BadInput | BadSettings) else 1)
    except OSError as error:  # a full disk, a folder that cannot be written
        click.echo(f"error: {printable(str(error))} [io_error]", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
