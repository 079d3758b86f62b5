"""The model as an Arrow UDF: broadcast to each executor once, mapped by its Python workers and reused by them.

An Arrow UDF is a pandas UDF without pandas: strings stay in Arrow arrays and never become Python objects. The driver
chooses the device and precision once, for all executors.
"""

import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import torch
from pyspark import Broadcast, SparkFiles, TaskContext
from pyspark.sql import Column, SparkSession
from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined, unused-ignore]

from tonality.model.inference.packed_model import Device, PackedModel, choose_precision
from tonality.model.inference.scorer import Scorer
from tonality.model.registry.artifact import Artifact
from tonality.runtime.diagnostics.errors import SettingsError, UserError
from tonality.runtime.diagnostics.task_log import log_task

__all__ = ["choose_device", "gpu_of_task", "packed_model_for", "rebatch", "scoring_udf"]

_BATCH_BYTES: Final = 2**26
"""Size limit of a batch of stems; a larger array from Spark is scored whole."""
_GPU: Final = "gpu"
"""Spark's name of the resource."""
_GPUS_PER_TASK: Final = "spark.task.resource.gpu.amount"

_scorers: Final[dict[str, Scorer]] = {}
"""The scorer of this Python worker, by model and device."""


def packed_model_for(
    spark: SparkSession,
    artifact: Artifact,
    precision: Literal["auto", "float32", "bfloat16"],
    device: Literal["auto", "cpu", "cuda"],
) -> PackedModel:
    """Pack a model for the executors of this session.

    Raises SettingsError if `device` is cuda and Spark assigns no GPU to tasks.
    """
    gpus = float(spark.sparkContext.getConf().get(_GPUS_PER_TASK) or 0)
    kind = choose_device(device, gpus)
    return PackedModel.of(artifact, choose_precision(precision, kind), kind)


def choose_device(device: Literal["auto", "cpu", "cuda"], gpus_per_task: float) -> Device:
    """Resolve `auto`: a GPU if Spark assigns one to each task, otherwise the CPU.

    Raises SettingsError if `device` is cuda and tasks get no GPU.
    """
    if device == "cuda" and not gpus_per_task:
        raise SettingsError(
            "score.device is cuda, but Spark assigns no GPU to tasks: submit with spark.task.resource.gpu.amount and "
            'spark.executor.resource.gpu.amount, or set score.device to "auto" or "cpu"'
        )
    return "cuda" if device != "cpu" and gpus_per_task else "cpu"


def scoring_udf(spark: SparkSession, model: PackedModel, batch_rows: int) -> Callable[[Column], Column]:
    """A UDF from a column of space-joined stems to probabilities, null for tweets without stems.

    Workers score batches of batch_rows rows or at most 64 MiB. Spark's own batches are smaller, a few thousand rows
    when it reads Parquet, regardless of spark.sql.execution.arrow.maxRecordsPerBatch.
    """
    content = spark.sparkContext.broadcast(model.to_bytes())
    name, kind = model.name, model.device

    def score(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        scorer = _scorer(name, kind, content)
        for stems in rebatch(batches, batch_rows):
            yield scorer.probabilities(stems.cast(pa.string()))  # large_string under some Spark settings

    @arrow_udf("float")  # type: ignore[call-overload, untyped-decorator, unused-ignore]
    def probability(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        return log_task("score", score(batches), len)

    return probability  # type: ignore[no-any-return, unused-ignore]


def rebatch(arrays: Iterable[pa.Array], rows: int) -> Iterator[pa.Array]:
    """Yield the same values in arrays of `rows` rows; fewer at the end and where the values are large."""
    buffered: list[pa.Array] = []
    for array in filter(len, arrays):
        if buffered and sum(part.nbytes for part in buffered) + array.nbytes > _BATCH_BYTES:
            yield pa.concat_arrays(buffered)
            buffered = []
        buffered.append(array)
        count = sum(map(len, buffered))
        if count >= rows:
            joined, whole = pa.concat_arrays(buffered), count - count % rows
            for at in range(0, whole, rows):
                yield joined[at : at + rows]
            buffered = [joined[whole:]] if whole < count else []
    if buffered:
        yield pa.concat_arrays(buffered)


def gpu_of_task(resources: Mapping[str, list[str]]) -> str:
    """The torch name of the GPU that Spark assigned to a task, from the addresses of the task's resources.

    Raises UserError if no GPU was assigned or torch does not find it.
    """
    addresses = resources.get(_GPU)
    if not addresses:
        raise UserError("no GPU was assigned to this task: is spark.task.resource.gpu.amount set?")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not addresses[0].isdigit() or int(addresses[0]) >= found:
        raise UserError(
            f"Spark assigned GPU {addresses[0]} to this task, but torch {torch.__version__} finds {found} GPUs on this "
            "machine: is the discovery script correct, and is torch built for this GPU?"
        )
    return f"cuda:{addresses[0]}"


def _scorer(name: str, kind: str, content: Broadcast[bytes]) -> Scorer:
    device = gpu_of_task(_addresses()) if kind == "cuda" else None
    key = f"{name} {device}"
    if key not in _scorers:
        torch.set_num_threads(1)  # Spark's tasks already use all cores
        _scorers.clear()
        _scorers[key] = Scorer(PackedModel.map(_shared_file(name, content)), device)
    return _scorers[key]


def _addresses() -> dict[str, list[str]]:
    task = TaskContext.get()
    return {name: resource.addresses for name, resource in task.resources().items()} if task else {}


def _shared_file(name: str, content: Broadcast[bytes]) -> Path:
    """The model's file in the executor's own temporary folder, written by the first worker that needs it."""
    file = Path(SparkFiles.getRootDirectory()) / f"tonality-{name}.safetensors"
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the worker is killed
        if not file.exists():
            part = file.with_suffix(".part")
            part.write_bytes(content.value)
            part.replace(file)
    return file
