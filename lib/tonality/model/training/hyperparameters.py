"""Hyperparameters, which are the settings of the section [train], and the choices that depend on the machine."""

import math
import os
from typing import Any, Final, Literal

import torch

from tonality.model.network.cpu_features import has_any_cpu_feature
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.settings.sections import TrainSettings
from tonality.runtime.settings.types import in_bytes

__all__ = [
    "choose_device",
    "choose_precision",
    "choose_threads",
    "hyperparameters",
    "learning_rate",
    "training_identity",
]

_EXECUTION: Final = frozenset({"device", "processes", "resume"})
"""Settings that are no hyperparameters: they decide where training runs."""
_WITHOUT_EFFECT: Final = frozenset({"threads", "batches_ahead", "checkpoint_steps"})
"""Hyperparameters that do not affect the result, except that threads affect rounding."""
_MIN_ROWS_PER_THREAD: Final = 16
"""Rows of a batch below which another thread costs more time than it saves."""
_FAST_BFLOAT16: Final = ("avx512_bf16", "amx_bf16")
"""Features of CPUs that multiply bfloat16 faster than float32, by torch's names."""


def hyperparameters(settings: TrainSettings) -> dict[str, Any]:
    """The hyperparameters by name, with memory in bytes."""
    return {**settings.model_dump(exclude=set(_EXECUTION)), "memory": in_bytes(settings.memory)}


def training_identity(settings: TrainSettings) -> dict[str, Any]:
    """The hyperparameters that decide the result of training, up to rounding."""
    return {name: value for name, value in hyperparameters(settings).items() if name not in _WITHOUT_EFFECT}


def learning_rate(settings: TrainSettings, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 1, out of `steps`."""
    progress = min(1.0, (step - 1) / steps)
    match settings.decay:
        case "linear":
            return settings.learning_rate * (1 - progress)
        case "cosine":
            return settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
    return settings.learning_rate


def choose_device(name: Literal["auto", "cpu", "cuda"], rank: int = 0) -> torch.device:
    """The device of a process, by its rank among the processes on this machine.

    Raises SettingsError if a GPU is requested and there is none, or if there are fewer GPUs than processes.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cuda" and not count:
        raise SettingsError(
            f"train.device is cuda, and torch {torch.__version__} finds no GPU here: "
            f'set train.device to "auto" or "cpu", install a torch built for this machine\'s GPU, '
            f"or request GPUs from the Spark cluster with spark.task.resource.gpu.amount=1"
        )
    if name == "cpu" or not count:
        return torch.device("cpu")
    if rank >= count:
        raise SettingsError(
            f"{rank + 1} processes on a machine with {count} GPUs, and each needs its own: lower train.processes"
        )
    return torch.device("cuda", rank)


def choose_precision(requested: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The data type that the network computes in on this device."""
    if requested != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[requested]
    if device.type != "cpu":
        return torch.float32  # multiplied as TF32 on newer GPUs
    return torch.bfloat16 if has_any_cpu_feature(*_FAST_BFLOAT16) else torch.float32


def choose_threads(requested: int, rows: int, device: torch.device) -> int:
    """The number of threads that share a step of so many rows on one machine; a GPU needs only one."""
    if device.type != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return requested or max(1, min(cores, rows // _MIN_ROWS_PER_THREAD))
