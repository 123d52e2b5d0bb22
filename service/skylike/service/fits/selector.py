"""What follows a file's name: ``[SCI,2]``, ``[1][11:74,21:84]``, ``[g=1;r=2]``."""

import re
from dataclasses import dataclass
from pathlib import Path

from skylike.service.errors import BadCutout
from skylike.service.fits.box import Box

_SUFFIX = re.compile(r"^(?P<path>.+?)(?P<selector>(\[[^\[\]]*\])+)$")
_KEY = re.compile(r"(?P<name>[^,=<>;:]+)(?:,\s*(?P<version>\d{1,9}))?")
_LONGEST = 500  # characters
_HDU_NAME = re.compile(r"\s*\([^)]*\)")
_SECTION = re.compile(r"^\s*(\d{1,9}):(\d{1,9})\s*,\s*(\d{1,9}):(\d{1,9})\s*$")


@dataclass(frozen=True, slots=True)
class Key:
    """One HDU: by its number, or by name and version; without a version, any."""

    name: str
    version: int | None = None

    @property
    def number(self) -> int | None:
        """Its number, unless it goes by name."""
        by_number = self.name.isdecimal() and self.version is None
        return int(self.name) if by_number and len(self.name) < 10 else None

    def fits(self, label: str) -> bool:
        """Whether an HDU may be meant, told by its number and name: ``1 (SCI)``."""
        number, _, name = label.partition(" ")
        if self.number is not None:
            return number == str(self.number)
        return name.strip("()").upper() == self.name

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name},{self.version}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Which part of a file.

    Attributes
    ----------
    key
        The HDU; None leaves the choice to the reader.
    bands
        Name and HDU of each band, where several HDUs make one image.
    box
        The section of the image; None for all of it.
    """

    key: Key | None = None
    bands: tuple[tuple[str, Key], ...] = ()
    box: Box | None = None


def locate(source: str) -> tuple[str, str | None]:
    """Split ``file.fits[SCI]`` into the path, or URL, and the selector.

    A file whose literal name has brackets wins.
    """
    match = _SUFFIX.match(source) if source.endswith("]") else None
    if match is None or (not is_url(source) and exists(source)):
        return source, None
    return match["path"], match["selector"]


def of_label(hdu: str) -> str:
    """The selector of what was read, as `Image.hdu` tells it: without names."""
    return _HDU_NAME.sub("", hdu)


def is_url(place: str) -> bool:
    """Whether this is an address rather than a path."""
    return "://" in place


def exists(name: str) -> bool:
    """Whether there is such a file; of what can be no name there is none."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def parse(text: str) -> Selector:
    """Understand a selector, in brackets or, for a single part, without.

    ===================  =====================================================
    ``1``                the HDU of this number, the first being 0
    ``SCI``, ``SCI,2``   by EXTNAME, in any case, and EXTVER
    ``g=1;r=SCI,2``      an HDU for each band
    ``11:74,21:84``      a section as in cfitsio: x first, from 1, ends included;
                         alone or behind one of the above
    ===================  =====================================================

    Raises
    ------
    BadCutout
        ``bad_selector``.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise _bad(text)
    parts = text[1:-1].split("][") if text.startswith("[") else [text]
    box = _section(parts[-1]) if parts else None
    rest = parts[:-1] if box else parts
    if len(rest) > 1 or (not rest and box is None):
        raise _bad(text)
    if not rest:
        return Selector(box=box)
    if "=" not in rest[0]:
        return Selector(key=_key(rest[0], text), box=box)
    bands = [part.partition("=") for part in rest[0].split(";")]
    names = [name.strip() for name, _, _ in bands]
    if not all(names) or len(set(names)) != len(names):
        raise _bad(text)
    keys = [_key(key, text) for _, _, key in bands]
    return Selector(bands=tuple(zip(names, keys, strict=True)), box=box)


def _section(text: str) -> Box | None:
    match = _SECTION.match(text)
    if match is None:
        return None
    x0, x1, y0, y1 = map(int, match.groups())
    if not (1 <= x0 <= x1 and 1 <= y0 <= y1):
        raise _bad(text)
    return Box(x0 - 1, y0 - 1, x1, y1)


def _key(text: str, whole: str) -> Key:
    match = _KEY.fullmatch(text.strip())
    if match is None or not match["name"].strip():
        raise _bad(whole)
    version = match["version"]
    return Key(match["name"].strip().upper(), None if version is None else int(version))


def _bad(text: str) -> BadCutout:
    return BadCutout(
        f"cannot select by {text[:80]!r}: give an HDU such as [1], [SCI] or [SCI,2], one for "
        "each band such as [g=1;r=2], or a section such as [SCI][11:74,21:84]",
        reason="bad_selector",
    )
