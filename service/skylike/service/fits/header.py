"""The cards of one HDU, parsed when they are asked for.

Most of what a header holds is never looked at, and real headers hold much that the
standard forbids. So a card is split into keyword and value only on demand, and one
that cannot be understood is as good as missing.
"""

import functools
import math
import re
from collections.abc import Iterable, Iterator, Set

CARD = 80
Value = str | int | float | bool

_NUMBER = re.compile(r"([+-]?\d+)|[+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d+)?")


class Header:
    """Keywords and values of a header.

    Parameters
    ----------
    raw : bytes
        Cards of 80 bytes each, without the END card.

    Notes
    -----
    Of a keyword that is repeated the first card counts, as in astropy. Values
    follow section 4.2 of the FITS standard 4.0; text goes on in CONTINUE cards.
    """

    __slots__ = ("_places", "_text", "_values")

    def __init__(self, raw: bytes) -> None:
        self._text = text = raw.decode("latin-1")
        self._values: dict[str, Value | None] = {}
        # From the end, so that the first one stays.
        self._places: dict[str, int] = {
            text[at : at + 8].rstrip(): at for at in range(len(text) - CARD, -1, -CARD)
        }

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._places

    def has_any(self, *starts: str) -> bool:
        """Whether a keyword begins with one of these."""
        return any(keyword.startswith(starts) for keyword in self._places)

    def among(self, keywords: Set[str]) -> list[str]:
        """Those of some keywords that are there, sorted."""
        return sorted(self._places.keys() & keywords)

    def keywords(self) -> Iterable[str]:
        """Every keyword once, in the order of the header."""
        return reversed(self._places)

    def card(self, keyword: str) -> bytes:
        """The 80 bytes of a card that is there."""
        at = self._places[keyword]
        return self._text[at : at + CARD].encode("latin-1")

    def get(self, keyword: str) -> Value | None:
        """The value of a card; None where there is none that can be understood."""
        at = self._places.get(keyword)
        if at is None:
            return None
        if keyword not in self._values:
            self._values[keyword] = self._value(at)
        return self._values[keyword]

    def _value(self, at: int) -> Value | None:
        value = _parse(self._text[at : at + CARD])
        if isinstance(value, str) and value.endswith("&"):
            return self._continued(value, at)
        return value

    def number(self, keyword: str) -> float | None:
        """The value of a card if it is a finite number, else None."""
        value = self.get(keyword)
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return None

    def text(self, keyword: str) -> str:
        """The value as one short printable line; empty where there is none."""
        value = self.get(keyword)
        return "" if value is None else printable(str(value))

    def comment(self, keyword: str) -> str:
        """What a card says behind its value; empty where it says nothing."""
        at = self._places.get(keyword)
        if at is None:
            return ""
        field = self._text[at + 9 : at + CARD].strip()
        if field.startswith("'"):
            field = _unquote(field)[1]
        return printable(field.partition("/")[2])

    def history(self) -> Iterator[str]:
        """The text of every HISTORY card."""
        if "HISTORY" in self._places:
            for at in range(self._places["HISTORY"], len(self._text), CARD):
                if self._text.startswith("HISTORY ", at):
                    yield printable(self._text[at + 8 : at + CARD])

    def _continued(self, value: str, at: int) -> str:
        """Text with that of the CONTINUE cards that follow it."""
        while value.endswith("&") and self._text.startswith("CONTINUE", at + CARD):
            at += CARD
            value = value[:-1] + _unquote(self._text[at + 8 : at + CARD].strip())[0]
        return value


def _unquote(text: str) -> tuple[str, str]:
    """What stands between quotes, where two mean one, and what follows them."""
    end = text.find("'", 1)
    while end >= 0 and text[end + 1 : end + 2] == "'":
        end = text.find("'", end + 2)
    if end < 0:  # the closing quote is lost
        end = len(text)
    return text[1:end].replace("''", "'").rstrip(), text[end + 1 :]


@functools.lru_cache(maxsize=4096)  # most cards are the same in file after file
def _parse(card: str) -> Value | None:
    """The value of one card."""
    if card[8:9] != "=":
        return None
    field = card[9:].strip()
    if field.startswith("'"):
        return _unquote(field)[0]
    field = field.partition("/")[0].rstrip()
    match = _NUMBER.fullmatch(field)
    if match is None:
        return field == "T" if field in ("T", "F") else field or None
    return int(field) if match[1] else float(field.upper().replace("D", "E"))


def printable(text: str, longest: int = 200) -> str:
    """One short line of printable characters: header text is not to be trusted."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())[:longest]
