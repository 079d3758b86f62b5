"""Tones of probabilities, which Spark and Arrow have to compute alike."""

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.inference.text_scorer import tones
from tonality.model.inference.tone import tone

THRESHOLDS = [(0.65, 0.45), (0.7, 0.3), (1.0, 0.0), (0.1, 0.09999999)]


def beside(value):
    """The value as float32, between its two neighbouring float32 values."""
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
def test_spark_computes_the_same(positive, negative, spark):
    values = [None, 0.0, 0.5, 1.0, *beside(positive), *beside(negative)]
    frame = spark.createDataFrame([(n, value) for n, value in enumerate(values)], "n int, p float").coalesce(1)
    rows = frame.select("n", tone(F.col("p"), positive, negative).alias("tone")).orderBy("n").collect()
    assert [row.tone for row in rows] == tones(pa.array(values, pa.float32()), positive, negative).to_pylist()


@pytest.fixture(scope="module")
def toned(spark):
    """Tones by probability: float32 in tables, against thresholds that are float64 in settings."""
    values = [None, 0.0, 0.45, 0.4500001, 0.6499999, 0.65, 1.0]
    frame = spark.createDataFrame([(n, value) for n, value in enumerate(values)], "n int, p float")
    rows = frame.select("n", tone(F.col("p"), positive=0.65, negative=0.45).alias("tone")).collect()
    return {values[row.n]: row.tone for row in rows}


def test_in_spark_a_probability_at_a_threshold_is_beyond_it(toned):
    assert (toned[0.65], toned[0.45]) == ("positive", "negative")
    assert (toned[1.0], toned[0.0]) == ("positive", "negative")


def test_in_spark_a_probability_between_the_thresholds_is_neutral(toned):
    assert np.float32(0.4500001) > np.float32(0.45)
    assert (toned[0.4500001], toned[0.6499999]) == ("neutral", "neutral")


def test_in_spark_no_probability_has_the_tone_none(toned):
    assert toned[None] == "none"
