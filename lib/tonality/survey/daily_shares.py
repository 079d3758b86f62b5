"""The survey's numbers by day: counts from Spark, shares with their intervals, and the CSV."""

from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.evaluation.intervals import wilson
from tonality.runtime.storage.schema import DAY, NEGATIVE, NEUTRAL, NONE, POSITIVE, TONES

__all__ = ["COLUMNS", "TONED", "daily_counts", "period_shares", "to_csv", "with_shares"]

TONED: Final = (POSITIVE, NEUTRAL, NEGATIVE)
"""The tones that shares are taken of; what has no tone is counted beside them."""

_TWEETS: Final = "tweets"
_VOTERS: Final = "voters"
_TIES: Final = "ties"
_ANONYMOUS: Final = "anonymous"
_MEAN: Final = "mean_probability"
_OUTCOMES: Final = (*TONES, _TIES)
_COUNTS: Final = (_TWEETS, _VOTERS, *_OUTCOMES, _ANONYMOUS)
_SHARES: Final = tuple(f"{tone}_{part}" for tone in TONED for part in ("share", "low", "high"))

COLUMNS: Final = (DAY, *_COUNTS, _MEAN, *_SHARES)
"""The columns of the dynamics, in the order of dynamics.csv; `with_shares` tells what each holds."""


def daily_counts(scored: DataFrame, voting: Literal["tweet", "author"] = "tweet") -> DataFrame:
    """Scored tweets (schema.SCORED) counted: a row a day, in no order, for the days that have tweets.

    Columns: day; tweets; voters; one count of voters a tone (positive, neutral, negative, none), ties and anonymous;
    and mean_probability, in double over the voters that have a probability, null where none has.

    Where tweets vote, each is a voter. Where authors vote, an author has one vote a day, the commonest tone of the
    day's tweets that have one; two tones equally common are a tie, and none at all is none; the author's probability
    is the mean of the tweets'. Tweets without an author are anonymous then: counted, with no vote.
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
    """The commonest tone by the counts of the tones: `ties` where two are, `none` where there is none at all."""
    counts = [F.col(tone) for tone in TONED]
    most = F.greatest(*counts)
    winners = sum((F.when(count == most, 1).otherwise(0) for count in counts), F.lit(0))
    vote = F.when(most == 0, NONE).when(winners > 1, _TIES)
    for tone, count in zip(TONED, counts, strict=True):
        vote = vote.when(count == most, tone)
    return vote


def _count_of(outcome: str, column: Column) -> Column:
    return F.count_if(column == outcome).alias(outcome)


def with_shares(counts: pd.DataFrame, period: Sequence[date] = ()) -> pd.DataFrame:
    """The dynamics: collected daily counts with each tone's share, a row for every day from the first to the last.

    Days that `counts` lacks are inserted with 0 tweets, as are those of the period, of which the first and the last day
    are given. The columns are COLUMNS: day (datetime64, midnight, sorted), the counts of `daily_counts` (int64), where
    voters = positive + neutral + negative + none + ties, mean_probability, and `<tone>_share`, `<tone>_low`,
    `<tone>_high`: the share, from 0 to 1, of the voters that have a tone, with its 95 % Wilson interval. NaN stands
    where there is nothing to take a share or a mean of. No counts give no rows.

    Raises ValueError where a day stands twice, or its voters are not the sum of where they went.
    """
    days = pd.DatetimeIndex(pd.to_datetime(counts[DAY]), name=DAY)
    if days.has_duplicates:
        raise ValueError(f"days counted twice: {_listed(days[days.duplicated()])}")
    counted = counts.set_index(days)
    unequal = counted[list(_OUTCOMES)].sum(axis="columns") != counted[_VOTERS]
    if unequal.any():
        raise ValueError(f"tones and ties do not sum to voters on {_listed(counted.index[unequal])}")
    # A missing day is a row of zeros, so that a chart shows the gap and no line runs across it.
    ends = days.append(pd.DatetimeIndex(list(period)))
    every_day = pd.date_range(ends.min(), ends.max(), name=DAY) if len(days) else days
    whole = counted[list(_COUNTS)].reindex(every_day, fill_value=0).astype("int64")
    whole[_MEAN] = counted[_MEAN].astype("float64")
    return _add_shares(whole).reset_index()[list(COLUMNS)]


def _listed(days: pd.Index) -> str:
    return ", ".join(pd.DatetimeIndex(days).strftime("%Y-%m-%d"))


def period_shares(dynamics: pd.DataFrame) -> pd.DataFrame:
    """All days together as one row: the sums of the counts, and the shares and intervals of those sums."""
    return _add_shares(dynamics[list(_COUNTS)].sum().to_frame().T)


def _add_shares(counts: pd.DataFrame) -> pd.DataFrame:
    toned = counts[list(TONED)].sum(axis="columns").to_numpy(dtype="float64")
    total = np.where(toned > 0, toned, np.nan)
    shares = {}
    for tone in TONED:
        hits = counts[tone].to_numpy(dtype="float64")
        shares[f"{tone}_share"] = hits / total
        shares[f"{tone}_low"], shares[f"{tone}_high"] = wilson(hits, total)
    return counts.assign(**shares)


def to_csv(dynamics: pd.DataFrame) -> str:
    """The text of dynamics.csv: a header of COLUMNS, ISO dates, whole counts, six decimals, empty for NaN."""
    return dynamics.to_csv(
        columns=list(COLUMNS), index=False, date_format="%Y-%m-%d", float_format="%.6f", lineterminator="\n"
    )
