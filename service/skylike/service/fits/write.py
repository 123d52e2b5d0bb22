"""From an `Image` back to a FITS file that keeps its place on the sky."""

import re
from collections.abc import Mapping

from skylike.service.fits.axes import KIND
from skylike.service.fits.header import CARD, Value, printable
from skylike.service.fits.image import Axes, Image
from skylike.service.fits.projection import renumbered
from skylike.service.fits.structure import BLOCK

_KEPT = re.compile(
    r"DATE-OBS|MJD-OBS|EXPTIME|FILTER|INSTRUME|OBJECT|OBSERVER|RESTFRQ"
    r"|RESTWAV|SPECSYS|TELESCOP|BUNIT|PSF_FWHM|PSFFWHM|SEEING|FWHM"
)
_LONGEST_TEXT = 68  # of one card
_LONGEST = 2000
_THIRD = re.compile(r"(CTYPE|CRVAL|CRPIX|CDELT|CUNIT)3|(CD|PC)3_3")
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
        More to say, by keyword of at most 8 characters. Text is made printable ASCII,
        and goes on in CONTINUE cards where it is long.

    Returns
    -------
    bytes
        One primary HDU: float32, (ny, nx), or (channel, ny, nx) for several channels.
    """
    pixels = image.pixels if image.axes is not Axes.IMAGE else image.pixels[0]
    lines = [
        _card("SIMPLE", True),
        _card("BITPIX", -32),
        _card("NAXIS", pixels.ndim),
        *(_card(f"NAXIS{i + 1}", n) for i, n in enumerate(reversed(pixels.shape))),
        *_carried(image),
    ]
    said = _said(image) | dict(cards or {})
    for keyword, value in said.items():
        lines += _cards(keyword, value)
    lines.append(b"END".ljust(CARD))
    data = pixels.astype(">f4").tobytes()
    return _padded(b"".join(lines), b" ") + _padded(data, b"\0")


def _carried(image: Image) -> list[bytes]:
    """The cards of the file it came from that still hold."""
    if image.header is None:
        return []
    lines = []
    has_world = image.world is not None
    if (
        has_world
        and image.box is not None
        and f"CTYPE{image.fits_axes[0]}" in image.header
    ):
        # A reference pixel that is not given is 0.
        lines = [
            _card(f"CRPIX{i + 1}", (image.header.number(f"CRPIX{axis}") or 0.0) - start)
            for i, (axis, start) in enumerate(
                zip(image.fits_axes, (image.box.x0, image.box.y0), strict=False)
            )
        ]
    for keyword in image.header.keywords():
        card = image.header.card(keyword)
        if _KEPT.fullmatch(keyword):
            value = image.header.get(keyword)
            if isinstance(value, str) and len(value) > _LONGEST_TEXT:
                lines += _cards(keyword, value)
                continue
        else:
            card = renumbered(image.header, keyword, image.fits_axes)
            new = card[:8].decode().rstrip()
            if _REFERENCE.fullmatch(new) or not (has_world or _THIRD.fullmatch(new)):
                continue
            if keyword in ("CNPIX1", "CNPIX2") and image.box is not None:
                start = image.box.x0 if keyword.endswith("1") else image.box.y0
                card = _card(keyword, (image.header.number(keyword) or 0.0) + start)
        if card and card.isascii() and card.decode().isprintable():
            lines.append(card)
    return lines


def _said(image: Image) -> dict[str, Value]:
    """What the reader found that the cards it came from may say in other ways."""
    said: dict[str, Value] = {}
    if image.beam is not None:
        said |= {
            "BMAJ": image.beam.major_arcsec / 3600,
            "BMIN": image.beam.minor_arcsec / 3600,
            "BPA": image.beam.angle_deg,
        }
    if image.axes is not Axes.IMAGE:
        said[KIND] = str(image.axes)
    if image.axes is Axes.BANDS:
        are_words = all(band.isalnum() and band.isascii() for band in image.bands)
        if are_words and len(image.bands) > 1:
            said["BANDS"] = ",".join(image.bands)
        else:
            said |= {f"BAND{i}": band for i, band in enumerate(image.bands)}
    return said


def _cards(keyword: str, value: Value) -> list[bytes]:
    """A card, and those on which its text goes on: FITS standard 4.0, 4.2.1.2."""
    if not isinstance(value, str):
        return [_card(keyword, value)]
    plain = printable(value, _LONGEST).encode("ascii", "replace").decode()
    parts = _parts(plain.replace("'", "''"))
    lines = [f"{keyword[:8].upper():8}= '{parts[0]:8}'"]
    lines += [f"CONTINUE  '{part}'" for part in parts[1:]]
    return [line.ljust(CARD).encode() for line in lines]


def _parts(text: str) -> list[str]:
    """Text in parts that fit into cards; all but the last end with an ampersand."""
    parts = []
    while len(text) > _LONGEST_TEXT:
        end = _LONGEST_TEXT - 1
        if (len(text[:end]) - len(text[:end].rstrip("'"))) % 2:
            end -= 1  # two quotes mean one, and stay together
        parts.append(text[:end] + "&")
        text = text[end:]
    return [*parts, text]


def _card(keyword: str, value: bool | float) -> bytes:
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    else:
        text = f"{value!r:>20}".upper().replace("NAN", "").replace("INF", "")
    return f"{keyword[:8].upper():8}= {text}"[:CARD].ljust(CARD).encode()


def _padded(data: bytes, filling: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, filling)
