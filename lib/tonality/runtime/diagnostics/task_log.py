"""What Spark's tasks say to their executor's log: a line when they begin and one when they end, with the run's id.

The lines have the form of Spark's own, and their facts are key=value, as in

    26/11/29 01:47:50 INFO [clean-20261129T014743Z-3f2a] tonality: task ends work=read partition=3 attempt=0 task=17
    rows=120000 seconds=5.8
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, TypeVar

from pyspark import TaskContext

__all__ = ["EXPECTED", "RUN", "announced"]

RUN: Final = "mdc.run"
"""The local property of Spark's jobs that holds the run's id. Spark shows those of mdc. to log4j, by their names."""
EXPECTED: Final = "tonality.runtime.diagnostics.task_log"
"""The one that says whether tasks are to write their lines: true or false."""

_Part = TypeVar("_Part")


def announced(work: str, parts: Iterable[_Part], rows: Callable[[_Part], int]) -> Iterator[_Part]:
    """The parts of a task's work as they come, with a line before the first and one after the last, or after a failure.

    `rows` is how many rows are done with a part.
    """
    task = TaskContext.get()
    if task is None or task.getLocalProperty(EXPECTED) != "true":
        yield from parts
        return
    place = f"work={work} partition={task.partitionId()} attempt={task.attemptNumber()} task={task.taskAttemptId()}"
    run = task.getLocalProperty(RUN)
    done, started = 0, time.monotonic()
    _write("INFO", run, f"task begins {place}")
    try:
        for part in parts:
            done += rows(part)
            yield part
    except BaseException as error:
        _write("WARN", run, f"task fails {place} rows={done} {_since(started)} error={type(error).__name__}")
        raise
    _write("INFO", run, f"task ends {place} rows={done} {_since(started)}")


def _since(started: float) -> str:
    return f"seconds={time.monotonic() - started:.1f}"


def _write(level: str, run: str | None, message: str) -> None:
    """One write a line: workers of an executor share its log."""
    sys.stderr.write(f"{datetime.now():%y/%m/%d %H:%M:%S} {level} [{run}] tonality: {message}\n")
    sys.stderr.flush()
