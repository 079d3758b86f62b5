"""The survey's numbers by day: counts from Spark, shares with their intervals, and the CSV."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.schema import DAY, NEGATIVE, NEUTRAL, POSITIVE, TONES

__all__ = ["COLUMNS", "TONED", "daily_counts", "period_shares", "to_csv", "wilson", "with_shares"]

TONED: Final = (POSITIVE, NEUTRAL, NEGATIVE)
"""The tones that shares are taken of; tweets without a tone are counted beside them."""

_TWEETS: Final = "tweets"
_MEAN: Final = "mean_probability"
_COUNTS: Final = (_TWEETS, *TONES)
_SHARES: Final = tuple(f"{tone}_{part}" for tone in TONED for part in ("share", "low", "high"))

COLUMNS: Final = (DAY, *_COUNTS, _MEAN, *_SHARES)
"""The columns of the dynamics, in the order of dynamics.csv; `with_shares` tells what each holds."""

_Z95: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile: 95 % between it and its negative."""


def daily_counts(scored: DataFrame) -> DataFrame:
    """Scored tweets (schema.SCORED) counted: a row a day, in no order, for the days that have tweets.

    Columns: day, tweets, one count a tone (positive, neutral, negative, none), and mean_probability, the mean in double
    over the tweets that have a probability, null where none has.
    """
    return scored.groupBy(DAY).agg(
        F.count(F.lit(1)).alias(_TWEETS),
        *(_count_of(tone) for tone in TONES),
        F.avg(F.col("probability").cast("double")).alias(_MEAN),
    )


def _count_of(tone: str) -> Column:
    return F.count_if(F.col("tonality") == tone).alias(tone)


def with_shares(counts: pd.DataFrame) -> pd.DataFrame:
    """The dynamics: collected daily counts with each tone's share, a row for every day from the first to the last.

    Days that `counts` lacks are inserted with 0 tweets. The columns are COLUMNS: day (datetime64, midnight, sorted),
    the counts (int64), mean_probability, and `<tone>_share`, `<tone>_low`, `<tone>_high`: the share, from 0 to 1, of
    the tweets that have a tone, with its 95 % Wilson interval. NaN stands where there is nothing to take a share or a
    mean of. No counts give no rows.

    Raises ValueError where a day stands twice, or its tones do not sum to its tweets.
    """
    days = pd.DatetimeIndex(pd.to_datetime(counts[DAY]), name=DAY)
    if days.has_duplicates:
        raise ValueError(f"days counted twice: {_listed(days[days.duplicated()])}")
    counted = counts.set_index(days)
    unequal = counted[list(TONES)].sum(axis="columns") != counted[_TWEETS]
    if unequal.any():
        raise ValueError(f"tones do not sum to tweets on {_listed(counted.index[unequal])}")
    # A missing day is a row of zeros, so that a chart shows the gap and no line runs across it.
    every_day = pd.date_range(days.min(), days.max(), name=DAY) if len(days) else days
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


def wilson(hits: NDArray[np.float64], total: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % score interval of the proportions hits / total, as low and high from 0 to 1; NaN where total is NaN.

    Unlike the textbook interval it keeps its width at shares of 0 and 1 and in days of few tweets: E. B. Wilson,
    Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927), 209-212.
    """
    share = hits / total
    z2 = _Z95**2 / total
    middle = (share + z2 / 2) / (1 + z2)
    half = _Z95 / (1 + z2) * np.sqrt(share * (1 - share) / total + z2 / (4 * total))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def to_csv(dynamics: pd.DataFrame) -> str:
    """The text of dynamics.csv: a header of COLUMNS, ISO dates, whole counts, six decimals, empty for NaN."""
    return dynamics.to_csv(
        columns=list(COLUMNS), index=False, date_format="%Y-%m-%d", float_format="%.6f", lineterminator="\n"
    )
