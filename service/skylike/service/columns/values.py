"""Arrow arrays as numpy judges them: in a third of the time that Arrow takes."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def values(array: Any) -> NDArray[Any]:
    """Numbers or truth values, (n,); where one is missing, any may stand.

    Numbers are not copied.
    """
    _, buffer = array.buffers()
    if pa.types.is_boolean(array.type):
        return _bits(buffer, array)
    whole = pa.Array.from_buffers(
        array.type, len(array), [None, buffer], offset=array.offset
    )
    found: NDArray[Any] = whole.to_numpy()
    return found


def known(array: Any) -> Mask | None:
    """Which values are there, (n,); None if all are."""
    return _bits(array.buffers()[0], array) if array.null_count else None


def _bits(buffer: Any, array: Any) -> Mask:
    packed = np.frombuffer(buffer or b"", np.uint8)
    end = array.offset + len(array)
    bits = np.unpackbits(packed, count=end, bitorder="little")
    return bits[array.offset :].view(np.bool_)
