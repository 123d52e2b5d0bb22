"""Pages of lists."""

import pytest

from skylike.service.errors import BadRequest
from skylike.service.server import pages

NAMES = [f"name-{i:04}" for i in range(250)]


@pytest.mark.parametrize("size", [0, 1, 99, 249, 250, 251, 5000])
def test_pages_hold_everything_once(size: int) -> None:
    """In order, whatever their size; only the last has no token."""
    seen: list[str] = []
    token = ""
    while True:
        page, token = pages.cut(NAMES, size, token)
        assert len(NAMES[page]) <= (size or 100)
        seen += NAMES[page]
        if not token:
            break
    assert seen == NAMES


def test_names_that_come_and_go_disturb_nothing() -> None:
    """A page begins after the last name of the one before, even if that is gone."""
    _, token = pages.cut(["a", "b", "c"], 2, "")
    page, _ = pages.cut(["a", "bb", "c"], 2, token)
    assert ["a", "bb", "c"][page] == ["bb", "c"]


def test_an_empty_list_is_one_page() -> None:
    assert pages.cut([], 0, "") == (slice(0, 100), "")


@pytest.mark.parametrize("token", ["x", "!!!!", "__8=", "\u00fc"])
def test_forged_tokens_are_refused(token: str) -> None:
    with pytest.raises(BadRequest) as caught:
        pages.cut(NAMES, 0, token)
    assert caught.value.reason == "bad_page_token"


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(BadRequest, match="-1"):
        pages.cut(NAMES, -1, "")
