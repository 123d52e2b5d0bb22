"""What may enter an index: finite unit vectors of the right length."""

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadRequest, ModelMismatch

_TOLERANCE = 1e-3
_ROUNDING = 1e-6
_LEAST, _MOST = (1 - _ROUNDING) ** 2, (1 + _ROUNDING) ** 2  # squared norms


def checked(vectors: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    """The vectors, native float32 and C-contiguous, brought to norm 1.

    Those of an encoder stay as they are, to the last bit.

    Parameters
    ----------
    vectors : (n, dimension) float, unit norm within 0.001

    Raises
    ------
    ModelMismatch
        ``dimension`` if they have another shape.
    BadRequest
        ``not_finite`` or ``not_unit``.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise ModelMismatch(
            f"The vectors have the shape {vectors.shape}; (n, {dimension}) is expected.",
            reason="dimension",
        )
    if vectors.dtype != np.float32:
        with np.errstate(over="ignore"):  # what overflows is refused as infinite
            vectors = vectors.astype(np.float32)
    vectors = np.ascontiguousarray(vectors)
    doubles = vectors.astype(np.float64)
    squares = np.vecdot(doubles, doubles)
    # Nearly all are good, one by one: a few calls of numpy are all that it takes then.
    if not squares.size or (
        np.minimum.reduce(squares) >= _LEAST and np.maximum.reduce(squares) <= _MOST
    ):
        return vectors
    norms = np.sqrt(squares)[:, None]
    errors = np.abs(norms - 1)
    if not np.isfinite(norms).all():
        raise BadRequest("A vector holds NaN or infinity.", reason="not_finite")
    if (errors > _TOLERANCE).any():
        raise BadRequest(
            f"A vector has the norm {norms[errors.argmax(), 0]:.6g}; 1 is expected.",
            reason="not_unit",
        )
    return np.where(errors > _ROUNDING, (vectors / norms).astype(np.float32), vectors)
