"""Arrays onto the device that computes."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["on_device"]


def on_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array as a tensor there: on the processor the same memory, on a GPU a copy that nobody waits for."""
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    # from pageable memory a copy would wait until the GPU has done all that it was asked before
    return tensor.pin_memory().to(device, non_blocking=True)
