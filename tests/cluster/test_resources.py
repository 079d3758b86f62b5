"""A cluster whose workers declare GPUs: each task gets its own."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from small_survey import Survey
from standalone import Cluster

pytestmark = pytest.mark.cluster

SCORE: Final = Path(__file__).parents[2] / "jobs" / "score.py"
GPUS: Final = ("0", "1")
RESOURCES: Final = {"executor_resource_gpu_amount": "1", "task_resource_gpu_amount": "1", "executor_cores": "1"}
SCRIPT: Final = """
import json, sys, time
from pyspark import TaskContext
from pyspark.sql import SparkSession

def address(_):
    time.sleep(1)  # an executor that finishes early would get the other task too
    context = TaskContext.get()
    return [(context.partitionId(), context.resources()["gpu"].addresses)]

with SparkSession.builder.getOrCreate() as spark:
    found = spark.sparkContext.parallelize(range(2), 2).mapPartitions(address).collect()
    open(sys.argv[1], "w").write(json.dumps(found))
"""


@pytest.fixture
def gpu_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One worker with two cores that discovers two GPUs."""
    with Cluster(tmp_path / "cluster", workers=1, cores=2, gpus=GPUS) as cluster:
        yield cluster


def test_each_task_is_given_a_gpu_of_its_own(gpu_cluster: Cluster, tmp_path: Path) -> None:
    script, found = tmp_path / "addresses.py", tmp_path / "found.json"
    script.write_text(SCRIPT)
    both_first = {"cores_max": "2", "scheduler_minRegisteredResourcesRatio": "1.0"}
    with gpu_cluster.submit(script, tmp_path / "root", str(found), **RESOURCES, **both_first) as job:
        assert job.status() == 0, job.output[-3000:]
    addresses = dict(json.loads(found.read_text()))
    assert sorted(addresses) == [0, 1]
    assert sorted(addresses.values()) == [["0"], ["1"]]


def test_a_scoring_task_uses_the_gpu_of_its_address_and_fails_if_torch_finds_none(
    gpu_cluster: Cluster, survey: Survey, tmp_path: Path
) -> None:
    root = shutil.copytree(survey.unscored, tmp_path / "root")
    with gpu_cluster.submit(SCORE, root, "--set", f"paths.root={root}", **RESOURCES) as job:
        assert job.status() == 1
    message = job.output.splitlines()[-1]
    assert re.match(
        r"tonality score: Spark assigned GPU [01] to this task, but torch \S+ finds 0 GPUs on this machine: ", message
    )
    assert not (root / "scored").exists()
