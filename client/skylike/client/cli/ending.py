"""How ``skylike`` ends where what it prints cannot be written."""

import contextlib
import os
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
            _let_go()
            sys.exit(1)


def _let_go() -> None:
    """Forget what could not be printed: Python tries once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
