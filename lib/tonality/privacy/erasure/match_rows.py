"""Which rows of the tables must go, by their places: the part of the table, the file's name and the row in it."""

from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from tonality.privacy.digests import SaltedDigests

__all__ = [
    "PLACE",
    "at",
    "copies_of",
    "digests_of_ids",
    "located",
    "marked",
    "named",
    "part_of",
    "repeating",
    "subtracted",
]

PLACE: Final = ["part", "name", "row"]

_SAME_TWEET: Final = ["day", "tweet_id", "created_at", "text"]
_Batches = Iterator[pa.RecordBatch]


def located(table: DataFrame, part: Column, *expected: str) -> DataFrame:
    """The requested columns of a table read from its files, and the place of each row in a part of that name."""
    in_file = (F.col("_metadata.file_name").alias("name"), F.col("_metadata.row_index").alias("row"))
    return table.select(*expected, part.alias("part"), *in_file)


def part_of(column: str) -> Column:
    """The name of a row's part, where a table is partitioned by the column."""
    return F.concat(F.lit(f"{column}="), F.col(column).cast("string"))


def at(rows: DataFrame, places: DataFrame) -> DataFrame:
    """The rows at these places."""
    return rows.join(places.select(*PLACE), on=PLACE, how="left_semi")


def named(rows: DataFrame, entries: DataFrame) -> DataFrame:
    """The places of rows whose `tweet_id`, or `author`, is among the entries (rows of entries.ENTRIES)."""
    ids = entries.where(F.col("tweet_id").isNotNull()).select("tweet_id")
    found = rows.join(ids, on="tweet_id", how="left_semi").select(*PLACE)
    if "author" in rows.columns:
        names = entries.where(F.col("author").isNotNull()).select("author")
        by_author = rows.withColumn("author", F.lower("author")).join(names, on="author", how="left_semi")
        found = found.union(by_author.select(*PLACE))
    return found.distinct()


def marked(rows: DataFrame, salt: str) -> DataFrame:
    """The places of rows and the `mark` of each one's `text`. A text that says nothing has none."""
    said = rows.where(F.col("text").isNotNull()).select(*PLACE, "text")
    return said.mapInArrow(_marker(salt), "part string, name string, row long, mark binary")


def _marker(salt: str) -> Callable[[_Batches], _Batches]:
    def mark(batches: _Batches) -> _Batches:
        digests = SaltedDigests(bytes.fromhex(salt))
        nothing = digests.text("")
        for batch in batches:
            found = [digests.text(text) for text in batch["text"].to_pylist()]
            column = pa.array([None if one == nothing else one for one in found], pa.binary())
            places = [batch[name] for name in PLACE]
            whole = pa.RecordBatch.from_arrays([*places, column], names=[*PLACE, "mark"])
            yield whole.filter(column.is_valid())

    return mark


def digests_of_ids(rows: DataFrame, salt: str) -> DataFrame:
    """The `mark` of each `tweet_id` of the rows. A row without one has none."""

    def mark(batches: _Batches) -> _Batches:
        digests = SaltedDigests(bytes.fromhex(salt))
        for batch in batches:
            found = pa.array([digests.tweet(number) for number in batch["tweet_id"].to_pylist()], pa.binary())
            yield pa.RecordBatch.from_arrays([found], names=["mark"])

    return rows.where(F.col("tweet_id").isNotNull()).select("tweet_id").mapInArrow(mark, "mark binary")


def repeating(retweets: DataFrame, digests: DataFrame) -> DataFrame:
    """The places of marked retweets that repeat a text of one of these `mark`s."""
    return retweets.join(digests.select("mark"), on="mark", how="left_semi").select(*PLACE)


def copies_of(rows: DataFrame, removed: DataFrame) -> DataFrame:
    """The places of rows that are of a removed tweet: of one day, id, time and text."""
    same = [rows[name].eqNullSafe(removed[name]) for name in _SAME_TWEET]
    return rows.join(removed, on=same, how="left_semi").select(*PLACE)


def subtracted(rows: DataFrame, gone: DataFrame) -> DataFrame:
    """The places of as many rows of each `stems` and `label` as there are in `gone`, or of all that there are."""
    alike = ["stems", "label"]
    counted = gone.groupBy(*alike).agg(F.count("*").alias("gone"))
    in_order = Window.partitionBy(*alike).orderBy(*PLACE).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return (
        rows.join(counted, on=alike, how="inner")
        .withColumn("number", F.row_number().over(in_order))
        .where(F.col("number") <= F.col("gone"))
        .select(*PLACE)
    )
