import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.inference.spark_udf import choose_device, gpu_of_task, rebatch, scoring_udf
from tonality.runtime.diagnostics.errors import SettingsError, UserError

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


def test_a_partition_of_only_nulls_is_scored_too(spark, artifact):
    frame = spark.createDataFrame([(None,), (None,)], "stems string").coalesce(1)
    assert [
        row.p
        for row in frame.select(scoring_udf(spark, PackedModel.of(artifact), 2)(F.col("stems")).alias("p")).collect()
    ] == [None] * 2


@pytest.mark.parametrize("sizes", [[1] * 10, [10], [3, 7], [0, 4, 0, 6], [2, 1, 4, 3]])
def test_batches_have_the_requested_size_whatever_the_size_of_sparks(sizes):
    ends = np.cumsum(sizes)
    values = pa.array([f"w{n}" for n in range(10)])
    arrays = [values[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    batches = list(rebatch(iter(arrays), 4))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert pa.concat_arrays(batches) == values


def test_long_texts_are_scored_in_smaller_batches():
    megabyte = pa.array(["ж" * 2**19] * 30)
    batches = list(rebatch(iter([megabyte] * 5), 100_000))
    assert [len(batch) for batch in batches] == [60, 60, 30]


def test_a_task_without_tweets_has_no_batch():
    assert list(rebatch(iter([]), 4)) == list(rebatch(iter([pa.array([], pa.string())]), 4)) == []


def test_a_gpu_is_used_if_spark_assigns_one_to_tasks():
    assert choose_device("auto", 0) == "cpu"
    assert choose_device("auto", 0.25) == "cuda"
    assert choose_device("cuda", 1) == "cuda"
    assert choose_device("cpu", 1) == "cpu"
    with pytest.raises(SettingsError, match=r"score\.device is cuda, but Spark assigns no GPU to tasks"):
        choose_device("cuda", 0)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)


def test_a_task_uses_the_gpu_at_its_address(two_gpus):
    assert gpu_of_task({"gpu": ["1"]}) == "cuda:1"
    assert gpu_of_task({"fpga": ["7"], "gpu": ["0", "1"]}) == "cuda:0"


def test_a_gpu_that_torch_does_not_find_is_an_error(two_gpus):
    with pytest.raises(
        UserError, match=r"Spark assigned GPU 2 to this task, but torch .* finds 2 GPUs on this machine"
    ):
        gpu_of_task({"gpu": ["2"]})
    with pytest.raises(UserError, match=r"Spark assigned GPU mig-1 to this task"):
        gpu_of_task({"gpu": ["mig-1"]})


def test_a_task_without_a_gpu_is_an_error(two_gpus):
    with pytest.raises(UserError, match=r"no GPU was assigned to this task"):
        gpu_of_task({})
