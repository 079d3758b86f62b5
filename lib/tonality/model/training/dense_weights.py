"""The dense weights: the network's trainable weights except the embedding. They are few, and every step updates all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from tonality.model.network.lstm import LSTM
from tonality.model.training.adam import STANDARD, adam_step

__all__ = ["DenseAdam", "dense_parameters", "trainable", "views_like"]

_EMBEDDING: Final = "embedding.weight"


def dense_parameters(network: LSTM) -> list[nn.Parameter]:
    """All weights except the embedding, always in the same order."""
    return [weight for name, weight in network.named_parameters() if name != _EMBEDDING]


def trainable(weights: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """The weights that are not frozen."""
    return [weight for weight in weights if weight.requires_grad]


def views_like(flat: Tensor, weights: Sequence[Tensor]) -> Iterator[Tensor]:
    """Consecutive views of a flat tensor (P,) with the shapes of these weights."""
    end = 0
    for weight in weights:
        start, end = end, end + weight.numel()
        yield flat[start:end].view(weight.shape)


class DenseAdam:
    """Adam on the dense weights of a network, which it updates in place.

    All weights are one flat tensor, since updating ten small ones takes several times as long.
    """

    def __init__(self, network: LSTM) -> None:
        self._weights = trainable(dense_parameters(network))
        self._flat = torch.cat([weight.detach().flatten() for weight in self._weights])
        self._mean, self._square = torch.zeros_like(self._flat), torch.zeros_like(self._flat)
        self._step = 0
        self._views = list(views_like(self._flat, self._weights))
        self._is_shared = self._flat.device.type == "cpu"  # on a GPU the weights stay where cuDNN has put them
        if self._is_shared:
            for weight, view in zip(self._weights, self._views, strict=True):
                weight.data = view

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """Take a step with this gradient (P,) at this learning rate."""
        self._step += 1
        adam_step(self._flat, self._mean, self._square, gradient, rate, self._step, STANDARD)
        if not self._is_shared:
            for weight, view in zip(self._weights, self._views, strict=True):
                weight.copy_(view)

    def state(self) -> dict[str, Tensor]:
        """The optimizer's state, without the weights."""
        return {"mean": self._mean, "square": self._square, "time": torch.tensor(self._step)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state; the weights are taken from the network, which must be restored before."""
        self._flat.copy_(torch.cat([weight.flatten() for weight in self._weights]))
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._step = int(state["time"])
