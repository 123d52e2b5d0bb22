"""Entry point of ``skylike-service``."""

from skylike.service import cli, command


def main() -> None:
    """Run a command."""
    command.run(cli.main)


if __name__ == "__main__":
    main()
