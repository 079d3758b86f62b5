import gzip

import orjson
import pytest
from pydantic import ValidationError
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.archive.request import ReadRequest
from tonality.archive.source import TweetSource
from tonality.schema import STAGED


def status(number, text="Кошки и дома"):
    return orjson.dumps({"id": number, "created_at": "Thu Dec 10 08:01:02 +0000 2015", "text": text, "lang": "ru"})


def loaded(spark, request):
    spark.dataSource.register(TweetSource)
    return spark.read.format("tweets").option("request", request.model_dump_json()).load()


@pytest.fixture
def frame(spark, request_for, tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(status(1) + b"\n\n" + status(2, "a\u2028\0b &amp;") + b"\nx\n"))
    (tmp_path / "b.json").write_bytes(status(3))
    return loaded(spark, request_for(tmp_path))


def test_spark_reads_an_archive_as_staged_rows(frame):
    assert frame.schema == from_arrow_schema(STAGED)
    rows = frame.where("kind = 'tweet'").orderBy("tweet_id").collect()
    assert [(row.tweet_id, row.text, row.stems) for row in rows] == [
        (1, "Кошки и дома", "кошк и дом"),
        (2, "a\u2028\0b &", ""),
        (3, "Кошки и дома", "кошк и дом"),
    ]


def test_spark_sees_times_in_utc(frame):
    (moment,) = frame.where("tweet_id = 1").selectExpr("date_format(created_at, 'yyyy-MM-dd HH:mm:ss')").first()
    assert moment == "2015-12-10 08:01:02"


def test_spark_sees_rejects_and_an_account_of_each_file(frame):
    (reject,) = frame.where("kind = 'reject'").collect()
    assert (reject.reason, reject.line, bytes(reject.raw)) == ("malformed-json", 4, b"x")
    accounts = frame.where("kind = 'account'").orderBy("source").collect()
    assert [(row.lines, row.kept, row.notices, row.rejects) for row in accounts] == [(4, 2, 1, 1), (1, 1, 0, 0)]


def test_an_archive_of_empty_files_has_accounts_alone(spark, request_for, tmp_path):
    (tmp_path / "a.json").write_bytes(b"")
    assert [row.kind for row in loaded(spark, request_for(tmp_path)).collect()] == ["account"]


def test_a_request_survives_the_way_to_the_workers(request_for):
    request = request_for(
        "a", "b", columns={"created_at": "when", "text": "text"}, languages=("ru",), since="2015-12-10"
    )
    assert ReadRequest.model_validate_json(request.model_dump_json()) == request


def test_a_request_with_an_unknown_field_is_refused(request_for):
    with pytest.raises(ValidationError, match="language"):
        request_for("a", language="ru")
