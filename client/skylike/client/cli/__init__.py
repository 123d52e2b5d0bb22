"""The commands of ``skylike``.

Exit codes: 0 everything was answered; 1 something failed; 2 usage.
"""

import click

from skylike.client.cli.archive import aliases, collections
from skylike.client.cli.completion import completion
from skylike.client.cli.ending import Program
from skylike.client.cli.export import export
from skylike.client.cli.figure import figure
from skylike.client.cli.health import health
from skylike.client.cli.inspect import inspect
from skylike.client.cli.jobs import jobs
from skylike.client.cli.many import many
from skylike.client.cli.mapping import map_
from skylike.client.cli.objects import objects
from skylike.client.cli.questions import anomaly, cluster, embed, neighbors, query
from skylike.client.cli.ranking import anomalies, clusters
from skylike.client.cli.teaching import nearest, predict, rate, ratings, suggestions


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skylike")
def main() -> None:
    """Ask a skylike service what a piece of sky looks like."""


main.add_command(query)
main.add_command(query, "analyze")
for _command in (
    *(many, neighbors, nearest, cluster, anomaly, predict, embed, inspect),
    *(rate, ratings, suggestions),
    *(
        objects,
        anomalies,
        clusters,
        figure,
        map_,
        export,
        collections,
        aliases,
        jobs,
        health,
        completion,
    ),
):
    main.add_command(_command)

__all__ = ["main"]
