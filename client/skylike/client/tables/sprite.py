"""Many thumbnails as one picture."""

import io
from collections.abc import Sequence

from PIL import Image


def sprite(thumbnails: Sequence[bytes], columns: int, side: int) -> bytes:
    """A PNG with thumbnails in rows, each of `side` pixels; black where there is none."""
    rows = -(-len(thumbnails) // columns)
    whole = Image.new("RGB", (columns * side, rows * side))
    for number, png in enumerate(thumbnails):
        if not png:
            continue
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            small = picture.convert("RGB").resize((side, side))
        row, column = divmod(number, columns)
        whole.paste(small, (column * side, row * side))
    stream = io.BytesIO()
    whole.save(stream, "PNG")
    return stream.getvalue()
