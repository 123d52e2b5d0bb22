"""From an `Image` back to a FITS file that keeps its place on the sky."""

import re
from collections.abc import Mapping

from skylike.service.fits.header import CARD, Value, printable
from skylike.service.fits.image import Axes, Image
from skylike.service.fits.projection import renumbered
from skylike.service.fits.structure import BLOCK

_KEPT = re.compile(
    r"BMAJ|BMIN|BPA|DATE-OBS|MJD-OBS|EXPTIME|FILTER|INSTRUME|OBJECT|OBSERVER|RESTFRQ"
    r"|RESTWAV|SPECSYS|TELESCOP|BUNIT|PSF_FWHM|PSFFWHM|SEEING|FWHM"
)
_LONGEST_TEXT = 68
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
    if image.box is not None and f"CTYPE{image.fits_axes[0]}" in image.header:
        # A reference pixel that is not given is 0.
        lines = [
            _card(f"CRPIX{i + 1}", (image.header.number(f"CRPIX{axis}") or 0.0) - start)
            for i, (axis, start) in enumerate(
                zip(image.fits_axes, (image.box.x0, image.box.y0), strict=False)
            )
        ]
    for keyword in image.header.keywords():
        card = image.header.card(keyword)
        if not _KEPT.fullmatch(keyword):
            card = renumbered(image.header, keyword, image.fits_axes)
            if _REFERENCE.fullmatch(card[:8].decode().rstrip()):
                continue
            if keyword in ("CNPIX1", "CNPIX2") and image.box is not None:
                start = image.box.x0 if keyword.endswith("1") else image.box.y0
                card = _card(keyword, (image.header.number(keyword) or 0.0) + start)
        if card and card.isascii() and card.decode().isprintable():
            lines.append(card)
    return lines


def _card(keyword: str, value: Value) -> bytes:
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, int | float):
        text = f"{value!r:>20}".upper().replace("NAN", "").replace("INF", "")
    else:
        plain = printable(value).encode("ascii", "replace").decode()
        while len(plain.replace("'", "''")) > _LONGEST_TEXT:
            plain = plain[:-1]
        text = "'" + plain.replace("'", "''").ljust(8) + "'"
    return f"{keyword[:8].upper():8}= {text}"[:CARD].ljust(CARD).encode()


def _padded(data: bytes, filling: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, filling)
