"""The tone that a probability is called by, in Spark."""

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, NONE, POSITIVE

__all__ = ["tone"]


def tone(probability: Column, positive: float, negative: float) -> Column:
    """The tone of a probability: positive from `positive` on, negative up to `negative`, neutral between.

    `tonality.model.inference.tone_arrow` says the same of Arrow's arrays; both compare float32.
    """
    return (
        F.when(probability.isNull(), NONE)
        .when(probability >= F.lit(positive).cast("float"), POSITIVE)
        .when(probability <= F.lit(negative).cast("float"), NEGATIVE)
        .otherwise(NEUTRAL)
    )
