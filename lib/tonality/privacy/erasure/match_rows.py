"""Location of the rows to erase: a row's partition (`part`), its file (`name`) and its index in the file (`row`)."""

from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.types import StructType

from tonality.privacy.digests import SaltedDigests

__all__ = [
    "LOCATED_DIGESTS",
    "LOCATION",
    "copies_of",
    "id_digests",
    "match_requests",
    "match_texts",
    "match_words",
    "partition_name",
    "rows_at",
    "text_digests",
    "with_location",
]

LOCATION: Final = ["part", "name", "row"]
LOCATED_DIGESTS: Final = (
    StructType().add("part", "string").add("name", "string").add("row", "long").add("mark", "binary")
)
_DIGESTS: Final = StructType().add("mark", "binary")

_SAME_TWEET: Final = ["day", "tweet_id", "created_at", "text"]
_SAME_WORDS: Final = ["stems", "label"]
_Batches = Iterator[pa.RecordBatch]


def with_location(table: DataFrame, part: Column, *columns: str) -> DataFrame:
    """Select columns of a table that is read from files, and add each row's location, `part` as its partition."""
    in_file = (F.col("_metadata.file_name").alias("name"), F.col("_metadata.row_index").alias("row"))
    return table.select(*columns, part.alias("part"), *in_file)


def partition_name(column: str) -> Column:
    """The name of a row's partition in a table partitioned by the column."""
    return F.concat(F.lit(f"{column}="), F.col(column).cast("string"))


def rows_at(rows: DataFrame, locations: DataFrame) -> DataFrame:
    """Select the rows at these locations."""
    return rows.join(locations.select(*LOCATION), on=LOCATION, how="left_semi")


def match_requests(rows: DataFrame, requests: DataFrame) -> DataFrame:
    """Return the locations of rows whose `tweet_id` or `author` is requested (rows of requests.REQUESTS)."""
    ids = requests.where(F.col("tweet_id").isNotNull()).select("tweet_id")
    locations = rows.join(ids, on="tweet_id", how="left_semi").select(*LOCATION)
    if "author" in rows.columns:
        authors = requests.where(F.col("author").isNotNull()).select("author")
        by_author = rows.withColumn("author", F.lower("author")).join(authors, on="author", how="left_semi")
        locations = locations.union(by_author.select(*LOCATION))
    return locations.distinct()


def text_digests(rows: DataFrame, salt: str) -> DataFrame:
    """Return the rows' locations, each with its text's digest as `mark`; texts without content are omitted."""
    texts = rows.where(F.col("text").isNotNull()).select(*LOCATION, "text")
    return texts.mapInArrow(_text_digester(salt), LOCATED_DIGESTS)


def _text_digester(salt: str) -> Callable[[_Batches], _Batches]:
    def digest(batches: _Batches) -> _Batches:
        digests = SaltedDigests(bytes.fromhex(salt))
        empty = digests.text("")
        for batch in batches:
            found = [digests.text(text) for text in batch["text"].to_pylist()]
            column = pa.array([None if one == empty else one for one in found], pa.binary())
            location = [batch[name] for name in LOCATION]
            whole = pa.RecordBatch.from_arrays([*location, column], names=[*LOCATION, "mark"])
            yield whole.filter(column.is_valid())

    return digest


def id_digests(rows: DataFrame, salt: str) -> DataFrame:
    """Return the digests of the rows' tweet ids as `mark`; rows without an id are omitted."""

    def digest(batches: _Batches) -> _Batches:
        digests = SaltedDigests(bytes.fromhex(salt))
        for batch in batches:
            found = pa.array([digests.tweet(number) for number in batch["tweet_id"].to_pylist()], pa.binary())
            yield pa.RecordBatch.from_arrays([found], names=["mark"])

    return rows.where(F.col("tweet_id").isNotNull()).select("tweet_id").mapInArrow(digest, _DIGESTS)


def match_texts(digested: DataFrame, digests: DataFrame) -> DataFrame:
    """Return the locations of rows (of `text_digests`) whose `mark` is among the digests."""
    return digested.join(digests.select("mark"), on="mark", how="left_semi").select(*LOCATION)


def copies_of(rows: DataFrame, removed: DataFrame) -> DataFrame:
    """Return the locations of rows with the day, id, time and text of a removed tweet."""
    same = [rows[name].eqNullSafe(removed[name]) for name in _SAME_TWEET]
    return rows.join(removed, on=same, how="left_semi").select(*LOCATION)


def match_words(rows: DataFrame, removed: DataFrame) -> DataFrame:
    """Return the locations of as many rows of each `stems` and `label` as were removed, or of all if fewer exist."""
    counts = removed.groupBy(*_SAME_WORDS).agg(F.count("*").alias("removed"))
    in_order = (
        Window.partitionBy(*_SAME_WORDS).orderBy(*LOCATION).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    return (
        rows.join(counts, on=_SAME_WORDS, how="inner")
        .withColumn("number", F.row_number().over(in_order))
        .where(F.col("number") <= F.col("removed"))
        .select(*LOCATION)
    )
