"""What people read while and after stages work, whatever their console is; nothing that is secret comes through."""

import sys
from contextlib import suppress
from io import TextIOWrapper

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.diagnostics.redaction import redacted

__all__ = ["counted", "to_stderr", "to_stdout"]


def to_stdout(summary: str, end: str = "\n") -> None:
    """Print a summary: what stdout is for. A terminal that lacks a letter shows its code; a reader may have gone.

    Raises UserError where stdout goes to a disk that is full.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(redacted(summary), end=end, flush=True)  # noqa: T201
    except BrokenPipeError:
        return  # the stage is done, whoever reads of it
    except OSError as error:
        raise UserError(f"the stage is done, but its summary cannot be written to stdout: {error.strerror}") from error


def to_stderr(news: str) -> None:
    """Print to stderr what is no result: how a run goes, and why it failed."""
    if sys.stderr is None:  # as it is where the shell has closed it
        return
    with suppress(OSError):  # there is no other place to say so
        print(redacted(news), file=sys.stderr, flush=True)  # noqa: T201


def counted(number: int, noun: str) -> str:
    """How many of something, as in 1 day and 1,200 days."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
