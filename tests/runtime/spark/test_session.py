from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.spark.session import in_run, tasks_per_core

MIN_TASKS = "spark.sql.files.minPartitionNum"


@pytest.fixture
def large(tmp_path: Path) -> str:
    """A file of 24 MB in eight row groups, of which Spark gives a task at most 4 MB if allowed."""
    file = str(tmp_path / "large.parquet")
    draws = np.random.default_rng(0)
    pq.write_table(pa.table({"n": draws.integers(0, 2**60, 3_000_000)}), file, 375_000, compression="none")
    return file


def test_a_large_file_is_shared_by_several_tasks_a_core(spark: SparkSession, large: str) -> None:
    cores = spark.sparkContext.defaultParallelism
    default = spark.read.parquet(large).rdd.getNumPartitions()
    with tasks_per_core(spark, 3):
        shared = spark.read.parquet(large).rdd.getNumPartitions()
    assert default < 3 * cores <= shared
    assert spark.read.parquet(large).rdd.getNumPartitions() == default


def test_a_setting_of_the_user_takes_precedence(spark: SparkSession) -> None:
    spark.conf.set(MIN_TASKS, "1")
    try:
        with tasks_per_core(spark, 3):
            assert spark.conf.get(MIN_TASKS) == "1"
        assert spark.conf.get(MIN_TASKS) == "1"
    finally:
        spark.conf.unset(MIN_TASKS)


def test_jobs_of_a_run_are_found_by_its_id_and_those_of_the_outer_run_by_theirs(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings = load([], [f"paths.root={tmp_path}"])
    jobs = spark.sparkContext.statusTracker().getJobIdsForGroup

    def count() -> None:
        spark.range(5).selectExpr("sum(id)").collect()

    with Run("pipeline", settings) as pipeline, in_run(spark, pipeline, settings.spark):
        count()
        with Run("clean", settings) as clean, in_run(spark, clean, settings.spark):
            count()
        before = jobs(pipeline.id)
        count()
        assert len(before) < len(jobs(pipeline.id))
    assert jobs(clean.id)
    assert not set(jobs(clean.id)) & set(jobs(pipeline.id))
    assert spark.sparkContext.getLocalProperty("spark.jobGroup.id") is None
    assert clean.facts["spark"] == {
        "version": spark.version,
        "master": spark.sparkContext.master,
        "application": spark.sparkContext.applicationId,
    }
