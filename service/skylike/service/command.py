"""How a program ends: an error becomes one line, and an exit code."""

import contextlib
import json
import os
import sys

import click

from skylike.service.errors import BadInput, BadSettings, SkylikeError
from skylike.service.logs import printable

_FAILED, _BAD_INPUT = 1, 2


def run(main: click.Command) -> None:
    """Run a program with the words of the command line, and exit.

    0 done; 1 failed; 2 bad input, settings or usage. With ``--json`` among the words
    an error is an object on the standard output as well.
    """
    try:
        code = main.main(standalone_mode=False)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(_FAILED)
    except click.ClickException as error:
        error.show()
        _tell("bad_usage", error.format_message())
        sys.exit(error.exit_code)
    except SkylikeError as error:
        click.echo(f"error: {printable(str(error))} [{error.reason}]", err=True)
        _tell(error.reason, str(error))
        sys.exit(_BAD_INPUT if isinstance(error, BadInput | BadSettings) else _FAILED)
    except OSError as error:  # a full disk, a folder that cannot be written
        what = f"{error.filename}: " if error.filename else ""
        message = f"{what}{error.strerror or error}"
        with contextlib.suppress(OSError):  # it may be standard error itself
            click.echo(f"error: {printable(message)} [io_error]", err=True)
        _tell("io_error", message)
        _let_go()
        sys.exit(_FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def _tell(reason: str, message: str) -> None:
    if "--json" in sys.argv[1:]:
        error = {"reason": reason, "message": printable(message)}
        with contextlib.suppress(OSError):  # nobody reads what is printed
            click.echo(json.dumps({"error": error}))


def _let_go() -> None:
    """Forget what could not be printed: Python tries once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
