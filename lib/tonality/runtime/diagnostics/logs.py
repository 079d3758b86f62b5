"""Logging to stderr: level and format, the run in every line, secrets and control characters removed."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from tonality.runtime.diagnostics.escaping import escaped
from tonality.runtime.diagnostics.redaction import redacted

__all__ = [
    "JSON",
    "LOG_FORMATS",
    "TEXT",
    "TRANSIENT",
    "add_to_log_context",
    "keep_stderr",
    "log_context",
    "log_to_stderr",
]

TEXT: Final = "text"
JSON: Final = "json"
LOG_FORMATS: Final = (TEXT, JSON)
TRANSIENT: Final = {"transient": True}
"""Passed as `extra`, it marks a message of progress that the next one replaces if stderr is a terminal."""

_PACKAGE: Final = "tonality"
_CONTEXT: Final[dict[str, str]] = {}
"""Fields of every line. Not a context variable: threads of the process share them."""
_WIDTH: Final = 99
"""The columns that a message of progress overwrites."""


def log_to_stderr(level: int = logging.INFO, form: str = TEXT) -> None:
    """Log messages of Tonality from this level on, and warnings of other packages, to stderr.

    `form` is `text`, one line as `tonality clean: message`, or `json`, one object per line with time (UTC), level,
    logger, stage, run, message and, for an unexpected error, exception.
    """
    root = logging.getLogger()
    for handler in _stderr_handlers():
        root.removeHandler(handler)
    root.addHandler(_StderrHandler(_JsonFormatter() if form == JSON else _TextFormatter(), overwrites=form == TEXT))
    logging.getLogger(_PACKAGE).setLevel(level)
    logging.captureWarnings(True)


def add_to_log_context(**fields: str) -> None:
    """Add fields until the surrounding `log_context` ends, so that the error that ends its work has them too."""
    _CONTEXT.update(fields)


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Add fields, such as the stage and the id of its run, to all lines that the process logs in this block."""
    previous = dict(_CONTEXT)
    _CONTEXT.update(fields)
    try:
        yield
    finally:
        _CONTEXT.clear()
        _CONTEXT.update(previous)


@contextmanager
def keep_stderr() -> Iterator[None]:
    """Log to the present sys.stderr in this block, even while it is redirected."""
    handlers = _stderr_handlers()
    for handler in handlers:
        handler.kept = sys.stderr
    try:
        yield
    finally:
        for handler in handlers:
            handler.kept = None


class _StderrHandler(logging.Handler):
    """Writes to what sys.stderr is at the moment; an error of writing is ignored, for lack of a place to report it."""

    def __init__(self, formatter: logging.Formatter, overwrites: bool) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.kept: TextIO | None = None
        self._overwrites = overwrites
        self._is_transient = False

    def emit(self, record: logging.LogRecord) -> None:
        stream = self.kept or sys.stderr
        if stream is None:  # closed by the shell
            return
        line = self.format(record)
        with suppress(OSError, ValueError):  # a full disk, a closed stream
            stream.write(self._framed(line, stream, getattr(record, "transient", False)))
            stream.flush()

    def _framed(self, line: str, stream: TextIO, is_transient: bool) -> str:
        """The line with its end: one of progress stays open on a terminal, and the next overwrites it."""
        if not self._overwrites or not stream.isatty():
            return f"{line}\n"
        padded = f"\r{line:<{_WIDTH}}" if self._is_transient or is_transient else line
        self._is_transient = is_transient
        return padded if is_transient else f"{padded}\n"


def _stderr_handlers() -> list[_StderrHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, _StderrHandler)]


class _TextFormatter(logging.Formatter):
    """Lines such as `tonality clean: message`, with the traceback of an unexpected error indented below."""

    def format(self, record: logging.LogRecord) -> str:
        name = " ".join(filter(None, (_PACKAGE, _CONTEXT.get("stage"))))
        lines = [f"{name}: {record.getMessage()}"]
        if record.exc_info:
            lines += [f"  {line}" for line in self.formatException(record.exc_info).split("\n")]
        return escaped(redacted("\n".join(lines)))


class _JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            **_CONTEXT,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info:
            content["exception"] = redacted(self.formatException(record.exc_info))
        return escaped(json.dumps(content, ensure_ascii=False))
