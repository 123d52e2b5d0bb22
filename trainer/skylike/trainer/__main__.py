"""Entry point of ``skylike-trainer``."""

from skylike.service import command
from skylike.trainer import cli


def main() -> None:
    """Run a command."""
    command.run(cli.main)


if __name__ == "__main__":
    main()
