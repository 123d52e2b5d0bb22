"""``skylike health``: whether a service answers."""

from typing import Any

import click

from skylike.client.cli.asking import Asking, asking


@click.command()
@click.option(
    "--wait",
    default=5.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait until it is ready.",
)
@asking
def health(wait: float, **where: Any) -> None:
    """Tell whether the service is ready to answer; exit with 1 if it is not."""
    asking = Asking(**where)
    with asking.client() as client:
        client.wait_ready(wait)
        asking.done(f"{asking.address} is ready", address=asking.address, ready=True)
