"""The commands of ``skylike``.

Exit codes: 0 everything was answered; 1 something failed; 2 usage.
"""

from skylike.client.cli.commands import main

__all__ = ["main"]
