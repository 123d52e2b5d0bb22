"""The commands of ``skylike-service``.

Exit codes: 0 done; 1 failed; 2 bad input, settings or usage.
"""

import click

from skylike.service import logs
from skylike.service.cli.aliases import alias, delete
from skylike.service.cli.collections import collections, info
from skylike.service.cli.compact import compact
from skylike.service.cli.cutouts import cutouts
from skylike.service.cli.index import fit, index, reindex
from skylike.service.cli.inspect import inspect
from skylike.service.cli.keys import keys
from skylike.service.cli.serve import serve
from skylike.service.cli.snapshots import restore, snapshot
from skylike.service.cli.verify import verify

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skylike")
def main() -> None:
    """Similarity search for astronomical morphology: cut out, index, fit, serve."""
    logs.configure(json=False)


for _command in (
    inspect,
    cutouts,
    index,
    reindex,
    fit,
    compact,
    serve,
    collections,
    info,
    alias,
    delete,
    keys,
    snapshot,
    restore,
    verify,
):
    main.add_command(_command)
