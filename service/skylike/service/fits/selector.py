"""Names of HDUs: ``file.fits[SCI]``, ``[SCI,2]``, ``[1]``."""

import re
from pathlib import Path

from skylike.service.errors import BadCutout

_SUFFIX = re.compile(r"^(?P<path>.+)\[(?P<selector>[^\[\]]*)\]$")
_SELECTOR = re.compile(r"^(?P<name>[^,=<>]+?)\s*(?:,\s*(?P<version>\d+))?$")

HduKey = int | str | tuple[str, int]


def locate(source: str) -> tuple[Path, str | None]:
    """Split ``file.fits[SCI]`` into the path and the selector.

    A file whose literal name has brackets wins.
    """
    match = _SUFFIX.match(source)
    if match is None or Path(source).exists():
        return Path(source), None
    return Path(match["path"]), match["selector"]


def parse(selector: str) -> HduKey:
    """The key astropy understands for a selector.

    Raises
    ------
    BadCutout
        ``bad_selector`` for anything but an index, a name, or name and version.
    """
    match = _SELECTOR.match(selector.strip())
    if match is None:
        raise BadCutout(
            f"cannot select an HDU by {selector!r}: give an index such as [1], a name "
            "such as [SCI], or name and version such as [SCI,2]",
            reason="bad_selector",
        )
    name, version = match["name"], match["version"]
    if version is not None:
        return name.upper(), int(version)
    return int(name) if name.isdecimal() else name.upper()
