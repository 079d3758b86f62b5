"""Examples as a newsroom showed them: tweets of every tone, spread over its range of probabilities, no text twice."""

import csv
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE
from tonality.survey.daily_shares import TONED
from tonality.text.links_mentions import LINK, MENTION, in_java

__all__ = ["COLUMNS", "choose", "printable", "to_csv"]

COLUMNS: Final = ("tonality", "probability", "created_at", "author", "text")
"""The columns of the examples, in the order of examples.csv."""

_MOST_READ: Final = 1_000_000
_MOST_RANKS: Final = 1000
"""Up to this rank Spark drops rows before the shuffle (spark.sql.optimizer.windowGroupLimitThreshold)."""

_RETWEET: Final = re.compile(r"(?i)^(?:\s*RT\s+[@＠]\w*\s*:?\s)+")
_BREAK: Final = re.compile(r"\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA_SIGNS: Final = frozenset("=+-@")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
"""Unicode categories that a reader does not see at the beginning of a cell, and some spreadsheets skip."""


def choose(scored: DataFrame, positive: float, negative: float, count: int) -> pd.DataFrame:
    """`count` examples of each tone, as COLUMNS: positive, neutral, negative, each by falling probability.

    scored: rows of schema.SCORED whose `tonality` is of these thresholds; those of tonality none are no examples.
    created_at is in UTC, probability in double, author None where unknown.

    The probabilities of a tone ([positive, 1], (negative, positive), [0, negative]) are cut into `count` bins of one
    width: a tweet of each, and the places of empty bins go to the others in turn. Texts that differ by no more than
    links, mentions, a leading "RT @name:", case, signs or white space are one text, shown by its earliest tweet; a text
    of nothing else is no example. Of a tone with more than a million tweets about a million are looked at, chosen by a
    hash of their ids; of what is looked at, a tone has fewer examples only where it has fewer texts. The choice within
    a bin is by the text's hash, so the same rows give the same examples in whatever order they lie.
    """
    toned = (
        scored.where(F.col("tonality").isin(*TONED))
        .withColumn("micros", F.unix_micros("created_at"))
        .withColumn("tweet_id", F.coalesce("tweet_id", F.xxhash64("micros", "author", "text")))  # privacy.ids = drop
    )
    texts = _distinct_texts(_at_most_a_million_each(toned), positive, negative, count)
    tweets = (
        toned.join(F.broadcast(_candidates(texts, count)), on=["tweet_id", "micros"], how="inner")
        .select("key", "bin", "tweet_id", "micros", "tonality", "probability", "author", "text")
        .toPandas()
        .drop_duplicates("key")
    )
    shown = pd.concat(_spread(tweets[tweets["tonality"] == tone], count) for tone in TONED)
    return shown.assign(
        created_at=pd.to_datetime(shown["micros"], unit="us", utc=True),
        probability=shown["probability"].astype("float64"),
    )[list(COLUMNS)].reset_index(drop=True)


def _at_most_a_million_each(toned: DataFrame) -> DataFrame:
    """Reading texts for their keys is slow, and a page of examples wants no billion of them."""
    counts = {row.tonality: row["count"] for row in toned.groupBy("tonality").count().collect()}
    expected = F.lit(False)
    for tone, tweets in counts.items():
        part = F.pmod(F.xxhash64(F.lit("example"), "tweet_id"), F.lit(-(-tweets // _MOST_READ)))
        expected = expected | ((F.col("tonality") == tone) & (part == 0))
    return toned.where(expected)


def _distinct_texts(toned: DataFrame, positive: float, negative: float, count: int) -> DataFrame:
    """A row a text: its key, and the earliest tweet's id, time, tone and bin (from 0). No text is shuffled for it."""
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
    places = [
        # A range without a width, such as that of negative = 0, is one bin.
        F.when(F.col("tonality") == tone, (F.col("probability").cast("double") - low) / ((high - low) or 1.0))
        for tone, (low, high) in limits.items()
    ]
    # The upper end belongs to the last bin, and a float may lie a rounding error outside its range.
    return F.greatest(F.lit(0), F.least(F.lit(count - 1), F.floor(F.coalesce(*places) * count)))


def _candidates(texts: DataFrame, count: int) -> DataFrame:
    """The tweets that `_spread` may want: of each tone the 2 * count that come first when bins take turns.

    It wants count of them, the last turn is up to count more.
    """
    by_hash = Window.partitionBy("tonality", "bin").orderBy("key")
    in_turn = Window.partitionBy("tonality").orderBy("rank", "key")
    so_far = (Window.unboundedPreceding, Window.currentRow)
    return (
        texts.withColumn("rank", F.row_number().over(by_hash.rowsBetween(*so_far)))
        .where(F.col("rank") <= min(2 * count, _MOST_RANKS))
        .withColumn("turn", F.row_number().over(in_turn.rowsBetween(*so_far)))
        .where(F.col("turn") <= 2 * count)
        .select("key", "bin", "tweet_id", "micros")
    )


def _key(text: Column) -> Column:
    """A hash of what a text says beside links, mentions and its form, that of the empty text where it says nothing.

    Never null: Spark would look for nulls in a step before, and pay all these replacements twice.
    """
    said = F.regexp_replace(F.regexp_replace(F.coalesce(text, F.lit("")), r"\p{Cf}", ""), r"(?U)[\s\p{Cc}]+", " ")
    for pattern in (_RETWEET, LINK, MENTION):
        said = F.regexp_replace(said, in_java(pattern), " ")
    return F.xxhash64(F.lower(F.trim(F.regexp_replace(said, r"[^\p{L}\p{N}\p{M}]+", " "))))


def _spread(tweets: pd.DataFrame, count: int) -> pd.DataFrame:
    """Of one tone's tweets `count`, by falling probability: the bins take turns until that many are found."""
    tweets = tweets.sort_values(["bin", "key"])
    chosen: list[Any] = []
    for _, turn in tweets.groupby(tweets.groupby("bin").cumcount()):
        chosen += _evenly(list(turn.index), count - len(chosen))
    return tweets.loc[chosen].sort_values(["probability", "micros", "tweet_id"], ascending=[False, True, True])


def _evenly(values: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the values, from all over them."""
    taken = min(count, len(values))
    return [values[(2 * place + 1) * len(values) // (2 * taken)] for place in range(taken)]


def printable(text: str | None) -> str:
    """A text as it may be shown: on one line, without characters that no reader sees or that turn the line around.

    Line breaks and tabs become spaces; other control characters, embeddings, overrides and isolates of bidirectional
    text (U+202A-202E, U+2066-2069) and halves of surrogate pairs are removed. None is empty.
    """
    return _UNPRINTABLE.sub("", _BREAK.sub(" ", text or ""))


def to_csv(examples: pd.DataFrame) -> bytes:
    """examples.csv: a header of COLUMNS, every cell quoted, UTF-8 with the byte order mark by which Excel knows it.

    created_at is ISO 8601 in UTC, probability has four decimals, and no text is a formula to a spreadsheet.
    """
    cells = examples[list(COLUMNS)].assign(
        probability=examples["probability"].map("{:.4f}".format),
        created_at=examples["created_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **{name: [_inert(text) for text in examples[name]] for name in ("tonality", "author", "text")},
    )
    return cells.to_csv(index=False, quoting=csv.QUOTE_ALL, lineterminator="\n").encode("utf-8-sig")


def _inert(text: str | None) -> str:
    """A text as a cell: behind an apostrophe where a spreadsheet could run it (OWASP, CSV Injection).

    What stands behind a semicolon is a cell of its own to a spreadsheet of a country that writes 0,5. The other two
    beginnings that OWASP names, tab and carriage return, are spaces in a printable text.
    """
    first, *rest = printable(text).split(";")
    # a quote that follows a semicolon opens and closes an empty cell, and what stands behind it counts
    return ";".join([_as_text(first), *(_as_text(part, part.lstrip('" ')) for part in rest)])


def _as_text(part: str, seen: str | None = None) -> str:
    """The part, behind an apostrophe where what a spreadsheet sees of it begins a formula."""
    # NFKC turns full-width and small forms of the signs into the signs.
    signs = unicodedata.normalize("NFKC", part if seen is None else seen)
    first = next((sign for sign in signs if unicodedata.category(sign) not in _INVISIBLE), "")
    return f"'{part}" if first in _FORMULA_SIGNS else part
