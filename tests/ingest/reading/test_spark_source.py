import gzip
from typing import NamedTuple

import orjson
import pytest
from pydantic import ValidationError
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.ingest.options import ReadOptions
from tonality.ingest.reading.spark_source import TweetSource
from tonality.runtime.storage.schema import KEPT, TASK_MANIFEST


def status(number, text="Кошки и дома"):
    return orjson.dumps({"id": number, "created_at": "Thu Dec 10 08:01:02 +0000 2015", "text": text, "lang": "ru"})


class Loaded(NamedTuple):
    manifest: DataFrame
    tweets: DataFrame


@pytest.fixture
def load(spark, read_options, tmp_path):
    """Load the archive in the test's folder with Spark: the task manifest, and the tweets that the tasks wrote."""
    stored = tmp_path / "stored"
    stored.mkdir()

    def loaded():
        spark.dataSource.register(TweetSource)
        options = read_options(tmp_path / "archive").model_dump_json()
        source = spark.read.format("tweets").option("options", options).option("folder", str(stored))
        manifest = source.load().localCheckpoint()
        return Loaded(manifest, spark.read.schema(from_arrow_schema(KEPT)).parquet(str(stored)))

    (tmp_path / "archive").mkdir()
    return loaded


@pytest.fixture
def loaded(load, tmp_path):
    content = gzip.compress(status(1) + b"\n\n" + status(2, "a\u2028\0b &amp;") + b"\nx\n")
    (tmp_path / "archive" / "a.json.gz").write_bytes(content)
    (tmp_path / "archive" / "b.json").write_bytes(status(3))
    return load()


def test_spark_reads_an_archive_as_a_task_manifest_and_stored_tweets(loaded):
    assert loaded.manifest.schema == from_arrow_schema(TASK_MANIFEST)
    rows = loaded.tweets.orderBy("tweet_id").collect()
    assert [(row.tweet_id, row.text, row.stems) for row in rows] == [
        (1, "Кошки и дома", "кошк и дом"),
        (2, "a\u2028\0b &", ""),
        (3, "Кошки и дома", "кошк и дом"),
    ]


def test_spark_sees_times_in_utc(loaded):
    (moment,) = loaded.tweets.where("tweet_id = 1").selectExpr("date_format(created_at, 'yyyy-MM-dd HH:mm:ss')").first()
    assert moment == "2015-12-10 08:01:02"


def test_spark_sees_rejects_and_an_account_of_each_file(loaded):
    (reject,) = loaded.manifest.where("kind = 'reject'").collect()
    assert (reject.reason, reject.line, bytes(reject.raw)) == ("malformed-json", 4, b"x")
    accounts = loaded.manifest.where("kind = 'account'").orderBy("source").collect()
    assert [(row.lines, row.kept, row.notices, row.rejects) for row in accounts] == [(4, 2, 1, 1), (1, 1, 0, 0)]


def test_the_task_manifest_names_each_file_of_tweets(loaded, tmp_path):
    named = {row.path for row in loaded.manifest.where("kind = 'group'").collect()}
    assert named == {file.name for file in (tmp_path / "stored").iterdir() if not file.name.startswith(".")}


def test_an_archive_of_empty_files_has_only_accounts(load, tmp_path):
    (tmp_path / "archive" / "a.json").write_bytes(b"")
    loaded = load()
    assert [row.kind for row in loaded.manifest.collect()] == ["account"]
    assert loaded.tweets.count() == 0


def test_options_survive_the_way_to_the_workers(read_options):
    options = read_options(
        "a", "b", columns={"created_at": "when", "text": "text"}, languages=("ru",), since="2015-12-10"
    )
    assert ReadOptions.model_validate_json(options.model_dump_json()) == options


def test_options_with_an_unknown_field_are_refused(read_options):
    with pytest.raises(ValidationError, match="language"):
        read_options("a", language="ru")
