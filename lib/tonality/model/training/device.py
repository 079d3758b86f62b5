"""Arrays moved to the device that trains, and rows written to tables on it."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["on_device", "put_rows"]


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array as a tensor on the device: on the CPU it shares the memory, on a GPU it is an asynchronous copy."""
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    # a copy from pageable memory would wait until the GPU has finished all earlier work
    return tensor.pin_memory().to(device, non_blocking=True)


def put_rows(table: Tensor, ids: Tensor, rows: Tensor) -> None:
    """Overwrite the rows `ids` (U,) int64, all distinct, of a table (N, D) with rows (U, D) on the same device."""
    if table.device.type == "cpu":
        table.numpy()[ids.numpy()] = rows.numpy()  # in a third of the time of index_copy_
    else:
        table.index_copy_(0, ids, rows)
