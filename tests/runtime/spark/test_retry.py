"""Retries of a stage whose day is replaced while it reads it, with real Spark."""

from datetime import date

import pyarrow as pa
import pytest

from tonality.runtime.spark.retry import with_retries
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.transaction import begin_transaction

MESSAGES = pa.schema([pa.field("text", pa.string()), pa.field(DAY, pa.date32())])
MESSAGE = "another run has replaced a day that this one was reading: retrying"


@pytest.fixture
def replace(spark, tmp_path):
    """Replaces the one day of a table by a text."""

    def commit(text):
        rows = spark.createDataFrame([(text, date(2015, 12, 10))], "text string, day date")
        with begin_transaction(spark, str(tmp_path), "other", []) as transaction:
            transaction.stage("messages", rows, MESSAGES, DAY)
            transaction.commit()

    commit("old")
    return commit


@pytest.fixture
def read(spark, tmp_path, replace):
    """Reads the table, whose day is replaced a number of times between the listing and the reading of its files."""

    def work(times):
        remaining = [times]

        def once():
            listed = tables.read(spark, str(tmp_path), "messages", MESSAGES)
            listed.inputFiles()
            if remaining[0]:
                remaining[0] -= 1
                replace(f"new {remaining[0]}")
            return [row.text for row in listed.collect()]

        return once

    return work


@pytest.mark.parametrize("times", [0, 1, 2])
def test_work_is_retried_with_a_message_if_its_day_was_replaced(read, caplog, times):
    assert with_retries(read(times)) == ["new 0" if times else "old"]
    assert caplog.messages == [MESSAGE] * times


def test_it_is_not_retried_forever(read, caplog):
    with pytest.raises(Exception, match="FILE_NOT_EXIST"):
        with_retries(read(3))
    assert caplog.messages == [MESSAGE] * 2


def test_any_other_error_ends_it_at_once():
    tries = []

    def work():
        tries.append(1)
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        with_retries(work)
    assert tries == [1]
