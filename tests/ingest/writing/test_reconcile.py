import pytest
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.ingest.writing.reconcile import verify
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage.schema import ACCOUNTS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tweets": 3}, "3 tweets were written, but the accounts have 2"),
        ({"rejects": 0}, "0 rejects were written, but the accounts have 1"),
        ({"read": 2}, "2 tweets were read, but the accounts have 3"),
        ({"kept": 4}, "4 tweets were kept, but the accounts have 3"),
    ],
)
def test_nothing_is_published_where_counts_and_accounts_differ(
    spark: SparkSession, change: dict[str, int], message: str
) -> None:
    account = {"lines": 4, "tweets": 2, "notices": 0, "filtered": 0, "duplicates": 1, "rejects": 1, "deleted": 0}
    row = account | {"source": "a.json", "damage": "", "skipped": "", "run": "r", "window": "w"}
    frame = spark.createDataFrame([row], from_arrow_schema(ACCOUNTS))
    counts = {"tweets": 2, "rejects": 1, "read": 3, "kept": 3}
    assert verify(counts, frame)["lines"] == 4
    with pytest.raises(UserError, match=f"nothing was published: {message}"):
        verify(counts | change, frame)


def test_nothing_is_published_where_an_account_does_not_add_up(spark: SparkSession) -> None:
    account = {"lines": 5, "tweets": 2, "notices": 0, "filtered": 0, "duplicates": 1, "rejects": 1, "deleted": 0}
    row = account | {"source": "a.json", "damage": "", "skipped": "", "run": "r", "window": "w"}
    frame = spark.createDataFrame([row], from_arrow_schema(ACCOUNTS))
    with pytest.raises(UserError, match=r"the counts of a\.json do not add up"):
        verify({"tweets": 2, "rejects": 1, "read": 3, "kept": 3}, frame)
