"""Several training processes, started through Spark: on this machine, or one a task slot of the cluster."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Final

from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from tonality.faults import SettingsFault
from tonality.session import spark_session
from tonality.settings import SparkSettings

__all__ = ["run_in_processes"]

_PATIENCE_SECONDS: Final = 60.0
"""How long executors may take to register before their slots are counted as lacking."""


def run_in_processes(
    function: Callable[..., None], arguments: tuple[str, ...], processes: int, settings: SparkSettings
) -> None:
    """Call an importable function in so many processes, as torchrun would, and wait for all.

    Raises SettingsFault where the cluster has too few slots for them, and RuntimeError, or what Spark raises, where one
    of them fails: the others are ended then.
    """
    with _session(settings) as spark:
        master = str(spark.sparkContext.master)
        local = master.startswith("local") and "cluster" not in master
        if not local:
            _require_slots(spark, processes)
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # torchrun would set it, and say so
        gpus = not local and float(spark.sparkContext.getConf().get("spark.task.resource.gpu.amount", "0") or 0) > 0
        with redirect_stdout(sys.stderr):  # what the processes say is no summary
            TorchDistributor(num_processes=processes, local_mode=local, use_gpu=gpus).run(function, *arguments)


@contextmanager
def _session(settings: SparkSettings) -> Iterator[SparkSession]:
    """The session that is there, or one for this purpose."""
    if spark := SparkSession.getActiveSession():
        yield spark
    else:
        with spark_session("train", settings) as spark:
            yield spark


def _require_slots(spark: SparkSession, processes: int) -> None:
    """All processes must run at once: Spark would wait for ever, or for long, for slots that are not there."""
    if spark.sparkContext.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        raise SettingsFault(
            f"train.processes is {processes}, which needs executors that stay: submit with "
            f"spark.dynamicAllocation.enabled=false and a number of executors"
        )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (slots := _slots(spark)) < processes:
        if time.monotonic() > deadline:
            raise SettingsFault(
                f"train.processes is {processes}, and the cluster runs {slots} tasks at once: "
                f"ask spark-submit for more executors or cores, or lower train.processes"
            )
        time.sleep(1)


def _slots(spark: SparkSession) -> int:
    """Tasks that the executors of now run at once."""
    context = spark.sparkContext._jsc.sc()
    return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))
