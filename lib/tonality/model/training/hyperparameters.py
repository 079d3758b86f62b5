"""How a network is trained: the hyperparameters, and what a machine makes of it."""

import math
import os
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import torch

from tonality.model.network.cpu_features import can
from tonality.runtime.diagnostics.errors import SettingsError

__all__ = ["Hyperparameters", "choose_device", "choose_precision", "choose_threads", "learning_rate"]

_LEAST_SHARE: Final = 16
"""Rows of a batch below which a thread more costs more than it brings."""
_FAST_IN_BFLOAT16: Final = ("avx512_bf16", "amx_bf16")
"""What a processor can that multiplies bfloat16 faster than float32, as torch names it."""


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """How a network is trained: what the settings' section [train] says under the same names."""

    batch_size: int
    epochs: int
    learning_rate: float
    decay: Literal["none", "linear", "cosine"]
    clip_norm: float
    patience: int
    precision: Literal["auto", "float32", "bfloat16"]
    threads: int
    seed: int
    shuffle_rows: int
    memory: int
    """In bytes."""
    readers: int
    batches_ahead: int
    checkpoint_steps: int

    def identity(self) -> dict[str, Any]:
        """What decides the result of training, but for rounding: how many threads add up is not in it."""
        changes_nothing = ("checkpoint_steps", "batches_ahead", "threads")
        return {name: value for name, value in asdict(self).items() if name not in changes_nothing}


def learning_rate(hyperparameters: Hyperparameters, step: int, steps: int) -> float:
    """The step size of a step, from 1, of so many in all."""
    passed = min(1.0, (step - 1) / steps)
    match hyperparameters.decay:
        case "linear":
            return hyperparameters.learning_rate * (1 - passed)
        case "cosine":
            return hyperparameters.learning_rate * (1 + math.cos(math.pi * passed)) / 2
    return hyperparameters.learning_rate


def choose_device(name: Literal["auto", "cpu", "cuda"], rank: int = 0) -> torch.device:
    """The device that a process trains on, by its rank among those of this machine.

    Raises SettingsError where a GPU is asked for and there is none, or fewer than processes.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cuda" and not count:
        raise SettingsError(
            f"train.device is cuda, and torch {torch.__version__} finds no GPU here: "
            f'set train.device to "auto" or "cpu", install a torch built for this machine\'s GPU, '
            f"or ask a Spark cluster for spark.task.resource.gpu.amount=1"
        )
    if name == "cpu" or not count:
        return torch.device("cpu")
    if rank >= count:
        raise SettingsError(
            f"{rank + 1} processes on a machine with {count} GPUs, and each needs its own: lower train.processes"
        )
    return torch.device("cuda", rank)


def choose_precision(asked: Literal["auto", "float32", "bfloat16"], device: torch.device) -> torch.dtype:
    """The numbers that a network computes in on this device."""
    if asked != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[asked]
    if device.type != "cpu":
        return torch.float32  # which a GPU multiplies as TF32
    return torch.bfloat16 if can(*_FAST_IN_BFLOAT16) else torch.float32


def choose_threads(asked: int, rows: int, device: torch.device) -> int:
    """How many threads share a step of so many rows on one machine; a GPU is fed by one."""
    if device.type != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return asked or max(1, min(cores, rows // _LEAST_SHARE))
