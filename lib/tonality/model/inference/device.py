"""What a model computes on, and in which numbers: chosen once, on the driver."""

from collections.abc import Mapping
from typing import Final, Literal

from tonality.model.inference.packed_model import Device
from tonality.model.network.cpu_features import can
from tonality.model.network.tiled_lstm import Precision
from tonality.runtime.diagnostics.errors import SettingsError, UserError

__all__ = ["choose_kind", "choose_precision", "gpu_of_task"]

_GPU: Final = "gpu"
"""Spark's name of the resource."""


def choose_precision(asked: Literal["auto", "float32", "bfloat16"], kind: Device = "cpu") -> Precision:
    """The numbers that a network computes in. The processors of executors are taken to be like the driver's."""
    if asked != "auto":
        return asked
    return "bfloat16" if kind == "cpu" and can("amx_bf16") else "float32"


def choose_kind(asked: Literal["auto", "cpu", "cuda"], gpus_a_task: float) -> Device:
    """The kind of device, where Spark gives each task so many GPUs.

    Raises SettingsError where a GPU is asked for and tasks are given none.
    """
    if asked == "cuda" and not gpus_a_task:
        raise SettingsError(
            "score.device is cuda, and Spark gives its tasks no GPU: submit with spark.task.resource.gpu.amount and "
            'spark.executor.resource.gpu.amount, or set score.device to "auto" or "cpu"'
        )
    return "cuda" if asked != "cpu" and gpus_a_task else "cpu"


def gpu_of_task(resources: Mapping[str, list[str]]) -> str:
    """The GPU that Spark gave to a task, by the addresses of its resources, as torch names it.

    Raises UserError where it gave none, or torch does not find it.
    """
    import torch

    addresses = resources.get(_GPU)
    if not addresses:
        raise UserError("this task was given no GPU: is spark.task.resource.gpu.amount set?")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not addresses[0].isdigit() or int(addresses[0]) >= found:
        raise UserError(
            f"Spark gave this task GPU {addresses[0]}, and torch {torch.__version__} finds {found} on this machine: "
            "does the discovery script tell the truth, and is torch built for this GPU?"
        )
    return f"cuda:{addresses[0]}"
