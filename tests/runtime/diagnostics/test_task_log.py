"""Log lines of tasks in their executor's log, with real tasks."""

import io
import re
from contextlib import redirect_stderr

import pytest

from tonality.runtime.diagnostics import task_log
from tonality.runtime.diagnostics.task_log import log_task
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.spark.session import in_run

LINE = r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (INFO|WARN) \[{run}\] tonality: task {event} work=count partition=1 attempt=\d+ task=\d+"


@pytest.fixture
def task():
    """Runs a task over rows, of which 0 fails; returns its log lines and its output."""

    def run(partition, rows):
        log = io.StringIO()
        with redirect_stderr(log):
            try:
                output = list(log_task("count", (10 // row and [row] * row for row in rows), len))
            except ZeroDivisionError:
                output = "failed"
        return [(partition, log.getvalue(), output)]

    return run


@pytest.fixture
def tasks(spark, tmp_path, task):
    """Runs two tasks in a run with these settings; returns its id, and log lines and output of each task."""

    def run(rows, *overrides):
        settings = load([], [f"paths.root={tmp_path}", *overrides])
        with Run("clean", settings) as record, in_run(spark, record, settings.spark):
            partitions = spark.sparkContext.parallelize(rows, 2)
            return record.id, partitions.mapPartitionsWithIndex(task).collect()

    return run


def test_a_task_logs_its_start_and_its_end_with_its_rows_if_requested(tasks):
    run, [(_, first, _), (_, second, output)] = tasks([1, 2, 3, 4], "spark.task_lines=on")
    begins, ends = second.splitlines()
    assert re.fullmatch(LINE.format(run=run, event="begins"), begins)
    assert re.fullmatch(LINE.format(run=run, event="ends") + r" rows=7 seconds=\d+\.\d", ends)
    assert " rows=3 " in first
    assert output == [[3] * 3, [4] * 4]


def test_a_failed_task_logs_its_rows_and_its_error(tasks):
    run, [_, (_, second, output)] = tasks([1, 2, 3, 0], "spark.task_lines=on")
    assert re.fullmatch(
        LINE.format(run=run, event="fails") + r" rows=3 seconds=\S+ error=ZeroDivisionError", second.splitlines()[-1]
    )
    assert output == "failed"


@pytest.mark.parametrize("overrides", [[], ["spark.task_lines=off"]])
def test_on_one_machine_or_if_turned_off_nothing_is_logged(tasks, overrides):
    _, results = tasks([1, 2, 3, 4], *overrides)
    assert [lines for _, lines, _ in results] == ["", ""]


def test_outside_of_spark_nothing_is_logged(task):
    assert task(0, [2]) == [(0, "", [[2, 2]])]


def test_a_name_in_a_line_adds_none():
    log = io.StringIO()
    with redirect_stderr(log):
        task_log._write("INFO", "run\nforged", "task begins work=a\x1b[2J")
    assert log.getvalue().endswith("INFO [run\\u000aforged] tonality: task begins work=a\\u001b[2J\n")
    assert len(log.getvalue().splitlines()) == 1
