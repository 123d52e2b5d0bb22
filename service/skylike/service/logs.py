"""Logging: events with fields, as JSON for machines or lines for people.

Logs go to standard error. Text that came from outside (header cards, ids, names)
may hold terminal escapes or line breaks made to forge entries; `printable` disarms
it, and every entry passes through it, also what libraries warn of.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure(*, json: bool) -> None:
    """Set up logging for this process.

    Parameters
    ----------
    json
        One JSON object per line, instead of coloured text.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _disarm,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_to_standard_error,
    )
    logging.getLogger().addHandler(_OF_LIBRARIES)


class _Entries(logging.Handler):
    """Makes entries of what libraries log by Python's own means."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(
                record.levelno,
                record.getMessage(),
                logger=record.name,
                exc_info=record.exc_info,
            )
        except Exception:  # as every handler: the caller goes on
            self.handleError(record)


_OF_LIBRARIES = _Entries(logging.WARNING)


def _to_standard_error(*_: Any) -> structlog.PrintLogger:
    """To what the standard error is when something is logged, not to what it was."""
    return structlog.PrintLogger(sys.stderr)


def printable(text: str) -> str:
    r"""The text with everything that does not print spelled out, such as ``\x1b``.

    That covers control characters, line breaks, marks that turn the direction of
    writing, and lone surrogates, which cannot be encoded.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _disarm(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Make every text in an entry printable; tracebacks keep their line breaks."""
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(printable(line) for line in str(value).splitlines())
        elif isinstance(value, str):
            event[key] = printable(value)
        elif not isinstance(value, int | float | None):
            event[key] = printable(repr(value))
    return event
