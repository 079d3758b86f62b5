"""The network's learned weights but for the embedding: few, and touched by every step."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from tonality.model.network.lstm import LSTM
from tonality.model.training.adam import STANDARD, adam_step

__all__ = ["DenseAdam", "dense_parameters", "learned", "parts_like"]

_EMBEDDING: Final = "embedding.weight"


def dense_parameters(network: LSTM) -> list[nn.Parameter]:
    """All weights but the embedding's, always in the same order."""
    return [weight for name, weight in network.named_parameters() if name != _EMBEDDING]


def learned(weights: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Those that are learned."""
    return [weight for weight in weights if weight.requires_grad]


def parts_like(flat: Tensor, weights: Sequence[Tensor]) -> Iterator[Tensor]:
    """The numbers (P,) as parts of the shapes of these weights, in the same memory."""
    end = 0
    for weight in weights:
        start, end = end, end + weight.numel()
        yield flat[start:end].view(weight.shape)


class DenseAdam:
    """The learned body of a network, which steps of Adam change in place: as one tensor, since ten small ones take
    several times as long."""

    def __init__(self, network: LSTM) -> None:
        self._weights = learned(dense_parameters(network))
        self._flat = torch.cat([weight.detach().flatten() for weight in self._weights])
        self._mean, self._square = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        self._time = 0
        self._parts = list(parts_like(self._flat, self._weights))
        self._is_shared = self._flat.device.type == "cpu"  # a GPU's weights stay where cuDNN has put them
        if self._is_shared:
            for weight, part in zip(self._weights, self._parts, strict=True):
                weight.data = part

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """One step with this gradient (P,) at this learning rate."""
        self._time += 1
        adam_step(self._flat, self._mean, self._square, gradient, rate, self._time, STANDARD)
        if not self._is_shared:
            for weight, part in zip(self._weights, self._parts, strict=True):
                weight.copy_(part)

    def state(self) -> dict[str, Tensor]:
        """What the steps to come depend on, weights excepted."""
        return {"mean": self._mean, "square": self._square, "time": torch.tensor(self._time)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state, with the weights that the network has now."""
        self._flat.copy_(torch.cat([weight.flatten() for weight in self._weights]))
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._time = int(state["time"])
