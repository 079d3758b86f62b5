from datetime import date

import pyarrow as pa
import pytest
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.runs.text_rules_check import refuse_other_rules
from tonality.runtime.settings.load import load
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.transaction import begin_transaction

MESSAGES = pa.schema([pa.field("text", pa.string()), pa.field(DAY, pa.date32())])


def test_a_date_bounds_what_is_read_at_both_ends(spark, tmp_path):
    rows = [(f"old {day}", date(2015, 12, day)) for day in (10, 11, 12)]
    with begin_transaction(spark, str(tmp_path), "first", []) as transaction:
        transaction.stage("messages", spark.createDataFrame(rows, "text string, day date"), MESSAGES, DAY)
        transaction.commit()

    def texts(since=None, until=None):
        return sorted(
            row.text for row in tables.read(spark, str(tmp_path), "messages", MESSAGES, since, until).collect()
        )

    assert texts(since=date(2015, 12, 11)) == ["old 11", "old 12"]
    assert texts(until=date(2015, 12, 11)) == ["old 10", "old 11"]
    assert texts(date(2015, 12, 11), date(2015, 12, 11)) == ["old 11"]


def test_a_table_that_was_never_written_is_an_error(spark, tmp_path):
    with pytest.raises(InputError, match=f"^there is no table tweets under {tmp_path}: run `clean` first"):
        tables.read(spark, str(tmp_path), "tweets", MESSAGES)
    assert tables.days(spark, str(tmp_path), "tweets") == []


def test_totals_over_no_rows_are_zero(spark):
    sums = {"rows": F.count("*"), "sum": F.sum("n")}
    assert tables.totals(spark.createDataFrame([(1,), (2,)], "n int"), **sums) == {"rows": 2, "sum": 3}
    assert tables.totals(spark.createDataFrame([], "n int"), **sums) == {"rows": 0, "sum": 0}


def refused(rows, root, expected=("ru", "drop", "drop"), fingerprint="c0ffee"):
    rules = dict(zip(("name", "links", "mentions"), expected, strict=True))
    with pytest.raises(InputError) as raised:
        refuse_other_rules(rows, str(root), "tweets", rules, fingerprint, "Clean again.")
    return str(raised.value)


def test_rows_of_other_text_rules_are_refused_with_a_description_of_both(spark, tmp_path):
    with Run("clean", load([], [f"paths.root={tmp_path}", "text.links=keep", "text.language=en"])) as run:
        pass
    rows = spark.createDataFrame([("c0ffee", "a"), ("facade", run.id)], "rules string, run string")
    assert refused(rows, tmp_path) == (
        "tweets/ was written with other text rules: found text.language = en, text.links = keep, text.mentions = drop (facade); "
        "expected text.language = ru, text.links = drop, text.mentions = drop (c0ffee). Clean again."
    )
    assert refused(rows, tmp_path, ("en", "keep", "drop")).endswith(
        "(c0ffee). The settings agree, so the language file or the stemmer has changed since. Clean again."
    )


def test_other_text_rules_whose_record_is_missing_are_named_by_their_fingerprint(spark, tmp_path):
    rows = spark.createDataFrame(
        [("facade", "clean-1"), ("decade", None), (None, "clean-1")], "rules string, run string"
    )
    message = refused(rows, tmp_path)
    assert "rules facade, of a run whose record is missing" in message
    assert "rules decade, of a run whose record is missing" in message
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "clean-1.json").write_text("half a rec")
    assert "rules facade, of a run whose record is missing" in refused(rows, tmp_path)


def test_rows_of_the_same_text_rules_are_accepted(spark, tmp_path):
    rows = spark.createDataFrame([("c0ffee", "a"), ("c0ffee", "b")], "rules string, run string")
    refuse_other_rules(rows, str(tmp_path), "tweets", {}, "c0ffee", "")
    assert refused(rows, tmp_path, fingerprint="facade").startswith("tweets/ was written with other text rules")
    refuse_other_rules(rows.where("false"), str(tmp_path), "tweets", {}, "facade", "")
