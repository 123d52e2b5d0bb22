"""Quantities and conditions as they are typed."""

import numpy as np
import pytest

from skylike.service.errors import BadSettings
from skylike.trainer.judge.quantity import condition, quantity

COLUMNS = {
    "a": np.array([1.0, 4.0, np.nan, 6.0]),
    "b": np.array([2.0, 0.0, 1.0, 3.0]),
    "a/c": np.array([7.0, 7.0, 7.0, 7.0]),
}


def test_a_quantity_is_a_column_or_a_quotient() -> None:
    np.testing.assert_array_equal(quantity("a", COLUMNS), COLUMNS["a"])
    np.testing.assert_array_equal(quantity("a / b", COLUMNS), [0.5, np.nan, np.nan, 2])
    np.testing.assert_array_equal(quantity("a/c", COLUMNS), COLUMNS["a/c"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a>=4", [False, True, False, True]),
        ("a < 5.0", [True, True, False, False]),
        ("a=1e0", [True, False, False, False]),
        ("a>=2*b", [False, True, False, True]),
    ],
)
def test_a_condition_never_holds_where_a_column_is_unknown(
    text: str, expected: list[bool]
) -> None:
    assert condition(text, COLUMNS).tolist() == expected


@pytest.mark.parametrize(
    "text", ["a", "a>", "a>b", "2>a", "a>=2*", "a>1.2.3", "a>.", "__import__('os')"]
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(BadSettings, match="is no condition"):
        condition(text, COLUMNS)


def test_a_column_that_is_not_there_is_named() -> None:
    for text in "z", "a/z":
        with pytest.raises(
            BadSettings, match=r"no numbers called 'z' .*; they have a, b"
        ):
            quantity(text, COLUMNS)
    with pytest.raises(BadSettings, match="no numbers called 'z'"):
        condition("a>=2*z", COLUMNS)
