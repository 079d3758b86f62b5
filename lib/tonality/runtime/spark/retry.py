"""Work that is begun again where another run has replaced what it was reading."""

from collections.abc import Callable
from typing import Final, TypeVar

from tonality.runtime.diagnostics.console import to_stderr
from tonality.runtime.explain.system import is_about_removed_file

__all__ = ["with_retries"]

_Result = TypeVar("_Result")

_TIMES: Final = 2


def with_retries(work: Callable[[], _Result]) -> _Result:
    """Do the work; from its beginning, twice more at most, where a file that it was to read had gone by then.

    That is what a reader meets where a day is replaced: Spark lists the files first, and opens them later. Raises what
    the work raises.
    """
    for _ in range(_TIMES):
        try:
            return work()
        except Exception as error:
            if not is_about_removed_file(error):
                raise
            to_stderr("another run has replaced a day that this one was reading: it begins again")
    return work()
