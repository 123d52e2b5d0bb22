"""Entry point of ``skylike-service``."""


def main() -> None:
    """Run a command."""
    # Processes that read files import this module anew, and need no commands.
    from skylike.service import cli, command  # noqa: PLC0415

    command.run(cli.main)


if __name__ == "__main__":
    main()
