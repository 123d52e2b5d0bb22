"""Which of many are odd, at a share of false alarms that is chosen beforehand.

Needs no service: any p-values will do that were judged together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skylike.client.errors import BadInput

_ROUNDING = (
    1e-12  # a share and a rate as they are written, multiplied, may miss by 1e-16
)


class Discoveries(NamedTuple):
    """What a batch holds: whether each is a discovery, and their largest p-value.

    `threshold` is 0 where there is none.
    """

    selected: NDArray[np.bool_]
    threshold: float


def discoveries(p_values: ArrayLike, rate: float) -> Discoveries:
    """Choose by the procedure of Benjamini & Hochberg (1995).

    Of m p-values in rising order, all up to the last p_i <= i * rate / m. The share of
    ordinary objects among them is then at most `rate`, in the mean over batches; so it is
    for conformal p-values too, which share their calibration objects (Bates et al. 2023).

    Parameters
    ----------
    p_values : (m,)
        Of a closed batch: all that were judged together, chosen by nothing else. m may
        be 0.
    rate
        The false-discovery rate, above 0 and below 1.

    Raises
    ------
    BadInput
        ``bad_rate`` or ``bad_p_value`` where a number is out of range.
    """
    values = np.asarray(p_values, np.float64)
    require_rate(rate)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise BadInput("p-values are a line of numbers 0 to 1", reason="bad_p_value")
    ascending = np.sort(values)
    limits = rate * np.arange(1, len(values) + 1)
    passed = ascending[ascending * len(values) <= limits * (1 + _ROUNDING)]
    if not len(passed):
        return Discoveries(np.zeros(len(values), np.bool_), 0.0)
    threshold = float(passed[-1])
    return Discoveries(values <= threshold, threshold)


def require_rate(rate: float) -> None:
    """Refuse what is no false-discovery rate; raises as `discoveries`."""
    if not 0 < rate < 1:
        raise BadInput(
            f"the false-discovery rate is {rate:g}; above 0 and below 1 is expected",
            reason="bad_rate",
        )
