"""The language of ``--filter``: conditions as people write them.

::

    mag_r < 20 and not flag(SATURATED)
    survey in (ours, "another one") or label(ring)
    cone(150.1, -2.5, 30 arcmin) and epoch >= 60000 and "odd name" != 3

A name is that of an attribute, or ``ra``, ``dec``, ``valid_fraction`` of the object; ``id``
and ``epoch`` (MJD) are those of the object, unless they are quoted. What is unknown of an object fulfils no condition, but ``not``.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from skylike.client.cli.sky import DEGREES
from skylike.client.errors import BadInput
from skylike.client.filters import (
    Between,
    Cone,
    Filter,
    Flagged,
    Labelled,
    Observed,
    OneOf,
    WithIds,
)
from skylike.client.types import Attribute

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\d.]))
    | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<word>[^\W\d][\w.:/-]*)
    | (?P<sign><=|>=|!=|==?|<|>|\(|\)|,)
    )""",
    re.VERBOSE | re.DOTALL,
)
_MOST_LEVELS = 16  # as the service
_T = TypeVar("_T")


def parse(text: str) -> Filter:
    """The filter that a text describes.

    Raises
    ------
    BadInput
        ``bad_filter`` if it describes none; the message says where.
    """
    reader = _Reader(text)
    found = _any(reader)
    if reader.kind:
        raise reader.error("and, or, or the end")
    return found


@dataclass(slots=True)
class _Reader:
    """Reads a text word by word; `kind` and `word` are the next one's."""

    text: str
    kind: str = ""
    word: str = ""
    start: int = 0
    end: int = 0
    depth: int = 0

    def __post_init__(self) -> None:
        self.advance()

    def advance(self) -> None:
        match = _TOKEN.match(self.text, self.end)
        if match is None:
            self.start = self.end
            self.kind = self.word = ""
            if self.text[self.end :].strip():
                raise self.error("a word, a number, a quoted text or a sign")
            return
        assert match.lastgroup is not None
        self.kind, self.word = match.lastgroup, match[match.lastgroup]
        self.start, self.end = match.start(match.lastgroup), match.end()

    def take(self, word: str) -> bool:
        """Pass over a sign or a word of the language, if it comes next."""
        if self.kind in ("sign", "word") and self.word.lower() == word:
            self.advance()
            return True
        return False

    def need(self, word: str) -> None:
        if not self.take(word):
            raise self.error(repr(word))

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > _MOST_LEVELS:
            raise self.error(f"at most {_MOST_LEVELS} levels of ( and not")
        yield
        self.depth -= 1

    def number(self) -> float:
        if self.kind != "number":
            raise self.error("a number")
        found = float(self.word)
        self.advance()
        return found

    def name(self) -> str:
        """A word, or a quoted text."""
        if self.kind == "quoted":
            found = re.sub(r"\\(.)", r"\1", self.word[1:-1], flags=re.DOTALL)
        elif self.kind == "word":
            found = self.word
        else:
            raise self.error("a word or a quoted text")
        self.advance()
        return found

    def id(self) -> str:
        """A name, which may be a number too."""
        if self.kind != "number":
            return self.name()
        found = self.word
        self.advance()
        return found

    def error(self, wanted: str) -> BadInput:
        rest = self.text[self.start :].strip()
        where = f"before {rest[:30]!r}" if rest else "at the end"
        return BadInput(
            f"the filter {self.text!r} needs {wanted} {where}", reason="bad_filter"
        )


def _any(reader: _Reader) -> Filter:
    found = _all(reader)
    while reader.take("or"):
        found = found | _all(reader)
    return found


def _all(reader: _Reader) -> Filter:
    found = _not(reader)
    while reader.take("and"):
        found = found & _not(reader)
    return found


def _not(reader: _Reader) -> Filter:
    if reader.take("not"):
        with reader.deeper():
            return ~_not(reader)
    if reader.take("("):
        with reader.deeper():
            found = _any(reader)
        reader.need(")")
        return found
    return _condition(reader)


def _condition(reader: _Reader) -> Filter:
    is_plain = reader.kind == "word"
    name = reader.name()
    if is_plain and reader.take("("):
        function = _FUNCTIONS.get(name.lower())
        if function is None:
            raise BadInput(
                f"the filter {reader.text!r} asks for {name!r}; there are "
                f"{', '.join(_FUNCTIONS)}",
                reason="bad_filter",
            )
        found = function(reader)
        reader.need(")")
        return found
    if is_plain and name == "id":
        return _of_id(reader)
    if is_plain and name == "epoch":
        return _compared(reader, Observed)
    return _of_attribute(reader, name)


def _of_id(reader: _Reader) -> Filter:
    if reader.take("in"):
        return WithIds(_list(reader, reader.id))
    negated = reader.take("!=")
    if not (negated or reader.take("=") or reader.take("==")):
        raise reader.error("=, != or in")
    found = WithIds([reader.id()])
    return ~found if negated else found


def _of_attribute(reader: _Reader, name: str) -> Filter:
    if reader.take("in"):
        return OneOf(name, _list(reader, lambda: _value(reader)))
    if reader.take("=") or reader.take("=="):
        return OneOf(name, [_value(reader)])
    if reader.take("!="):
        return ~OneOf(name, [_value(reader)])
    return _compared(reader, lambda low, high: Between(name, low, high))


def _compared(
    reader: _Reader, between: Callable[[float | None, float | None], Filter]
) -> Filter:
    """Bounds include their ends: where the sign does not, the end is taken out."""
    for sign in ("<=", ">=", "<", ">"):
        if reader.take(sign):
            bound = reader.number()
            found = between(None, bound) if sign[0] == "<" else between(bound, None)
            return found if "=" in sign else found & ~between(bound, bound)
    raise reader.error("a comparison")


def _value(reader: _Reader) -> Attribute:
    if reader.kind == "number":
        word = reader.id()
        whole = re.fullmatch(r"[+-]?\d+", word)
        return int(word) if whole and -(2**63) <= int(word) < 2**63 else float(word)
    if reader.kind == "word" and reader.word.lower() in ("true", "false"):
        return reader.name().lower() == "true"
    return reader.name()


def _list(reader: _Reader, one: Callable[[], _T]) -> list[_T]:
    reader.need("(")
    found = [one()]
    while reader.take(","):
        found.append(one())
    reader.need(")")
    return found


def _cone(reader: _Reader) -> Filter:
    ra = reader.number()
    reader.need(",")
    dec = reader.number()
    reader.need(",")
    radius = reader.number()
    for unit, degrees in DEGREES.items():
        if reader.take(unit):
            radius *= degrees
            break
    return Cone(ra, dec, radius)


_FUNCTIONS: dict[str, Callable[[_Reader], Filter]] = {
    "cone": _cone,
    "flag": lambda reader: Flagged([reader.name()]),
    "label": lambda reader: Labelled(reader.name()),
}
