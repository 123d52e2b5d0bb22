"""What figures need and the client alone does not: loaded when it is asked for."""

from importlib import import_module
from typing import Any

from skylike.client.errors import MissingPackage


def load(name: str) -> Any:
    """The module of that name here, which may need a package that is not installed.

    Raises
    ------
    MissingPackage
        If it does.
    """
    try:
        return import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "skylike":
            raise
        raise MissingPackage(
            f"figures need {missing}, which is not installed: "
            "pip install 'skylike[figures]'",
            reason="missing_package",
        ) from error
