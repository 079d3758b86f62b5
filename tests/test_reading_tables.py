"""The examples in lib/README.md of reading the tables with other tools, run on a root with days of two versions."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, SCORED
from tonality.runtime.storage.transaction import begin_transaction

README = Path(__file__).parents[1] / "lib" / "README.md"
SECTION = "### Reading the tables"
OLD, NEW, EMPTY = date(2015, 12, 10), date(2015, 12, 11), date(2015, 12, 12)
TONES = {OLD: ["positive", "negative", "none", "negative"], NEW: ["positive", "positive", "neutral", "negative"]}
EXPECTED = [(OLD, 3, 1 / 3), (NEW, 4, 1 / 2)]
"""Days, tweets that have a tone, and the share of positive ones."""


def snippet(tool: str) -> str:
    """The code block of the section that begins with the tool's name in a comment."""
    _, found, section = README.read_text().partition(f"{SECTION}\n")
    assert found, f"{README} has no section {SECTION!r}"
    section = re.split(r"^##+ ", section, flags=re.MULTILINE)[0]
    (block,) = re.findall(rf"```(?:sql|python)\n((?:--|#) {tool}\b.*?)```", section, re.DOTALL)
    return block


@pytest.fixture(scope="module")
def root(spark, tmp_path_factory) -> Path:
    """Scored days as `score` commits them; the first one as an earlier version, without `tweets_run`, wrote it."""
    place = tmp_path_factory.mktemp("survey") / "out"
    rows = [
        {
            "tweet_id": number,
            "created_at": datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=23, minutes=number),
            "author": "аня",
            "text": f"твит; {number}\n",
            "hashtags": ["кино"],
            "is_retweet": False,
            "probability": None if tone == "none" else 0.5,
            "tonality": tone,
            "model": "0123456789ab",
            "tweets_run": "clean-1",
            "run": "score-1",
            "day": day,
        }
        for day, tones in TONES.items()
        for number, tone in enumerate(tones)
    ]
    frame = spark.createDataFrame(rows, tables.from_arrow_schema(SCORED)).coalesce(1)
    with begin_transaction(spark, str(place), "score-1", []) as transaction:
        transaction.stage("scored", frame, SCORED, DAY, [str(day) for day in (OLD, NEW, EMPTY)])
        for day in (OLD, NEW, EMPTY):
            transaction.write_partition_file("scored", DAY, str(day), "_origin.json", {"model": "0123456789ab"})
        transaction.commit()
    (file,) = (place / "scored" / f"day={OLD}").glob("*.parquet")
    pq.write_table(pq.read_table(file, partitioning=None).drop_columns(["tweets_run"]), file)
    file.with_name(f".{file.name}.crc").unlink()
    return place


def run_python(code: str, root: Path, monkeypatch) -> dict:
    monkeypatch.chdir(root.parent)
    names: dict = {}
    exec(compile(code, str(README), "exec"), names)
    return names


def rows(days: pd.DataFrame) -> list[tuple]:
    return [(pd.Timestamp(day).date(), tweets, pytest.approx(share)) for day, tweets, share in days.itertuples(False)]


@pytest.fixture
def plain_spark(spark):
    """The session with Spark's default for reading partitions; views of the test are dropped."""
    inference = "spark.sql.sources.partitionColumnTypeInference.enabled"
    previous = spark.conf.get(inference)
    spark.conf.set(inference, "true")
    yield spark
    spark.conf.set(inference, previous)
    spark.catalog.dropTempView("scored")


def test_spark_sql_reads_the_days_of_both_versions(plain_spark, root):
    spark = plain_spark
    *before, question = filter(str.strip, snippet("Spark SQL").replace("out/", f"{root}/").split(";"))
    for statement in before:
        spark.sql(statement)
    days = spark.sql(question)
    assert dict(days.dtypes)["day"] == "date"
    assert [tuple(row) for row in days.collect()] == EXPECTED
    runs = spark.sql("SELECT day, collect_set(tweets_run) AS runs FROM scored GROUP BY day ORDER BY day").collect()
    assert [(row.day, row.runs) for row in runs] == [(OLD, []), (NEW, ["clean-1"])]


def test_duckdb_reads_the_days_of_both_versions(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    code = snippet("DuckDB")
    days = duckdb.sql(code)
    assert str(days.types[0]) == "DATE"
    assert [(day, tweets, pytest.approx(share)) for day, tweets, share in days.fetchall()] == EXPECTED
    table = re.search(r"read_parquet\(.*?\)", code, re.DOTALL)[0]
    runs = duckdb.sql(f"SELECT DISTINCT day, tweets_run FROM {table} ORDER BY day").fetchall()
    assert runs == [(OLD, None), (NEW, "clean-1")]


def test_pandas_reads_the_days_of_both_versions(root, monkeypatch):
    names = run_python(snippet("pandas"), root, monkeypatch)
    assert rows(names["days"].reset_index()) == EXPECTED
    scored = names["scored"]
    assert set(scored["day"]) == {OLD, NEW}
    assert scored.loc[scored["day"] == OLD, "tweets_run"].isna().all()
    assert scored["created_at"].dt.tz is not None


def test_tonality_reads_a_day_of_an_older_version_with_nulls_where_it_had_no_such_column(spark, root):
    scored = tables.read(spark, str(root), "scored", SCORED)
    assert scored.columns == SCORED.names
    found = {(row.day, row.tweets_run) for row in scored.select("day", "tweets_run").collect()}
    assert found == {(OLD, None), (NEW, "clean-1")}


def test_tonality_ignores_a_column_that_a_newer_version_has_added(spark, root):
    older = SCORED.remove(SCORED.get_field_index("tweets_run"))
    scored = tables.read(spark, str(root), "scored", older, since=NEW)
    assert scored.columns == older.names
    assert scored.count() == len(TONES[NEW])
