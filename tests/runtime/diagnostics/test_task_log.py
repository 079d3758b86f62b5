"""What tasks say to their executor's log, in real tasks."""

import io
import re
from contextlib import redirect_stderr

import pytest

from tonality.runtime.diagnostics.task_log import announced
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.spark.session import in_run

PLACE = r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (INFO|WARN) \[{run}\] tonality: task {event} work=count partition=1 attempt=\d+ task=\d+"


@pytest.fixture
def task():
    """What a task says while it hands these over, and what it hands over; a row of 0 is a failure."""

    def run(partition, rows):
        heard = io.StringIO()
        with redirect_stderr(heard):
            try:
                got = list(announced("count", (10 // row and [row] * row for row in rows), len))
            except ZeroDivisionError:
                got = "failed"
        return [(partition, heard.getvalue(), got)]

    return run


@pytest.fixture
def tasks(spark, tmp_path, task):
    """Runs two tasks in a run of these settings; its id, and what each said and handed over."""

    def run(rows, *overrides):
        settings = load([], [f"paths.root={tmp_path}", *overrides])
        with Run("clean", settings) as record, in_run(spark, record, settings.spark):
            partitions = spark.sparkContext.parallelize(rows, 2)
            return record.id, partitions.mapPartitionsWithIndex(task).collect()

    return run


def test_a_task_tells_when_it_begins_and_when_it_ends_with_its_rows_where_that_is_asked_for(tasks):
    run, [(_, first, _), (_, second, got)] = tasks([1, 2, 3, 4], "spark.task_lines=on")
    begins, ends = second.splitlines()
    assert re.fullmatch(PLACE.format(run=run, event="begins"), begins)
    assert re.fullmatch(PLACE.format(run=run, event="ends") + r" rows=7 seconds=\d+\.\d", ends)
    assert " rows=3 " in first
    assert got == [[3] * 3, [4] * 4]


def test_a_task_that_fails_tells_how_far_it_came_and_of_what(tasks):
    run, [_, (_, second, got)] = tasks([1, 2, 3, 0], "spark.task_lines=on")
    assert re.fullmatch(
        PLACE.format(run=run, event="fails") + r" rows=3 seconds=\S+ error=ZeroDivisionError", second.splitlines()[-1]
    )
    assert got == "failed"


@pytest.mark.parametrize("overrides", [[], ["spark.task_lines=off"]])
def test_on_one_machine_and_where_it_is_not_wanted_nothing_is_said(tasks, overrides):
    _, told = tasks([1, 2, 3, 4], *overrides)
    assert [lines for _, lines, _ in told] == ["", ""]


def test_outside_of_spark_nothing_is_said(task):
    assert task(0, [2]) == [(0, "", [[2, 2]])]
