"""Which of many are odd, at a share of false alarms that is chosen beforehand.

Benjamini & Hochberg 1995 (Journal of the Royal Statistical Society B 57, 289): of m
p-values in rising order, all up to the last p_i <= i q / m are discoveries. The share of
ordinary objects among them is then at most q, in the mean over batches, for independent
p-values, and for conformal ones, which share their calibration objects and are
positively dependent (PRDS: Bates et al. 2023, theorem 2).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skylike.service.errors import BadRequest

_ROUNDING = (
    1e-12  # a share and a rate as they are written, multiplied, may miss by 1e-16
)


class Discoveries(NamedTuple):
    """What a batch holds.

    Attributes
    ----------
    selected : (m,) bool
        Which are discoveries.
    threshold
        The largest p-value of them; 0 where there is none.
    """

    selected: NDArray[np.bool_]
    threshold: float


def discoveries(p_values: ArrayLike, rate: float) -> Discoveries:
    """Those of a closed batch: all that were judged together, chosen by nothing else.

    Parameters
    ----------
    p_values : (m,)
        0 to 1; m may be 0.
    rate
        The false-discovery rate q, above 0 and below 1.

    Raises
    ------
    BadRequest
        ``bad_rate`` or ``bad_p_value`` where a number is out of range.
    """
    values = np.asarray(p_values, np.float64)
    if not 0 < rate < 1:
        raise BadRequest(
            f"the false-discovery rate is {rate:g}; above 0 and below 1 is expected",
            reason="bad_rate",
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise BadRequest("p-values are numbers from 0 to 1", reason="bad_p_value")
    ascending = np.sort(values)
    limits = rate * np.arange(1, len(values) + 1)
    passed = ascending[ascending * len(values) <= limits * (1 + _ROUNDING)]
    if not len(passed):
        return Discoveries(np.zeros(len(values), np.bool_), 0.0)
    threshold = float(passed[-1])
    return Discoveries(values <= threshold, threshold)
