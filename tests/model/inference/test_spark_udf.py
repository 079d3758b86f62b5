import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.inference.spark_udf import in_batches, scoring_udf
from tonality.model.inference.tone_spark import tone

ROWS = [(n, f"w{n % 50} w{n * 7 % 50} w{n * 3 % 11}"[: 3 + n % 9].strip()) for n in range(500)] + [
    (500, ""),
    (501, None),
]


def test_spark_gives_every_tweet_the_probability_that_the_scorer_gives(spark, artifact):
    frame = spark.createDataFrame(ROWS, "n long, stems string").repartition(3)
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 64)
    try:
        scored = frame.select("n", scoring_udf(spark, PackedModel.of(artifact), 2)(F.col("stems")).alias("p")).collect()
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")
    expected = Scorer(PackedModel.of(artifact)).probabilities(pa.array([stems for _, stems in ROWS])).to_pylist()
    assert {row.n: row.p for row in scored} == dict(zip([n for n, _ in ROWS], expected, strict=True))
    assert expected[-2:] == [None, None]


def test_a_partition_of_nulls_alone_is_scored_too(spark, artifact):
    frame = spark.createDataFrame([(None,), (None,)], "stems string").coalesce(1)
    assert [
        row.p
        for row in frame.select(scoring_udf(spark, PackedModel.of(artifact), 2)(F.col("stems")).alias("p")).collect()
    ] == [None] * 2


@pytest.mark.parametrize("sizes", [[1] * 10, [10], [3, 7], [0, 4, 0, 6], [2, 1, 4, 3]])
def test_a_worker_scores_as_many_tweets_at_once_as_are_asked_for_however_few_spark_hands_over(sizes):
    ends = np.cumsum(sizes)
    values = pa.array([f"w{n}" for n in range(10)])
    arrays = [values[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    batches = list(in_batches(iter(arrays), 4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert pa.concat_arrays(batches) == values


def test_long_texts_are_scored_in_smaller_batches():
    megabyte = pa.array(["ж" * 2**19] * 30)
    batches = list(in_batches(iter([megabyte] * 5), 100_000))
    assert [len(batch) for batch in batches] == [60, 60, 30]


def test_a_task_without_tweets_has_no_batch():
    assert list(in_batches(iter([]), 4)) == list(in_batches(iter([pa.array([], pa.string())]), 4)) == []


@pytest.fixture(scope="module")
def toned(spark):
    """Probabilities stand in tables as float32, thresholds in settings as float64."""
    values = [None, 0.0, 0.45, 0.4500001, 0.6499999, 0.65, 1.0]
    frame = spark.createDataFrame([(n, value) for n, value in enumerate(values)], "n int, p float")
    called = frame.select("n", tone(F.col("p"), positive=0.65, negative=0.45).alias("tone")).collect()
    return {values[row.n]: row.tone for row in called}


def test_a_probability_at_a_threshold_is_beyond_it(toned):
    assert (toned[0.65], toned[0.45]) == ("positive", "negative")
    assert (toned[1.0], toned[0.0]) == ("positive", "negative")


def test_a_probability_between_the_thresholds_is_neutral(toned):
    assert np.float32(0.4500001) > np.float32(0.45)
    assert (toned[0.4500001], toned[0.6499999]) == ("neutral", "neutral")


def test_no_probability_has_the_tone_none(toned):
    assert toned[None] == "none"
