import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.inference.tone_arrow import tones
from tonality.model.inference.tone_spark import tone

THRESHOLDS = [(0.65, 0.45), (0.7, 0.3), (1.0, 0.0), (0.1, 0.09999999)]


def beside(value):
    """The value as float32, and the float32 numbers on either side of it."""
    value = np.float32(value)
    return [float(n) for n in (np.nextafter(value, np.float32(-1)), value, np.nextafter(value, np.float32(2)))]


def test_a_probability_at_a_threshold_is_beyond_it():
    assert tones(pa.array(beside(0.65), pa.float32()), 0.65, 0.45).to_pylist() == ["neutral", "positive", "positive"]
    assert tones(pa.array(beside(0.45), pa.float32()), 0.65, 0.45).to_pylist() == ["negative", "negative", "neutral"]


def test_no_probability_has_the_tone_none():
    assert tones(pa.array([None, 0.5], pa.float32()), 0.65, 0.45).to_pylist() == ["none", "neutral"]


@pytest.mark.parametrize("values", [[], [None]])
def test_a_batch_may_hold_no_probability(values):
    assert tones(pa.array(values, pa.float32()), 0.65, 0.45).to_pylist() == ["none"] * len(values)


@pytest.mark.parametrize(("positive", "negative"), THRESHOLDS)
def test_spark_says_the_same(positive, negative, spark):
    values = [None, 0.0, 0.5, 1.0, *beside(positive), *beside(negative)]
    frame = spark.createDataFrame([(n, value) for n, value in enumerate(values)], "n int, p float").coalesce(1)
    called = frame.select("n", tone(F.col("p"), positive, negative).alias("tone")).orderBy("n").collect()
    assert [row.tone for row in called] == tones(pa.array(values, pa.float32()), positive, negative).to_pylist()
