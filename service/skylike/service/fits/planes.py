"""Planes of a cube, taken together."""

import numpy as np
from numpy.typing import NDArray


def mean_plane(cube: NDArray[np.floating]) -> NDArray[np.float32]:
    """The mean over the planes that have data.

    Parameters
    ----------
    cube : (plane, ny, nx)
        NaN where there is no data.

    Returns
    -------
    mean : (ny, nx) float32
        NaN where no plane has data.
    """
    if len(cube) == 1:
        return np.where(np.isfinite(cube[0]), cube[0], np.nan).astype(np.float32)
    valid = np.isfinite(cube)
    count = np.count_nonzero(valid, axis=0)
    total = np.where(valid, cube, 0).sum(axis=0, dtype=np.float64)
    mean = np.full(count.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.astype(np.float32)
