"""A day that is replaced while a stage reads it, on the real Spark: the stage begins again."""

from datetime import date

import pyarrow as pa
import pytest

from tonality.runtime.spark.retry import with_retries
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.transaction import begin_transaction

TASK_MANIFEST = pa.schema([pa.field("text", pa.string()), pa.field(DAY, pa.date32())])
SAID = "another run has replaced a day that this one was reading: it begins again\n"


@pytest.fixture
def replace(spark, tmp_path):
    """Publishes the one day of a table with a text."""

    def publish(text):
        rows = spark.createDataFrame([(text, date(2015, 12, 10))], "text string, day date")
        with begin_transaction(spark, str(tmp_path), "other", []) as pending:
            pending.stage("notes", rows, TASK_MANIFEST, DAY)
            pending.commit()

    publish("old")
    return publish


@pytest.fixture
def read(spark, tmp_path, replace):
    """Reads the table, whose day is replaced so often between the listing of its files and their reading."""

    def work(times):
        left = [times]

        def once():
            listed = tables.read(spark, str(tmp_path), "notes", TASK_MANIFEST)
            listed.inputFiles()
            if left[0]:
                left[0] -= 1
                replace(f"new {left[0]}")
            return [row.text for row in listed.collect()]

        return once

    return work


@pytest.mark.parametrize("times", [0, 1, 2])
def test_work_begins_again_where_its_day_was_replaced_and_says_so(read, capsys, times):
    assert with_retries(read(times)) == ["new 0" if times else "old"]
    assert capsys.readouterr().err == SAID * times


def test_it_does_not_for_ever(read, capsys):
    with pytest.raises(Exception, match="FILE_NOT_EXIST"):
        with_retries(read(3))
    assert capsys.readouterr().err == SAID * 2


def test_any_other_fault_ends_it_at_once():
    tries = []

    def work():
        tries.append(1)
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        with_retries(work)
    assert tries == [1]
