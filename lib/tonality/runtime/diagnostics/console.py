"""Results on stdout; everything else is logged to stderr, see tonality.runtime.diagnostics.logs."""

import sys
from io import TextIOWrapper

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.diagnostics.escaping import escaped
from tonality.runtime.diagnostics.redaction import redacted

__all__ = ["counted", "to_stdout"]


def to_stdout(summary: str, end: str = "\n") -> None:
    """Print a result to stdout. Characters that a terminal lacks are escaped; a closed pipe is ignored.

    Raises UserError if stdout is a file on a full disk.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(escaped(redacted(summary)), end=end, flush=True)  # noqa: T201
    except BrokenPipeError:
        return  # the stage is done, whether or not its summary is read
    except OSError as error:
        raise UserError(f"the stage is done, but its summary cannot be written to stdout: {error.strerror}") from error


def counted(number: int, noun: str) -> str:
    """A number with its noun, as in 1 day and 1,200 days."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
