"""Quantities and conditions as they are typed: ``a``, ``a/b``, ``a>=2*b``."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service.errors import BadSettings

_CONDITION = re.compile(
    r"\s*(\w+)\s*(>=|<=|>|<|=)\s*"
    r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:\*\s*(\w+))?\s*"
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}

Columns = Mapping[str, NDArray[np.float64]]


def quantity(text: str, columns: Columns) -> NDArray[np.float64]:
    """A column, or the quotient of two: ``ring_width_px/ring_radius_px``.

    Parameters
    ----------
    text
        What was typed.
    columns
        (n,) float64 each, NaN where unknown.

    Returns
    -------
    (n,) float64
        NaN where unknown or divided by 0.

    Raises
    ------
    BadSettings
        If there is no such column.
    """
    if text in columns:
        return columns[text]
    over, _, under = (part.strip() for part in text.partition("/"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _column(over, columns) / (_column(under, columns) if under else 1.0)
    return np.where(np.isfinite(ratio), ratio, np.nan)


def condition(text: str, columns: Columns) -> NDArray[np.bool_]:
    """Which objects fulfil ``a>=30`` or ``a>=2*b``: (n,); never those unknown.

    Raises
    ------
    BadSettings
        If this is no condition, or there is no such column.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadSettings(
            f"{text!r} is no condition: write a column, one of >= <= > < =, and a number "
            "that may be times another column, such as 'radius>=2*fwhm'"
        )
    name, sign, number, other = match.groups()
    bound = float(number) * (_column(other, columns) if other else 1.0)
    return np.asarray(_COMPARE[sign](_column(name, columns), bound))


def _column(name: str, columns: Columns) -> NDArray[np.float64]:
    if name not in columns:
        raise BadSettings(
            f"the tables have no numbers called {name!r} for any of these objects; they "
            f"have {', '.join(columns) or 'none'}"
        )
    return columns[name]
