"""`SkyObject`: what a collection knows about an object besides its vector."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from skylike.service.errors import BadRequest
from skylike.service.fits import SkyPosition
from skylike.service.flags import Flag

MAX_ID_BYTES = 512
MAX_LABEL = 200  # characters
NO_FLAGS = Flag(0)


@dataclass(frozen=True, slots=True)
class SkyObject:
    """An object of a collection. One that breaks a rule below cannot be made.

    Attributes
    ----------
    id
        Unique in its collection: 1 to 512 bytes of UTF-8, no control characters.
    position
        Where it is on the sky, None where unknown.
    epoch_mjd
        When it was observed, Modified Julian Date, None where unknown.
    uri, hdu, box
        Where its pixels came from: file, HDU and pixel box (x0, y0, x1, y1;
        0-based, end excluded), None where unknown or the whole image.
    attributes
        Typed values by name; whole numbers fit 64 bits, others are finite.
    labels
        What people call it: texts of 1 to 200 characters.
    flags
        What is poor about its stamp.
    valid_fraction
        Share of its pixels that hold data, 0 to 1.
    thumbnail
        A PNG for people; empty where there is none or it was not asked for.

    Raises
    ------
    BadRequest
        With reason ``bad_id``, ``bad_position`` or ``bad_object``.
    """

    id: str
    position: SkyPosition | None = None
    epoch_mjd: float | None = None
    uri: str | None = None
    hdu: str | None = None
    box: tuple[int, int, int, int] | None = None
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    flags: Flag = NO_FLAGS
    valid_fraction: float = 1.0
    thumbnail: bytes = b""

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.position is not None:
            _check_position(self.id, self.position)
        if self.epoch_mjd is not None and not math.isfinite(self.epoch_mjd):
            raise _bad(self.id, f"epoch_mjd is {self.epoch_mjd}, not finite")
        if not 0 <= self.valid_fraction <= 1:
            raise _bad(self.id, f"valid_fraction {self.valid_fraction} is not in 0..1")
        if self.box is not None and not (
            len(self.box) == 4 and all(-(2**31) <= edge < 2**31 for edge in self.box)
        ):
            raise _bad(self.id, f"box {self.box} is not four 32-bit numbers")
        for text in (self.uri, self.hdu):
            if text is not None and not _is_unicode(text):
                raise _bad(self.id, f"{text!r} is not Unicode")
        for name, value in self.attributes.items():
            _check_attribute(self.id, name, value)
        for label in self.labels:
            if not (
                isinstance(label, str)
                and 1 <= len(label) <= MAX_LABEL
                and _is_unicode(label)
            ):
                raise _bad(self.id, f"the label {str(label)[:80]!r} is no short text")

    @property
    def is_searchable(self) -> bool:
        """Whether searches may return it: a constant stamp shows nothing."""
        return Flag.CONSTANT not in self.flags


_SETTERS = [vars(SkyObject)[name].__set__ for name in SkyObject.__dataclass_fields__]


def stored(*values: object) -> SkyObject:
    """An object of these fields, in their order, which was checked when it was stored.

    Half of the time to read a hit would go into checking it once more.
    """
    made = object.__new__(SkyObject)
    for put, value in zip(_SETTERS, values, strict=True):
        put(made, value)
    return made


def check_id(id: str) -> None:
    """Raise `BadRequest` (``bad_id``) unless `id` can name an object."""
    if not _is_unicode(id):
        raise BadRequest(f"The id {id!r} is not Unicode.", reason="bad_id")
    num_bytes = len(id.encode())
    if not 1 <= num_bytes <= MAX_ID_BYTES:
        raise BadRequest(
            f"The id {id[:80]!r} has {num_bytes} bytes; 1 to {MAX_ID_BYTES} are "
            "allowed.",
            reason="bad_id",
        )
    if not id.isprintable() and any(unicodedata.category(c) == "Cc" for c in id):
        raise BadRequest(
            f"The id {id[:80]!r} holds control characters.", reason="bad_id"
        )


def _check_position(id: str, position: SkyPosition) -> None:
    # Written so that NaN fails too.
    if not (0 <= position.ra_deg < 360 and -90 <= position.dec_deg <= 90):
        raise BadRequest(
            f"Object {id!r} has ra {position.ra_deg}, dec {position.dec_deg}; "
            "0 <= ra < 360 and -90 <= dec <= 90 degrees are expected.",
            reason="bad_position",
        )


def _check_attribute(id: str, name: object, value: object) -> None:
    if not (isinstance(name, str) and name and _is_unicode(name)):
        raise _bad(id, f"the attribute name {name!r} is not text")
    match value:
        case bool():
            return
        case int():
            if not -(2**63) <= value < 2**63:
                raise _bad(id, f"attribute {name!r} = {value} exceeds 64 bits")
        case float():
            if not math.isfinite(value):
                raise _bad(id, f"attribute {name!r} = {value} is not finite")
        case str():
            if not _is_unicode(value):
                raise _bad(id, f"attribute {name!r} is not Unicode")
        case _:
            raise _bad(
                id,
                f"attribute {name!r} is a {type(value).__name__}, "
                "not text, int, float or bool",
            )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _bad(id: str, what: str) -> BadRequest:
    return BadRequest(f"Object {id!r}: {what}.", reason="bad_object")
