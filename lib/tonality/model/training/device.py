"""Arrays onto the device that computes, and rows into its tables."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["on_device", "put_rows"]


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array as a tensor there: on the processor the same memory, on a GPU a copy that nobody waits for."""
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    # from pageable memory a copy would wait until the GPU has done all that it was asked before
    return tensor.pin_memory().to(device, non_blocking=True)


def put_rows(table: Tensor, ids: Tensor, rows: Tensor) -> None:
    """Put rows (U, D) into a table (N, D) on the same device, at ids (U,) int64, each once."""
    if table.device.type == "cpu":
        table.numpy()[ids.numpy()] = rows.numpy()  # in a third of the time that index_copy_ takes
    else:
        table.index_copy_(0, ids, rows)
