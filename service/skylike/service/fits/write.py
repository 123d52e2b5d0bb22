"""From an `Image` back to a FITS file that keeps its place on the sky."""

import re
from collections.abc import Mapping

from skylike.service.fits.header import CARD, Value, printable
from skylike.service.fits.image import Axes, Image
from skylike.service.fits.projection import renumbered
from skylike.service.fits.structure import BLOCK

_KEPT = re.compile(
    r"BMAJ|BMIN|BPA|DATE-OBS|MJD-OBS|EXPTIME|FILTER|INSTRUME|OBJECT|OBSERVER|RESTFRQ"
    r"|RESTWAV|SPECSYS|TELESCOP|BUNIT|PSF_FWHM|SEEING"
)
_REFERENCE = re.compile(r"CRPIX([12])")


def to_fits(image: Image, cards: Mapping[str, Value] | None = None) -> bytes:
    """Write an image, or the cutout that it is, as a FITS file.

    World coordinates are those of the file it came from, with the reference pixel
    moved; so are the cards that say what it is of.

    Parameters
    ----------
    image
        Any.
    cards
        More to say, by keyword of at most 8 characters. Text is made printable ASCII
        and cut to what a card holds.

    Returns
    -------
    bytes
        One primary HDU: float32, (ny, nx), or (channel, ny, nx) for several channels.
    """
    channels = len(image.pixels)
    pixels = image.pixels if image.axes is not Axes.IMAGE else image.pixels[0]
    lines = [
        _card("SIMPLE", True),
        _card("BITPIX", -32),
        _card("NAXIS", pixels.ndim),
        *(_card(f"NAXIS{i + 1}", n) for i, n in enumerate(reversed(pixels.shape))),
        *_carried(image),
    ]
    if image.axes is Axes.BANDS:
        separator = "" if all(len(band) == 1 for band in image.bands) else ","
        separator = separator if channels > 1 else ""
        lines.append(_card("BANDS", separator.join(image.bands)))
    lines += [_card(keyword, value) for keyword, value in (cards or {}).items()]
    lines.append(b"END".ljust(CARD))
    data = pixels.astype(">f4").tobytes()
    return _padded(b"".join(lines), b" ") + _padded(data, b"\0")


def _carried(image: Image) -> list[bytes]:
    """The cards of the file it came from that still hold."""
    if image.header is None:
        return []
    lines = []
    for keyword in image.header.keywords():
        card = image.header.card(keyword)
        if not _KEPT.fullmatch(keyword):
            card = renumbered(image.header, keyword, image.fits_axes)
            if match := _REFERENCE.fullmatch(card[:8].decode().rstrip()):
                card = _moved(image, keyword, int(match[1]))
        if card and card.isascii() and card.decode().isprintable():
            lines.append(card)
    return lines


def _moved(image: Image, keyword: str, axis: int) -> bytes:
    """The reference pixel of a cutout."""
    value = image.header.number(keyword) if image.header is not None else None
    if value is None or image.box is None:
        return b""
    return _card(f"CRPIX{axis}", value - (image.box.x0, image.box.y0)[axis - 1])


def _card(keyword: str, value: Value) -> bytes:
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, int | float):
        text = f"{value!r:>20}".upper().replace("NAN", "").replace("INF", "")
    else:
        plain = printable(value).encode("ascii", "replace").decode()
        text = "'" + plain.replace("'", "''")[:66].ljust(8) + "'"
    return f"{keyword[:8].upper():8}= {text}"[:CARD].ljust(CARD).encode()


def _padded(data: bytes, filling: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, filling)
