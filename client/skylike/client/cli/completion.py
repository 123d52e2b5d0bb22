"""``skylike completion``: the script by which a shell completes commands."""

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_SKYLIKE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete skylike's commands, options and files.

    For bash, put eval "$(skylike completion bash)" into ~/.bashrc; for zsh, the same with
    zsh into ~/.zshrc; for fish, skylike completion fish | source into
    ~/.config/fish/config.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click knows all three
    root = context.find_root().command
    click.echo(kind(root, {}, "skylike", _VARIABLE).source())
