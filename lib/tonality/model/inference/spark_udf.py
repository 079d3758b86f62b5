"""The model in an Arrow UDF: broadcast once an executor, mapped by its Python workers, kept while they live.

An Arrow UDF is a pandas UDF without pandas between: strings stay Arrow's, and none becomes a Python object.
"""

import fcntl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import torch
from pyspark import Broadcast, SparkFiles, TaskContext
from pyspark.sql import Column, SparkSession
from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined, unused-ignore]

from tonality.model.inference.device import choose_kind, choose_precision, gpu_of_task
from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer
from tonality.model.registry.artifact import Artifact
from tonality.runtime.diagnostics.task_log import announced

__all__ = ["in_batches", "packed_model_for", "scoring_udf"]

_BATCH_BYTES: Final = 2**26
"""Of stems that are scored at once at most, or of one array that Spark hands over."""
_GPUS_A_TASK: Final = "spark.task.resource.gpu.amount"

_built: Final[dict[str, Scorer]] = {}
"""This worker's scorer, by the model and the device."""


def packed_model_for(
    spark: SparkSession,
    artifact: Artifact,
    precision: Literal["auto", "float32", "bfloat16"],
    device: Literal["auto", "cpu", "cuda"],
) -> PackedModel:
    """The model, ready for the executors of this session: the one choice that all of them follow.

    Raises SettingsError where a GPU is asked for and Spark gives tasks none.
    """
    gpus = float(spark.sparkContext.getConf().get(_GPUS_A_TASK) or 0)
    kind = choose_kind(device, gpus)
    return PackedModel.of(artifact, choose_precision(precision, kind), kind)


def scoring_udf(spark: SparkSession, model: PackedModel, batch_rows: int) -> Callable[[Column], Column]:
    """A function of a column of space-joined stems: the probabilities, null where a tweet has no stem.

    A worker scores batch_rows rows at once, or 64 MiB of them. Spark hands over fewer, some thousands, when it reads
    Parquet, whatever spark.sql.execution.arrow.maxRecordsPerBatch says.
    """
    content = spark.sparkContext.broadcast(model.to_bytes())
    name, kind = model.name, model.device

    def scored(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        scorer = _scorer(name, kind, content)
        for stems in in_batches(batches, batch_rows):
            yield scorer.probabilities(stems.cast(pa.string()))  # large ones, by a setting of Spark's

    @arrow_udf("float")  # type: ignore[call-overload, untyped-decorator, unused-ignore]
    def probability(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        return announced("score", scored(batches), len)

    return probability  # type: ignore[no-any-return, unused-ignore]


def in_batches(arrays: Iterable[pa.Array], rows: int) -> Iterator[pa.Array]:
    """The same values in arrays of so many rows, or of fewer at the end and where they take many bytes."""
    waiting: list[pa.Array] = []
    for array in filter(len, arrays):
        if waiting and sum(part.nbytes for part in waiting) + array.nbytes > _BATCH_BYTES:
            yield pa.concat_arrays(waiting)
            waiting = []
        waiting.append(array)
        count = sum(map(len, waiting))
        if count >= rows:
            joined, whole = pa.concat_arrays(waiting), count - count % rows
            for at in range(0, whole, rows):
                yield joined[at : at + rows]
            waiting = [joined[whole:]] if whole < count else []
    if waiting:
        yield pa.concat_arrays(waiting)


def _scorer(name: str, kind: str, content: Broadcast[bytes]) -> Scorer:
    device = gpu_of_task(_addresses()) if kind == "cuda" else None
    key = f"{name} {device}"
    if key not in _built:
        torch.set_num_threads(1)  # Spark fills the cores already
        _built.clear()
        _built[key] = Scorer(PackedModel.map(_shared_file(name, content)), device)
    return _built[key]


def _addresses() -> dict[str, list[str]]:
    task = TaskContext.get()
    return {name: resource.addresses for name, resource in task.resources().items()} if task else {}


def _shared_file(name: str, content: Broadcast[bytes]) -> Path:
    """The model's file in the executor's own temporary folder, written by the first worker that wants it."""
    file = Path(SparkFiles.getRootDirectory()) / f"tonality-{name}.safetensors"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go where the worker is killed
        if not file.exists():
            part = file.with_suffix(".part")
            part.write_bytes(content.value)
            part.replace(file)
    return file
