"""Progress of Spark's jobs in words, as log messages."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from py4j.protocol import Py4JError
from pyspark import SparkContext

from tonality.runtime.diagnostics.logs import TRANSIENT

__all__ = ["report_progress"]

_LOG: Final = logging.getLogger(__name__)

_TERMINAL_SECONDS: Final = 2.0
_LOG_SECONDS: Final = 60.0
"""The time between two messages on a terminal, where the next overwrites the one before, and in a log."""


@contextmanager
def report_progress(context: SparkContext, seconds: float | None = None) -> Iterator[None]:
    """Log in this block how many tasks of the running jobs are done, every so many seconds."""
    interval = seconds or (_TERMINAL_SECONDS if sys.stderr and sys.stderr.isatty() else _LOG_SECONDS)
    ended = threading.Event()
    thread = threading.Thread(target=_report, args=(context, interval, ended), name="spark-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _report(context: SparkContext, seconds: float, ended: threading.Event) -> None:
    with suppress(Py4JError, OSError):  # Java has ended, which the main thread reports
        while not ended.wait(seconds):
            if text := _describe(context):
                _LOG.info(text, extra=TRANSIENT)


def _describe(context: SparkContext) -> str:
    """The tasks of the stages that are running; empty if all of them run at once."""
    tracker = context.statusTracker()
    stages = [stage for number in tracker.getActiveStageIds() if (stage := tracker.getStageInfo(number))]
    done, total = sum(stage.numCompletedTasks for stage in stages), sum(stage.numTasks for stage in stages)
    return f"{done:,} of {total:,} tasks done" if total > context.defaultParallelism else ""
