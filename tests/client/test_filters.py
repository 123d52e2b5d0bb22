"""The language of ``--filter``."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace

import grpc
import hypothesis.strategies as st
import pytest
from hypothesis import given

from skylike.client.cli.filters import parse
from skylike.client.errors import BadInput
from skylike.client.requests import to_filter
from skylike.v1 import catalog_pb2, catalog_pb2_grpc

EVERY = {f"{kind}-{i}" for kind in ("round", "long", "ring") for i in range(20)}


@pytest.fixture
def found(served: SimpleNamespace) -> Iterator[Callable[[str], set[str]]]:
    """What a real service finds under a filter."""

    def ask(text: str) -> set[str]:
        request = catalog_pb2.ListObjectsRequest(
            collection="sky", filter=to_filter(parse(text))
        )
        return {one.id for one in stub.ListObjects(request).objects}

    with grpc.insecure_channel(served.address) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        yield ask


def _numbered(*numbers: int, kinds: str = "round long ring") -> set[str]:
    return {f"{kind}-{i}" for kind in kinds.split() for i in numbers}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("number < 2", _numbered(0, 1)),
        ("number <= 2", _numbered(0, 1, 2)),
        ("number > 17.5", _numbered(18, 19)),
        ("number >= 18", _numbered(18, 19)),
        ("number = 3 and kind = ring", {"ring-3"}),
        ("number = 3.0 AND 'kind' == \"ring\"", {"ring-3"}),
        (
            "number in (3, 4) and not kind in (ring, long)",
            _numbered(3, 4, kinds="round"),
        ),
        ("number < 2 and kind != ring", _numbered(0, 1, kinds="round long")),
        ("number = 1 or number = 2 and kind = ring", _numbered(1) | {"ring-2"}),
        ("(number = 1 or number = 2) and kind = ring", {"ring-1", "ring-2"}),
        (
            "id = ring-3 or id in (long-1, 'round-2', 7)",
            {"ring-3", "long-1", "round-2"},
        ),
        ("id != ring-3", EVERY - {"ring-3"}),
        ("cone(150, 2, 1 arcsec)", {"round-0"}),
        ("cone(150.01, 2, 0.6arcmin)", {"round-0", "round-1", "round-2"}),
        ("cone(150.01, 3, 0.015 deg) and not id = long-1", {"long-0", "long-2"}),
        ("flag(CONSTANT)", set()),
        ("not label(odd) and number = 5", _numbered(5)),
        ("epoch > 60000", set()),
        ("not epoch > 60000", EVERY),
        ("number = true", set()),
    ],
)
def test_a_service_finds_what_the_text_says(
    found: Callable[[str], set[str]], text: str, expected: set[str]
) -> None:
    """Precedence, ends of ranges, units of angles, quotes."""
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a word or a quoted text at the end"),
        ("mag", "needs a comparison at the end"),
        ("mag <", "needs a number at the end"),
        ("mag < bright", "needs a number before 'bright'"),
        ("mag < 2 kind = ring", "needs and, or, or the end before 'kind = ring'"),
        ("(mag < 2", "needs ')' at the end"),
        ("sphere(1, 2, 3)", "there are cone, flag, label"),
        ("id < 3", "needs =, != or in before '< 3'"),
        ("mag < 2 $", "before '$'"),
        ("kind = 'open", 'before "\'open"'),
        ("(" * 17 + "a=1" + ")" * 17, "at most 16 levels"),
        ("not " * 999 + "a=1", "at most 16 levels"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.reason == "bad_filter"


_WORDS = st.sampled_from(
    [
        "and",
        "or",
        "not",
        "(",
        ")",
        ",",
        "<",
        "<=",
        "=",
        "!=",
        "in",
        "id",
        "epoch",
        "cone",
        "flag",
        "label",
        "1",
        "-2.5e3",
        "x",
        "'y'",
        '"',
        "deg",
    ]
)


@given(st.one_of(st.text(), st.lists(_WORDS, max_size=12).map(" ".join)))
def test_any_text_is_a_filter_or_bad_input(text: str) -> None:
    """No other error, however odd the text."""
    with suppress(BadInput):
        parse(text)
