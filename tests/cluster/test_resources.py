"""A cluster whose workers name GPUs: each task is given one of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from standalone import Cluster

pytestmark = pytest.mark.cluster

GPUS: Final = ("0", "1")
SCRIPT: Final = """
import json, sys, time
from pyspark import TaskContext
from pyspark.sql import SparkSession

def address(_):
    time.sleep(1)  # an executor that is done sooner would get the other task too
    context = TaskContext.get()
    return [(context.partitionId(), context.resources()["gpu"].addresses)]

with SparkSession.builder.getOrCreate() as spark:
    found = spark.sparkContext.parallelize(range(2), 2).mapPartitions(address).collect()
    open(sys.argv[1], "w").write(json.dumps(found))
"""


@pytest.fixture
def gpu_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One worker of two cores that finds two GPUs."""
    with Cluster(tmp_path / "cluster", workers=1, cores=2, gpus=GPUS) as cluster:
        yield cluster


def test_each_task_is_given_a_gpu_of_its_own(gpu_cluster: Cluster, tmp_path: Path) -> None:
    script, found = tmp_path / "addresses.py", tmp_path / "found.json"
    script.write_text(SCRIPT)
    conf = {"executor_resource_gpu_amount": "1", "task_resource_gpu_amount": "1", "executor_cores": "1"}
    conf |= {"cores_max": "2", "scheduler_minRegisteredResourcesRatio": "1.0"}  # both executors first
    with gpu_cluster.submit(script, tmp_path / "root", str(found), **conf) as job:
        assert job.status() == 0, job.said[-3000:]
    addresses = dict(json.loads(found.read_text()))
    assert sorted(addresses) == [0, 1]
    assert sorted(addresses.values()) == [["0"], ["1"]]
