"""FITS bytes, written directly: cards, then big-endian pixels.

A general writer takes longer than drawing the object; ours writes only what the
simulator makes, and the tests read it back with astropy.
"""

import math

from skylike.trainer.sky.geometry import Pixels
from skylike.trainer.sky.header import Header

_BLOCK = 2880


def encode(header: Header, pixels: Pixels) -> bytes:
    """Make a file with one primary image.

    Parameters
    ----------
    header
        Cards in order, SIMPLE to NAXISn first, matching the pixels.
    pixels : (..., ny, nx) float32
    """
    cards = "".join(f"{_card(name, value):80}" for name, value in header.items())
    text = (cards + f"{'END':80}").encode("ascii")
    text += b" " * (-len(text) % _BLOCK)
    data = pixels.astype(">f4").tobytes()
    return text + data + bytes(-len(data) % _BLOCK)


def _card(name: str, value: float | int | str | bool) -> str:
    """Format one card in fixed format (FITS standard 4.0, section 4.2)."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, int):
        text = f"{value:20d}"
    elif isinstance(value, str):
        quoted = value.replace("'", "''")
        text = f"'{quoted:8}'"
    else:
        text = f"{_real(value):>20}"
    card = f"{name:8}= {text}"
    if len(card) > 80:
        raise ValueError(f"the value of {name} is too long for a card: {value!r}")
    return card


def _real(value: float) -> str:
    """Write a number that reads back as itself, always with a decimal point."""
    if not math.isfinite(value):
        raise ValueError(f"a header cannot hold {value}")
    text = repr(float(value))
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"
