"""The tones that probabilities are called by, without Spark."""

import pyarrow as pa
import pyarrow.compute as pc

from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, NONE, POSITIVE

__all__ = ["tones"]


def tones(probabilities: pa.FloatArray, positive: float, negative: float) -> pa.StringArray:
    """The tone of each probability: positive from `positive` on, negative up to `negative`, neutral between.

    A null has the tone none. Thresholds are compared as float32, which probabilities are: 0.65 is positive from 0.65
    on. `tonality.model.inference.tone_spark` says the same of a column in Spark.
    """
    at_least = pc.greater_equal(probabilities, pa.scalar(positive, pa.float32()))
    at_most = pc.less_equal(probabilities, pa.scalar(negative, pa.float32()))
    return pc.if_else(at_least, POSITIVE, pc.if_else(at_most, NEGATIVE, NEUTRAL)).fill_null(NONE)
