"""Retries of work whose input another run has replaced."""

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from tonality.runtime.explain.system import is_caused_by_removed_file

__all__ = ["with_retries"]

_Result = TypeVar("_Result")

_LOG: Final = logging.getLogger(__name__)

_RETRIES: Final = 2


def with_retries(work: Callable[[], _Result]) -> _Result:
    """Run the work, and again, at most twice, if a file that it was about to read has been removed.

    That happens when a day is replaced, since Spark lists the files first and opens them later. Other exceptions of the
    work, and the last one, are raised.
    """
    for _ in range(_RETRIES):
        try:
            return work()
        except Exception as error:
            if not is_caused_by_removed_file(error):
                raise
            _LOG.warning("another run has replaced a day that this one was reading: retrying")
    return work()
