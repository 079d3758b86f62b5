"""Tones of probabilities as a Spark column; `text_scorer.tones` applies the same rule without Spark."""

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, NONE, POSITIVE

__all__ = ["tone"]


def tone(probability: Column, positive: float, negative: float) -> Column:
    """The tone of a probability: positive at or above `positive`, negative at or below `negative`, otherwise neutral.

    Null has the tone none. Thresholds are rounded to float32, as probabilities are: 0.65 is positive at 0.65.
    """
    return (
        F.when(probability.isNull(), NONE)
        .when(probability >= F.lit(positive).cast("float"), POSITIVE)
        .when(probability <= F.lit(negative).cast("float"), NEGATIVE)
        .otherwise(NEUTRAL)
    )
