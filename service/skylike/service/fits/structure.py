"""Which HDUs a file has, told from their headers alone.

No pixel is touched: sizes are known, and judged, before memory is taken. A part that
is broken hides nothing that lies before it.
"""

import enum
import math
from dataclasses import dataclass

from skylike.service.errors import BadCutout
from skylike.service.fits.header import CARD, Header
from skylike.service.fits.limits import Limits
from skylike.service.fits.store import Store

BLOCK = 2880
_BITPIX = (8, 16, 32, 64, -32, -64)
_MAX_AXES = 8
_END = b"END".ljust(8)


class Kind(enum.StrEnum):
    """What an HDU holds."""

    IMAGE = "image"
    COMPRESSED = "compressed image"
    TABLE = "table"
    GROUPS = "random groups"
    OTHER = "unknown extension"


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header and data unit.

    Attributes
    ----------
    number, name, version
        Its place in the file, EXTNAME (possibly empty) and EXTVER.
    header, kind
        Its cards, and what they announce.
    shape
        Of the image, the last axis first as numpy has it; empty for tables.
    start, offset, size
        Where the header begins, where the data begin, and how many bytes of data
        the header declares, all in bytes; `size` is without padding.
    is_complete
        Whether the file is long enough for the data.
    """

    number: int
    name: str
    version: int
    header: Header
    kind: Kind
    shape: tuple[int, ...]
    start: int
    offset: int
    size: int
    is_complete: bool

    @property
    def is_image(self) -> bool:
        """Whether it holds an image, compressed or not."""
        return self.kind in (Kind.IMAGE, Kind.COMPRESSED)

    @property
    def label(self) -> str:
        """Its number, and its name in parentheses."""
        return f"{self.number} ({self.name})" if self.name else str(self.number)


@dataclass(frozen=True, slots=True)
class Structure:
    """The HDUs of a file, and what was odd about them; one sentence each."""

    hdus: tuple[Hdu, ...]
    warnings: tuple[str, ...]
    damage: BadCutout | None
    """Why the file ends before its last byte."""


def scan(store: Store, limits: Limits) -> Structure:
    """Find the HDUs of a file.

    Raises
    ------
    BadCutout
        ``not_fits``, ``corrupt_header``, ``header_limit`` or ``hdu_limit``, unless
        whole HDUs lie before the damage.
    """
    hdus: list[Hdu] = []
    warnings: list[str] = []
    damage = None
    start = 0
    while start < store.size:
        if len(hdus) == limits.hdus:
            raise BadCutout(
                f"the file has more than {limits.hdus} HDUs", reason="hdu_limit"
            )
        if hdus and store.read(start, 8) != b"XTENSION":
            if any(store.read(start, min(BLOCK, store.size - start))):
                warnings.append(f"what follows HDU {len(hdus) - 1} is not FITS")
            break
        try:
            hdu, notes = _read_hdu(store, start, len(hdus), limits)
        except BadCutout as error:
            if not hdus:
                raise
            damage = error
            warnings.append(f"HDU {len(hdus)} is damaged: {error}")
            break
        hdus.append(hdu)
        warnings.extend(notes)
        end = hdu.offset + hdu.size
        if hdu.is_complete and hdu.size and end == store.size and end % BLOCK:
            warnings.append("the padding at the end of the file is missing")
        start = hdu.offset + -(-hdu.size // BLOCK) * BLOCK
    return Structure(tuple(hdus), tuple(warnings), damage)


def _read_hdu(
    store: Store, start: int, number: int, limits: Limits
) -> tuple[Hdu, list[str]]:
    raw, has_end = _read_header(store, start, limits)
    length = len(raw) + CARD if has_end else len(raw)
    offset = start + -(-length // BLOCK) * BLOCK
    header = Header(raw)
    if number == 0:
        _require_fits(header)
    notes = []
    if not raw.isascii() or b"\0" in raw:
        notes.append(f"the header of HDU {number} holds bytes that are not text")
    kind, shape, size = _declared(header, number)
    if not has_end:
        if offset + size > store.size:
            raise corrupt("its header has no END card")
        notes.append(f"the header of HDU {number} has no END card")
    version = header.get("EXTVER")
    hdu = Hdu(
        number=number,
        name=header.text("EXTNAME"),
        version=version if isinstance(version, int) else 1,
        header=header,
        kind=kind,
        shape=shape,
        start=start,
        offset=offset,
        size=size,
        is_complete=offset + size <= store.size,
    )
    return hdu, notes


def _read_header(store: Store, start: int, limits: Limits) -> tuple[bytes, bool]:
    """The cards before END, and whether there is one.

    Without an END card the header is taken to last as long as there is text.
    """
    raw = b""
    step = BLOCK
    while len(raw) <= limits.header_bytes:
        more = bytes(store.read(start + len(raw), step))
        at = more.find(_END)
        while at >= 0 and at % CARD:
            at = more.find(_END, at + 1)
        if at >= 0 and len(raw) + at <= limits.header_bytes:
            return raw + more[:at], True
        raw += more
        if len(more) < step:
            return _text_blocks(raw), False
        step = min(2 * step, 64 * BLOCK)
    raise BadCutout(
        f"a header has more than {limits.header_bytes} bytes", reason="header_limit"
    )


def _text_blocks(raw: bytes) -> bytes:
    length = 0
    while raw[length : length + BLOCK].isascii() and (
        raw[length : length + BLOCK].decode().isprintable()
        and len(raw) >= length + BLOCK
    ):
        length += BLOCK
    return raw[:length]


def _require_fits(header: Header) -> None:
    simple = header.get("SIMPLE")
    if simple is False:
        raise BadCutout(
            "the file says SIMPLE = F: its contents do not follow the FITS standard",
            reason="not_fits",
        )
    if simple is not True:
        raise corrupt("its first card is not SIMPLE = T")


def _declared(header: Header, number: int) -> tuple[Kind, tuple[int, ...], int]:
    """Kind, shape of the image, and bytes of data."""
    bitpix = header.get("BITPIX")
    axes = header.get("NAXIS")
    if bitpix not in _BITPIX or not isinstance(bitpix, int):
        raise corrupt(f"BITPIX is {header.text('BITPIX') or 'missing'}")
    lengths = _lengths(header, "NAXIS", axes)
    parameters = _count(header, "PCOUNT", 0)
    groups = _count(header, "GCOUNT", 1)
    is_groups = number == 0 and header.get("GROUPS") is True and not any(lengths[:1])
    product = math.prod(lengths[1:] if is_groups else lengths) if lengths else 0
    size = abs(bitpix) // 8 * groups * (parameters + product) if lengths else 0
    if is_groups:
        return Kind.GROUPS, (), size
    extension = "IMAGE" if number == 0 else header.text("XTENSION").upper()
    if extension == "IMAGE":
        return Kind.IMAGE, lengths[::-1], size
    if extension == "BINTABLE" and header.get("ZIMAGE") is True:
        return (
            Kind.COMPRESSED,
            _lengths(header, "ZNAXIS", header.get("ZNAXIS"))[::-1],
            size,
        )
    return (Kind.TABLE if "TABLE" in extension else Kind.OTHER), (), size


def _lengths(header: Header, keyword: str, count: object) -> tuple[int, ...]:
    if not isinstance(count, int) or not 0 <= count <= _MAX_AXES:
        raise corrupt(
            f"{keyword} is {header.text(keyword) or 'missing'}; 0 to {_MAX_AXES} axes "
            "are read"
        )
    return tuple(
        _count(header, f"{keyword}{axis}", None) for axis in range(1, count + 1)
    )


def _count(header: Header, keyword: str, default: int | None) -> int:
    value = header.get(keyword)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise corrupt(f"{keyword} is {header.text(keyword) or 'missing'}")
    return value


def corrupt(what: str) -> BadCutout:
    """The error for a header that contradicts the standard or itself."""
    return BadCutout(f"the file is damaged: {what}", reason="corrupt_header")
