"""What becomes of the records of a pass: which tweets are left out, where rejects stood, what each account says.

The notes are DataFrames of schema.TASK_MANIFEST. Stored tweets are of schema.KEPT and say where they are stored:
`path`, the name of a file, and `row`, from 0.
"""

from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["DELETED", "DUPLICATE", "FORGOTTEN", "counted", "dropped", "of_kind", "placed"]

DELETED: Final = "deleted"
FORGOTTEN: Final = "forgotten"
DUPLICATE: Final = "duplicate"
"""Why a tweet is left out."""

_PLACE: Final = ["source", "split", "entry", "offset"]
"""Where a record stood in the archive: the order of copies."""
_FOUND: Final = ["path", "row", "source"]
"""Where a stored tweet is found, and whose account it belongs to."""


def of_kind(notes: DataFrame, kind: str) -> DataFrame:
    """The notes of a kind."""
    return notes.where(F.col("kind") == kind)


def dropped(
    tweets: DataFrame, notes: DataFrame, deduplicate: bool, honour_deletes: bool, forgotten: DataFrame | None = None
) -> DataFrame:
    """Where the tweets are stored that are left out, their source, and the reason: one of those above.

    Of the records of one tweet the first is kept, by source and offset. All of them are left out where a delete notice
    names the tweet, or one of their digests is among those of the forgotten (rows of schema.FORGOTTEN).
    """
    parts = [tweets.where(F.lit(False)).select(*_FOUND, F.lit("").alias("reason"))]
    if forgotten is not None:
        marked = tweets.select("path", "row", "source", F.explode("digests").alias("mark"))
        gone = marked.join(forgotten.select("mark"), on="mark", how="left_semi").select(*_FOUND).distinct()
        parts.append(gone.withColumn("reason", F.lit(FORGOTTEN)))
        tweets = tweets.join(gone, on=["path", "row"], how="left_anti")
    if honour_deletes:
        deletes = of_kind(notes, "delete").select("tweet_id").distinct()
        deleted = tweets.join(deletes, on="tweet_id", how="left_semi")
        parts.append(deleted.select(*_FOUND, F.lit(DELETED).alias("reason")))
        tweets = tweets.join(deletes, on="tweet_id", how="left_anti")
    if deduplicate:
        parts.append(_copies(tweets).select(*_FOUND, F.lit(DUPLICATE).alias("reason")))
    return reduce(DataFrame.union, parts)


def _copies(tweets: DataFrame) -> DataFrame:
    """The second and later records of a tweet. Few tweets have any, so that only those are put in order."""
    repeated = tweets.groupBy("tweet_id").agg(F.count("*").alias("records")).where(F.col("records") > 1)
    first_is_kept = (
        Window.partitionBy("tweet_id").orderBy(*_PLACE).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    return (
        tweets.join(repeated, on="tweet_id", how="left_semi")
        .withColumn("record", F.row_number().over(first_is_kept))
        .where(F.col("record") > 1)
    )


def placed(notes: DataFrame) -> DataFrame:
    """The notes with offsets and lines counted from the start of their files, not of the splits read."""
    before = Window.partitionBy("source").orderBy("split").rowsBetween(Window.unboundedPreceding, -1)
    bases = (
        of_kind(notes, "account")
        .where(F.col("span") > 0)
        .select(
            "source",
            "split",
            F.sum("span").over(before).alias("bytes_before"),
            F.sum("breaks").over(before).alias("breaks_before"),
        )
        .where(F.col("split") > 0)
    )
    return (
        notes.join(bases, on=["source", "split"], how="left")
        .withColumn("offset", F.col("offset") + F.coalesce("bytes_before", F.lit(0)))
        .withColumn("line", F.col("line") + F.coalesce("breaks_before", F.lit(0)))
        .drop("bytes_before", "breaks_before")
    )


def counted(notes: DataFrame, tweets: DataFrame, dropped: DataFrame) -> DataFrame:
    """Each source's account: what the pass counted, beside what stands in the table of tweets and what was left out."""
    by_the_pass = (
        of_kind(notes, "account")
        .groupBy("source")
        .agg(
            *(F.sum(name).alias(name) for name in ("lines", "notices", "filtered", "rejects")),
            *(_in_words(name).alias(name) for name in ("damage", "skipped")),
        )
    )
    by_reason = dropped.groupBy("source").agg(
        F.count_if(F.col("reason") == DUPLICATE).alias("duplicates"),
        F.count_if(F.col("reason").isin(DELETED, FORGOTTEN)).alias("deleted"),
    )
    in_the_table = tweets.groupBy("source").agg(F.count("*").alias("tweets"))
    return (
        by_the_pass.join(in_the_table, on="source", how="left")
        .join(by_reason, on="source", how="left")
        .fillna(0, ["tweets", "duplicates", "deleted"])
        .withColumn("filtered", F.col("filtered") + F.col("deleted"))
    )


def _in_words(name: str) -> Column:
    """What a source's accounts say, in the order of its splits."""
    said = F.sort_array(F.collect_set(F.when(F.col(name) != "", F.struct("split", name))))
    return F.array_join(F.transform(said, lambda one: one[name]), "; ")
