"""What people read on stdout while and after stages work, whatever stdout is."""

import sys
from io import TextIOWrapper

from tonality.faults import Fault

__all__ = ["say"]


def say(summary: str, end: str = "\n") -> None:
    """Print a summary: what stdout is for. A terminal that lacks a letter shows its code; a reader may have gone.

    Raises Fault where stdout goes to a disk that is full.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(summary, end=end, flush=True)  # noqa: T201
    except BrokenPipeError:
        return  # the stage is done, whoever reads of it
    except OSError as error:
        raise Fault(f"the stage is done, but its summary cannot be written to stdout: {error.strerror}") from error
