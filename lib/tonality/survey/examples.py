"""Example tweets for the page: every tone, spread over its range of probabilities, no text twice."""

import csv
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE
from tonality.survey.csv_safety import escape_formulas
from tonality.survey.daily_shares import TONED
from tonality.text.tweet_markup import LINK, MENTION, RETWEET_PREFIX, in_java

__all__ = ["COLUMNS", "choose", "to_csv"]

COLUMNS: Final = ("tonality", "probability", "created_at", "author", "text")
"""Columns of the examples, in the order of examples.csv."""

_MAX_TWEETS: Final = 1_000_000
"""Tweets of each tone that are considered, roughly."""
_MAX_RANK: Final = 1000
"""Up to this rank Spark drops rows before the shuffle (spark.sql.optimizer.windowGroupLimitThreshold)."""


def choose(scored: DataFrame, positive: float, negative: float, count: int) -> pd.DataFrame:
    """Choose `count` examples of each tone, as COLUMNS: positive, neutral, negative, by descending probability.

    scored: rows of schema.SCORED, with `tonality` according to the thresholds; tweets of tonality none are skipped.
    created_at is in UTC, probability is a double, author is None if unknown.

    The range of a tone ([positive, 1], (negative, positive), [0, negative]) is divided into `count` bins of equal
    width, with one tweet from each; the others take turns to fill the places of empty bins. Texts that differ only by
    links, mentions, a leading "RT @name:", case, signs or white space are the same text, represented by its earliest
    tweet; a text of nothing else is skipped. Of a tone with more than a million tweets, about a million are considered,
    chosen by a hash of their ids. A tone has fewer examples only if fewer texts are considered. Within a bin the choice
    is by the hash of the text, so that the examples do not depend on the order of the rows.
    """
    toned = (
        scored.where(F.col("tonality").isin(*TONED))
        .withColumn("micros", F.unix_micros("created_at"))
        .withColumn("tweet_id", F.coalesce("tweet_id", F.xxhash64("micros", "author", "text")))  # privacy.ids = drop
    )
    texts = _distinct_texts(_subsample(toned), positive, negative, count)
    tweets = (
        toned.join(F.broadcast(_candidates(texts, count)), on=["tweet_id", "micros"], how="inner")
        .select("key", "bin", "tweet_id", "micros", "tonality", "probability", "author", "text")
        .toPandas()
        .drop_duplicates("key")
    )
    examples = pd.concat(_spread(tweets[tweets["tonality"] == tone], count) for tone in TONED)
    return examples.assign(
        created_at=pd.to_datetime(examples["micros"], unit="us", utc=True),
        probability=examples["probability"].astype("float64"),
    )[list(COLUMNS)].reset_index(drop=True)


def _subsample(toned: DataFrame) -> DataFrame:
    """About a million tweets of each tone: computing the keys of billions of texts would be slow."""
    counts = {row.tonality: row["count"] for row in toned.groupBy("tonality").count().collect()}
    selected = F.lit(False)
    for tone, tweets in counts.items():
        part = F.pmod(F.xxhash64(F.lit("example"), "tweet_id"), F.lit(-(-tweets // _MAX_TWEETS)))
        selected = selected | ((F.col("tonality") == tone) & (part == 0))
    return toned.where(selected)


def _distinct_texts(toned: DataFrame, positive: float, negative: float, count: int) -> DataFrame:
    """One row per text: its key, and the id, time, tone and bin (from 0) of its earliest tweet. No text is shuffled."""
    return (
        toned.select(
            _key(F.col("text")).alias("key"),
            F.struct("micros", "tweet_id", "tonality", _bin(positive, negative, count).alias("bin")).alias("tweet"),
        )
        .where(F.col("key") != F.xxhash64(F.lit("")))
        .groupBy("key")
        .agg(F.min("tweet").alias("first"))
        .select("key", "first.*")
    )


def _bin(positive: float, negative: float, count: int) -> Column:
    limits = {POSITIVE: (positive, 1.0), NEUTRAL: (negative, positive), NEGATIVE: (0.0, negative)}
    positions = [
        # An empty range, such as that of negative = 0, is one bin.
        F.when(F.col("tonality") == tone, (F.col("probability").cast("double") - low) / ((high - low) or 1.0))
        for tone, (low, high) in limits.items()
    ]
    # The upper end belongs to the last bin, and rounding may put a float just outside its range.
    return F.greatest(F.lit(0), F.least(F.lit(count - 1), F.floor(F.coalesce(*positions) * count)))


def _candidates(texts: DataFrame, count: int) -> DataFrame:
    """The tweets that `_spread` may choose: the first 2 * count of each tone when its bins take turns.

    It needs count of them, and the last turn has up to count more.
    """
    by_hash = Window.partitionBy("tonality", "bin").orderBy("key")
    in_turn = Window.partitionBy("tonality").orderBy("rank", "key")
    so_far = (Window.unboundedPreceding, Window.currentRow)
    return (
        texts.withColumn("rank", F.row_number().over(by_hash.rowsBetween(*so_far)))
        .where(F.col("rank") <= min(2 * count, _MAX_RANK))
        .withColumn("turn", F.row_number().over(in_turn.rowsBetween(*so_far)))
        .where(F.col("turn") <= 2 * count)
        .select("key", "bin", "tweet_id", "micros")
    )


def _key(text: Column) -> Column:
    """A hash of the words of a text, without links and mentions; the hash of the empty text if there are none.

    It is never null: Spark would otherwise check for nulls in an earlier step and compute all replacements twice.
    """
    words = F.regexp_replace(F.regexp_replace(F.coalesce(text, F.lit("")), r"\p{Cf}", ""), r"(?U)[\s\p{Cc}]+", " ")
    for pattern in (RETWEET_PREFIX, LINK, MENTION):
        words = F.regexp_replace(words, in_java(pattern), " ")
    return F.xxhash64(F.lower(F.trim(F.regexp_replace(words, r"[^\p{L}\p{N}\p{M}]+", " "))))


def _spread(tweets: pd.DataFrame, count: int) -> pd.DataFrame:
    """`count` of the tweets of one tone, by descending probability: the bins take turns until there are enough."""
    tweets = tweets.sort_values(["bin", "key"])
    chosen: list[Any] = []
    for _, turn in tweets.groupby(tweets.groupby("bin").cumcount()):
        chosen += _evenly(list(turn.index), count - len(chosen))
    return tweets.loc[chosen].sort_values(["probability", "micros", "tweet_id"], ascending=[False, True, True])


def _evenly(values: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the values, evenly spaced."""
    taken = min(count, len(values))
    return [values[(2 * index + 1) * len(values) // (2 * taken)] for index in range(taken)]


def to_csv(examples: pd.DataFrame) -> bytes:
    """The content of examples.csv: a header of COLUMNS, every cell quoted, UTF-8 with the byte order mark Excel needs.

    created_at is ISO 8601 in UTC, probability has four decimals, and no text is a formula in a spreadsheet.
    """
    cells = examples[list(COLUMNS)].assign(
        probability=examples["probability"].map("{:.4f}".format),
        created_at=examples["created_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **{name: [escape_formulas(text) for text in examples[name]] for name in ("tonality", "author", "text")},
    )
    return cells.to_csv(index=False, quoting=csv.QUOTE_ALL, lineterminator="\n").encode("utf-8-sig")
