"""Entry point of ``skylike-trainer``."""

from skylike.service import command


def main() -> None:
    """Run a command."""
    # Processes that read files import this module again; torch must not come along.
    from skylike.trainer import cli  # noqa: PLC0415

    command.run(cli.main)


if __name__ == "__main__":
    main()
