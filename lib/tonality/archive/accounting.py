"""What becomes of the records of a pass: which tweets are left out, where rejects stood, what each account says.

The tweets are DataFrames of schema.KEPT, all else of schema.NOTES.
"""

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["counted", "left_out", "of_kind", "placed", "without"]

_PLACE: Final = ["source", "piece", "entry", "offset"]
"""What tells a record from all others."""


def of_kind(notes: DataFrame, kind: str) -> DataFrame:
    """The notes of a kind."""
    return notes.where(F.col("kind") == kind)


def left_out(tweets: DataFrame, notes: DataFrame, deduplicate: bool, honour_deletes: bool) -> DataFrame:
    """Where the tweets stand that are left out, and the reason: `deleted` or `duplicate`.

    Of the records of one tweet the first is kept, by source and offset. All of them are left out where a delete notice
    names the tweet.
    """
    tweets = tweets.select("tweet_id", *_PLACE)
    nothing = tweets.select(*_PLACE, F.lit("").alias("reason")).where(F.lit(False))
    deletes = of_kind(notes, "delete").select("tweet_id").distinct()
    deleted = tweets.join(deletes, on="tweet_id", how="left_semi").select(*_PLACE, F.lit("deleted").alias("reason"))
    copies = _copies(tweets.join(deletes, on="tweet_id", how="left_anti") if honour_deletes else tweets)
    return nothing.union(deleted if honour_deletes else nothing).union(copies if deduplicate else nothing)


def without(tweets: DataFrame, left_out: DataFrame) -> DataFrame:
    """The tweets that are not left out."""
    return tweets.join(left_out, on=_PLACE, how="left_anti")


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
        .select(*_PLACE, F.lit("duplicate").alias("reason"))
    )


def placed(notes: DataFrame) -> DataFrame:
    """The notes with offsets and lines counted from the start of their files, not of the pieces read."""
    before = Window.partitionBy("source").orderBy("piece").rowsBetween(Window.unboundedPreceding, -1)
    bases = (
        of_kind(notes, "account")
        .where(F.col("span") > 0)
        .select(
            "source",
            "piece",
            F.sum("span").over(before).alias("bytes_before"),
            F.sum("breaks").over(before).alias("breaks_before"),
        )
        .where(F.col("piece") > 0)
    )
    return (
        notes.join(bases, on=["source", "piece"], how="left")
        .withColumn("offset", F.col("offset") + F.coalesce("bytes_before", F.lit(0)))
        .withColumn("line", F.col("line") + F.coalesce("breaks_before", F.lit(0)))
        .drop("bytes_before", "breaks_before")
    )


def counted(notes: DataFrame, tweets: DataFrame, left_out: DataFrame) -> DataFrame:
    """Each source's account: what the pass counted, beside what stands in the table of tweets and what was left out."""
    by_the_pass = (
        of_kind(notes, "account")
        .groupBy("source")
        .agg(
            *(F.sum(name).alias(name) for name in ("lines", "notices", "filtered", "rejects")),
            *(_in_words(name).alias(name) for name in ("damage", "skipped")),
        )
    )
    by_reason = left_out.groupBy("source").agg(
        F.count_if(F.col("reason") == "duplicate").alias("duplicates"),
        F.count_if(F.col("reason") == "deleted").alias("deleted"),
    )
    in_the_table = tweets.groupBy("source").agg(F.count("*").alias("tweets"))
    return (
        by_the_pass.join(in_the_table, on="source", how="left")
        .join(by_reason, on="source", how="left")
        .fillna(0, ["tweets", "duplicates", "deleted"])
        .withColumn("filtered", F.col("filtered") + F.col("deleted"))
    )


def _in_words(name: str) -> Column:
    """What a source's accounts say, in the order of its pieces."""
    said = F.sort_array(F.collect_set(F.when(F.col(name) != "", F.struct("piece", name))))
    return F.array_join(F.transform(said, lambda one: one[name]), "; ")
