"""Logging, and text that came from strangers."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from skylike.service import logs

HOSTILE = "M31\x1b[2J\nforged=yes\u202e\ud800\x9b"


@pytest.fixture
def stderr(
    capsys: pytest.CaptureFixture[str],
) -> Iterator[pytest.CaptureFixture[str]]:
    """What a test writes; afterwards the run's own logging is restored."""
    yield capsys
    with capsys.disabled():
        logs.configure(json=False)


@pytest.mark.parametrize("json_lines", [True, False])
def test_an_entry_is_one_line_whatever_it_holds(
    stderr: pytest.CaptureFixture[str], json_lines: bool
) -> None:
    """No escape reaches the terminal, no line is forged."""
    logs.configure(json=json_lines)
    log = structlog.get_logger()
    log.info("indexed", name=HOSTILE, number=3, items=[HOSTILE])
    text = stderr.readouterr().err
    assert text.count("\n") == 1
    assert text[:-1].isprintable()
    assert "forged" in text
    if json_lines:
        entry = json.loads(text)
        assert entry["event"] == "indexed"
        assert entry["number"] == 3


def test_what_libraries_warn_of_is_an_entry_too(
    stderr: pytest.CaptureFixture[str],
) -> None:
    """Or a stranger's broken request would be a line that no reader of JSON takes."""
    logs.configure(json=True)
    logs.configure(json=True)
    library = logging.getLogger("uvicorn.error")
    library.warning("Invalid request from %s", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        library.exception("failed")
    warned, failed = map(json.loads, stderr.readouterr().err.splitlines())
    assert (warned["level"], warned["logger"]) == ("warning", "uvicorn.error")
    assert warned["event"].startswith("Invalid request from M31\\x1b")
    assert "Traceback" in failed["exception"]


def test_a_traceback_keeps_its_lines_and_nothing_else(
    stderr: pytest.CaptureFixture[str],
) -> None:
    """Its frames stay readable; escapes in the message do not pass."""
    logs.configure(json=False)
    try:
        raise ValueError("a\x1b[2Jb")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = stderr.readouterr().err
    assert "Traceback" in text
    assert "\x1b" not in text


def test_printable_leaves_plain_text_alone() -> None:
    assert logs.printable("NGC 1300 Å β 星") == "NGC 1300 Å β 星"
    assert logs.printable("a\tb\x00") == "a\\tb\\x00"
