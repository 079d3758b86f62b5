"""Search for stored tweets that are not published: erased ones, deleted ones and duplicates. day_files omits them."""

from functools import reduce
from typing import Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["DELETED", "DUPLICATE", "ERASED", "find_dropped_tweets"]

DELETED: Final = "deleted"
DUPLICATE: Final = "duplicate"
ERASED: Final = "forgotten"
"""Reasons to drop a tweet."""

_ARCHIVE_ORDER: Final = ["source", "split", "entry", "offset"]
"""The order of records in the archive: the first copy of a tweet is kept."""
_STORED_ROW: Final = ["path", "row"]
_STORED_ROW_OF_SOURCE: Final = [*_STORED_ROW, "source"]


def find_dropped_tweets(
    tweets: DataFrame, deletes: DataFrame | None, erased: DataFrame | None, deduplicate: bool
) -> DataFrame:
    """The stored rows of tweets to drop: `path`, `row`, `source` and `reason`, one of the reasons above.

    The tweets have the columns of schema.KEPT and their place in the stored files: `path`, a file name, and `row`, from
    0. A tweet is dropped with all its copies if `deletes` has its `tweet_id`, or if `erased` (rows of schema.FORGOTTEN)
    has one of its digests. Of other copies the first by source and offset is kept.
    """
    parts = [tweets.where(F.lit(False)).select(*_STORED_ROW_OF_SOURCE, F.lit("").alias("reason"))]
    if erased is not None:
        digests = tweets.select(*_STORED_ROW_OF_SOURCE, F.explode("digests").alias("mark"))
        rows = digests.join(erased.select("mark"), on="mark", how="left_semi").select(*_STORED_ROW_OF_SOURCE).distinct()
        parts.append(rows.withColumn("reason", F.lit(ERASED)))
        tweets = tweets.join(rows, on=_STORED_ROW, how="left_anti")
    if deletes is not None:
        ids = deletes.select("tweet_id").distinct()
        deleted = tweets.join(ids, on="tweet_id", how="left_semi")
        parts.append(deleted.select(*_STORED_ROW_OF_SOURCE, F.lit(DELETED).alias("reason")))
        tweets = tweets.join(ids, on="tweet_id", how="left_anti")
    if deduplicate:
        parts.append(_copies(tweets).select(*_STORED_ROW_OF_SOURCE, F.lit(DUPLICATE).alias("reason")))
    return reduce(DataFrame.union, parts)


def _copies(tweets: DataFrame) -> DataFrame:
    """The second and later records of each tweet. Few tweets have any, so only those are sorted."""
    repeated = tweets.groupBy("tweet_id").agg(F.count("*").alias("records")).where(F.col("records") > 1)
    in_archive_order = (
        Window.partitionBy("tweet_id")
        .orderBy(*_ARCHIVE_ORDER)
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    return (
        tweets.join(repeated, on="tweet_id", how="left_semi")
        .withColumn("record", F.row_number().over(in_archive_order))
        .where(F.col("record") > 1)
    )
