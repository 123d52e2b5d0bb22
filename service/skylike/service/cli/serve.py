"""``skylike-service serve``: answer over gRPC until SIGTERM."""

import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from skylike.service import config, logs
from skylike.service.cli import options, supervisor
from skylike.service.engine import Engine
from skylike.service.errors import BadSettings
from skylike.service.fits import Limits
from skylike.service.library import Library
from skylike.service.server.serve import serve as serve_engine

_CLOSE_SECONDS = 5.0
_PATH = click.Path(path_type=Path)


def _limits(settings: config.Settings) -> Limits:
    return Limits(
        **{limit: getattr(settings, name) for name, limit in options.LIMITS.items()}
    )


def _help(name: str) -> str:
    field = config.Settings.model_fields[name]
    # Where there is none, or an option turns something on, the text says it.
    is_told = field.default is not None and field.default not in ((), False)
    default = f"  [default: {field.default}]" if is_told else ""
    return f"{field.description}{default}"


@click.command()
@click.option("--data", type=_PATH, help=_help("data"))
@click.option("--address", help=_help("address"))
@click.option("--http-address", help=_help("http_address"))
@click.option("--metrics-address", help=_help("metrics_address"))
@click.option("--cors-origins", help=_help("cors_origins"))
@click.option("--http-hosts", help=_help("http_hosts"))
@click.option("--resolver-url", help=_help("resolver_url"))
@click.option("--insecure", is_flag=True, default=None, help=_help("insecure"))
@click.option("--tls-certificate", type=_PATH, help=_help("tls_certificate"))
@click.option("--tls-key", type=_PATH, help=_help("tls_key"))
@click.option("--tls-client-ca", type=_PATH, help=_help("tls_client_ca"))
@click.option("--keys", type=_PATH, help=_help("keys"))
@click.option("--roots", help=_help("roots"))
@click.option("--workers", type=int, help=_help("workers"))
@click.option("--max-wait-seconds", type=float, help=_help("max_wait_seconds"))
@click.option("--max-idle-seconds", type=float, help=_help("max_idle_seconds"))
@click.option("--max-calls", type=int, help=_help("max_calls"))
@click.option("--max-held-bytes", type=int, help=_help("max_held_bytes"))
@click.option("--max-message-bytes", type=int, help=_help("max_message_bytes"))
@click.option("--max-inflated-bytes", type=int, help=_help("max_inflated_bytes"))
@click.option("--max-pixels", type=int, help=_help("max_pixels"))
@click.option("--max-tile-pixels", type=int, help=_help("max_tile_pixels"))
@click.option("--max-header-bytes", type=int, help=_help("max_header_bytes"))
@click.option("--max-hdus", type=int, help=_help("max_hdus"))
@click.option("--grace-seconds", type=float, help=_help("grace_seconds"))
@click.option("--log-json", is_flag=True, default=None, help=_help("log_json"))
@click.option(
    "--config",
    "config_file",
    type=_PATH,
    help="TOML file of settings.",
)
@click.option(
    "--ready-file",
    type=_PATH,
    help="Write the bound address here as JSON once queries are answered.",
)
@options.as_json
def serve(
    config_file: Path | None, ready_file: Path | None, as_json: bool, **given: Any
) -> None:
    """Answer over gRPC until SIGTERM.

    Every option can also be set in the environment as SKYLIKE_NAME, or in the TOML
    file of --config; the command line wins over the environment, that over the file.
    """
    settings = config.load(given, file=config_file)
    logs.configure(json=settings.log_json)

    def on_ready(addresses: Mapping[str, str]) -> None:
        supervisor.ready()
        if as_json:
            click.echo(json.dumps({**addresses, "pid": os.getpid()}))
        else:
            click.echo(f"listening on {', '.join(addresses.values())}")

    if not settings.data.is_dir():
        raise BadSettings(
            f"there is no data directory {settings.data}: skylike-service index makes "
            "one",
            reason="no_data",
        )
    library = Library(settings.data)
    try:
        serve_engine(
            Engine(library, _limits(settings)),
            settings,
            ready_file=ready_file,
            on_ready=on_ready,
        )
    finally:
        # An index that is being built cannot be stopped, and is made anew if need be.
        closing = ThreadPoolExecutor(1).submit(library.close)
        with suppress(TimeoutError):
            closing.result(_CLOSE_SECONDS)
    # A call or job that outlived the grace has a thread that would hold the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
