"""Every error has one HTTP status, and is told as it is over gRPC."""

import json
from collections.abc import Iterator

import pytest

from skylike.service import errors
from skylike.service.gateway import problems
from skylike.service.server import status


def _tree(base: type[errors.SkylikeError]) -> Iterator[type[errors.SkylikeError]]:
    yield base
    for child in base.__subclasses__():
        yield from _tree(child)


@pytest.mark.parametrize("kind", [*_tree(errors.SkylikeError)])
def test_every_error_of_the_tree_has_a_status(kind: type[errors.SkylikeError]) -> None:
    """The same reason and kind as over gRPC; only what is nobody's else is a 500."""
    error = kind("the message", reason="the_reason")
    told, over_grpc = problems.problem_of(error), status.tell(error, "id-1")
    assert (told.reason, told.kind) == (over_grpc.reason, over_grpc.kind)
    assert 400 <= told.status < 600
    if kind is not errors.SkylikeError:
        assert told.detail == "the message"


def test_both_tables_have_the_same_classes() -> None:
    """Kinds are told by them, and an answer of gRPC finds its status by its kind."""
    assert set(problems.STATUS_OF) == set(status.STATUS_OF)
    kinds = [kind.reason for kind in problems.STATUS_OF]
    assert len(kinds) == len(set(kinds))


def test_what_is_none_of_ours_keeps_its_text_inside() -> None:
    told = problems.problem_of(ZeroDivisionError("secret detail"))
    assert told.status == 500
    assert b"secret" not in bytes(told.response("id-1").body)


def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    error = errors.TooManyRequests("slowly", retry_seconds=0.3)
    response = problems.problem_of(error).response("id-1")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert json.loads(bytes(response.body))["request_id"] == "id-1"
