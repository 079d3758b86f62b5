"""Daily results of a survey: counts from Spark, shares with their intervals, and the CSV."""

from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.metrics import wilson_interval
from tonality.runtime.storage.schema import DAY, NEGATIVE, NEUTRAL, NONE, POSITIVE, TONES

__all__ = ["COLUMNS", "TONED", "daily_counts", "period_shares", "to_csv", "with_shares"]

TONED: Final = (POSITIVE, NEUTRAL, NEGATIVE)
"""The tones that have shares; tweets without a tone are counted separately."""

_TWEETS: Final = "tweets"
_VOTERS: Final = "voters"
_TIES: Final = "ties"
_ANONYMOUS: Final = "anonymous"
_MEAN: Final = "mean_probability"
_OUTCOMES: Final = (*TONES, _TIES)
_COUNTS: Final = (_TWEETS, _VOTERS, *_OUTCOMES, _ANONYMOUS)
_SHARES: Final = tuple(f"{tone}_{part}" for tone in TONED for part in ("share", "low", "high"))

COLUMNS: Final = (DAY, *_COUNTS, _MEAN, *_SHARES)
"""Columns of the daily shares, in the order of dynamics.csv; described at `with_shares`."""


def daily_counts(scored: DataFrame, voting: Literal["tweet", "author"] = "tweet") -> DataFrame:
    """Count scored tweets (schema.SCORED): one row per day with tweets, in no particular order.

    Columns: day; tweets; voters; the number of voters of each tone (positive, neutral, negative, none), ties and
    anonymous; and mean_probability, a double over the voters with a probability, null if there are none.

    With voting by tweet, each tweet is a voter. With voting by author, each author has one vote a day: the most common
    tone among the day's tweets that have one. Two equally common tones are a tie; no tone at all is none. The author's
    probability is the mean over the tweets. Tweets without an author are anonymous: counted, but without a vote.
    """
    return _by_tweet(scored) if voting == "tweet" else _by_author(scored)


def _by_tweet(scored: DataFrame) -> DataFrame:
    return scored.groupBy(DAY).agg(
        F.count(F.lit(1)).alias(_TWEETS),
        F.count(F.lit(1)).alias(_VOTERS),
        *(_count_of(tone, F.col("tonality")) for tone in TONES),
        F.lit(0).alias(_TIES),
        F.lit(0).alias(_ANONYMOUS),
        F.avg(F.col("probability").cast("double")).alias(_MEAN),
    )


def _by_author(scored: DataFrame) -> DataFrame:
    known = F.col("author").isNotNull()
    authors = scored.groupBy(DAY, F.nullif("author", F.lit("")).alias("author")).agg(
        F.count(F.lit(1)).alias(_TWEETS),
        *(_count_of(tone, F.col("tonality")) for tone in TONED),
        F.avg(F.col("probability").cast("double")).alias(_MEAN),
    )
    votes = authors.withColumn("vote", F.when(known, _vote()))
    return votes.groupBy(DAY).agg(
        F.sum(_TWEETS).alias(_TWEETS),
        F.count_if(known).alias(_VOTERS),
        *(_count_of(outcome, F.col("vote")) for outcome in _OUTCOMES),
        F.coalesce(F.sum(F.when(~known, F.col(_TWEETS))), F.lit(0)).alias(_ANONYMOUS),
        F.avg(F.when(known, F.col(_MEAN))).alias(_MEAN),
    )


def _vote() -> Column:
    """The most common tone, from the counts of the tones: `ties` if two are equally common, `none` if all are 0."""
    counts = [F.col(tone) for tone in TONED]
    highest = F.greatest(*counts)
    winners = sum((F.when(count == highest, 1).otherwise(0) for count in counts), F.lit(0))
    vote = F.when(highest == 0, NONE).when(winners > 1, _TIES)
    for tone, count in zip(TONED, counts, strict=True):
        vote = vote.when(count == highest, tone)
    return vote


def _count_of(outcome: str, column: Column) -> Column:
    return F.count_if(column == outcome).alias(outcome)


def with_shares(counts: pd.DataFrame, period: Sequence[date] = ()) -> pd.DataFrame:
    """Add each tone's share to the collected daily counts, with one row for every day from the first to the last.

    Days missing from `counts` are inserted with 0 tweets, as are those of the period, given by its first and last day.
    The columns are COLUMNS: day (datetime64, midnight, sorted), the counts of `daily_counts` (int64), where
    voters = positive + neutral + negative + none + ties, mean_probability, and `<tone>_share`, `<tone>_low`,
    `<tone>_high`: the share, from 0 to 1, among the voters with a tone, and its 95 % Wilson interval. Undefined shares
    and means are NaN. Without counts there are no rows.

    Raises ValueError if a day occurs twice, or if its tones and ties do not sum to its voters.
    """
    days = pd.DatetimeIndex(pd.to_datetime(counts[DAY]), name=DAY)
    if days.has_duplicates:
        raise ValueError(f"days counted twice: {_listed(days[days.duplicated()])}")
    counted = counts.set_index(days)
    unequal = counted[list(_OUTCOMES)].sum(axis="columns") != counted[_VOTERS]
    if unequal.any():
        raise ValueError(f"tones and ties do not sum to voters on {_listed(counted.index[unequal])}")
    # A missing day is a row of zeros, so that charts show a gap instead of a line across it.
    ends = days.append(pd.DatetimeIndex(list(period)))
    every_day = pd.date_range(ends.min(), ends.max(), name=DAY) if len(days) else days
    whole = counted[list(_COUNTS)].reindex(every_day, fill_value=0).astype("int64")
    whole[_MEAN] = counted[_MEAN].astype("float64")
    return _add_shares(whole).reset_index()[list(COLUMNS)]


def _listed(days: pd.Index) -> str:
    return ", ".join(pd.DatetimeIndex(days).strftime("%Y-%m-%d"))


def period_shares(daily_shares: pd.DataFrame) -> pd.DataFrame:
    """The whole period as one row: the sums of the counts, and the shares and intervals of those sums."""
    return _add_shares(daily_shares[list(_COUNTS)].sum().to_frame().T)


def _add_shares(counts: pd.DataFrame) -> pd.DataFrame:
    toned = counts[list(TONED)].sum(axis="columns").to_numpy(dtype="float64")
    total = np.where(toned > 0, toned, np.nan)
    shares = {}
    for tone in TONED:
        hits = counts[tone].to_numpy(dtype="float64")
        shares[f"{tone}_share"] = hits / total
        shares[f"{tone}_low"], shares[f"{tone}_high"] = wilson_interval(hits, total)
    return counts.assign(**shares)


def to_csv(daily_shares: pd.DataFrame) -> str:
    """The content of dynamics.csv: a header of COLUMNS, ISO dates, whole counts, six decimals, empty for NaN."""
    return daily_shares.to_csv(
        columns=list(COLUMNS), index=False, date_format="%Y-%m-%d", float_format="%.6f", lineterminator="\n"
    )
