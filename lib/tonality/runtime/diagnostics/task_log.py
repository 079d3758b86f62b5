"""Log lines of Spark tasks in their executor's log: one at the start and one at the end, with the run's id.

The lines have the format of Spark's own, with details as key=value:

    26/11/29 01:47:50 INFO [clean-20261129T014743Z-3f2a] tonality: task ends work=read partition=3 attempt=0 task=17
    rows=120000 seconds=5.8
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, TypeVar

from pyspark import TaskContext

from tonality.runtime.diagnostics.escaping import escaped_name

__all__ = ["ENABLED", "RUN", "log_task"]

RUN: Final = "mdc.run"
"""The local property of Spark jobs for the run's id. Spark passes properties that begin with mdc. to log4j."""
ENABLED: Final = "tonality.task_lines"
"""The local property that turns the tasks' log lines on: true or false."""

_Part = TypeVar("_Part")


def log_task(work: str, parts: Iterable[_Part], rows: Callable[[_Part], int]) -> Iterator[_Part]:
    """Yield the parts of a task's work, with a log line before the first and one after the last or after a failure.

    `rows` counts the rows of a part.
    """
    task = TaskContext.get()
    if task is None or task.getLocalProperty(ENABLED) != "true":
        yield from parts
        return
    labels = f"work={work} partition={task.partitionId()} attempt={task.attemptNumber()} task={task.taskAttemptId()}"
    run = task.getLocalProperty(RUN)
    done, started = 0, time.monotonic()
    _write("INFO", run, f"task begins {labels}")
    try:
        for part in parts:
            done += rows(part)
            yield part
    except BaseException as error:
        _write("WARN", run, f"task fails {labels} rows={done} {_elapsed(started)} error={type(error).__name__}")
        raise
    _write("INFO", run, f"task ends {labels} rows={done} {_elapsed(started)}")


def _elapsed(started: float) -> str:
    return f"seconds={time.monotonic() - started:.1f}"


def _write(level: str, run: str | None, message: str) -> None:
    """Write a line at once, since the workers of an executor share its log."""
    line = escaped_name(f"{datetime.now():%y/%m/%d %H:%M:%S} {level} [{run}] tonality: {message}")
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
