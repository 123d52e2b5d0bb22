"""What people find interesting, and what objects tell: learned from examples.

Everything here is arithmetic on vectors; who rated what is kept elsewhere.
"""

from skylike.service.teaching.examples import MIN_EXAMPLES, NUM_FOLDS, Examples
from skylike.service.teaching.interest import (
    Interest,
    expected,
    improvement,
    learn,
    suggested,
)
from skylike.service.teaching.prediction import (
    LARGEST,
    Classes,
    Interval,
    Quantity,
    Shares,
    fit_classes,
    fit_quantity,
)

__all__ = [
    "LARGEST",
    "MIN_EXAMPLES",
    "NUM_FOLDS",
    "Classes",
    "Examples",
    "Interest",
    "Interval",
    "Quantity",
    "Shares",
    "expected",
    "fit_classes",
    "fit_quantity",
    "improvement",
    "learn",
    "suggested",
]
