"""How ``skylike`` ends where what it prints cannot be written."""

import contextlib
import sys
from typing import Any

import click

from skylike.client.tables.text import printable


class Program(click.Group):
    """Commands, of which none ends in a traceback when the disk is full.

    Whoever reads no further (``skylike ... | head``) is told nothing: click sees to it.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command, and exit."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            what = error.filename or "what is printed cannot be written"
            line = f"error: {what}: {error.strerror} [io_error]"
            with contextlib.suppress(OSError):  # it may be standard error itself
                click.echo(printable(line), err=True)
            sys.exit(1)
