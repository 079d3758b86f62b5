"""Progress of Spark's jobs, in words."""

import logging
import re
import time

from tonality.runtime.spark.task_progress import report_progress


def slow_sum(context, tasks):
    """The sum of the tasks' numbers, each of which takes a fifth of a second."""
    return context.parallelize(range(tasks), tasks).map(lambda number: time.sleep(0.2) or number).sum()


def test_tasks_that_are_done_are_counted_while_a_job_runs_and_not_afterwards(spark, caplog):
    caplog.set_level(logging.INFO, logger="tonality")
    context = spark.sparkContext
    with report_progress(context, 0.1):
        assert slow_sum(context, 12) == 66
        while context.statusTracker().getActiveStageIds():
            time.sleep(0.05)
        reported = len(caplog.messages)
        time.sleep(0.3)
    counts = [int(re.fullmatch(r"(\d+) of 12 tasks done", message)[1]) for message in caplog.messages]
    assert counts == sorted(counts)
    assert len(set(counts)) > 2
    assert len(counts) <= reported + 1
    assert all(record.transient for record in caplog.records)


def test_tasks_that_all_run_at_once_are_not_worth_a_message(spark, caplog):
    caplog.set_level(logging.INFO, logger="tonality")
    context = spark.sparkContext
    with report_progress(context, 0.05):
        slow_sum(context, 2)
    assert caplog.messages == []
