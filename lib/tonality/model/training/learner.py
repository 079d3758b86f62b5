"""A network that learns: its weights, their optimisers, and what one step does to them."""

import zlib
from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tonality.model.loading.length_buckets import Batch
from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.training.dense_weights import DenseAdam
from tonality.model.training.device import on_device
from tonality.model.training.distributed import ALONE, ProcessGroup
from tonality.model.training.hyperparameters import Hyperparameters, choose_precision, choose_threads
from tonality.model.training.lazy_adam import EmbeddingAdam
from tonality.model.training.thread_parallel import ThreadParallel

__all__ = ["Learner", "Losses"]


class Losses(NamedTuple):
    """The cross-entropy of a step before it, summed, in nats: each () on the device."""

    whole: Tensor
    """That of all processes' batches."""
    own: Tensor
    """That of this process' batch."""


class Learner:
    """A fresh network and Adam on all its weights, as D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization,
    2015, with their constants; on the embedding in the form of EmbeddingAdam.

    A context manager: on the way out its threads end.
    """

    def __init__(
        self, shape: LSTMConfig, hyperparameters: Hyperparameters, device: torch.device, group: ProcessGroup = ALONE
    ) -> None:
        self._hyperparameters = hyperparameters
        self._group = group
        self._device = device
        precision = choose_precision(hyperparameters.precision, device)
        if not group.agrees([int(precision == torch.bfloat16)]):  # processors of several kinds
            precision = torch.float32
        self.precision = str(precision).removeprefix("torch.")
        self.threads = (
            1 if group.size > 1 else choose_threads(hyperparameters.threads, hyperparameters.batch_size, device)
        )
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(hyperparameters.seed)
            self._network = build(shape).to(device)
        self._body = DenseAdam(self._network)
        self._embedding = EmbeddingAdam(self._network.embedding.weight)
        self._lanes = ThreadParallel(shape, self._network, self.threads, precision, parallel=group.size > 1)
        self._draws = torch.Generator(device)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lanes.close()

    def step(self, batch: Batch, rows: int, rate: float, draw: tuple[int, int]) -> Losses:
        """One step on a batch at this learning rate.

        `rows` are those of all processes' batches. `draw` names the step: the same name has the same dropout.
        """
        touched = self._embedding.gather(batch.stems)
        # of several processes, the network's gradients are averaged on the way; the embedding's are summed here
        scale = self._group.size / rows if batch.rows else 0.0
        loss, gradient, body = self._lanes.backward(touched.weight, batch, self._dropout(batch, draw), scale)
        losses = Losses(loss, loss)
        if self._group.size > 1:
            gradient = self._group.sum(gradient).div_(self._group.size)
            own = loss if batch.rows else torch.zeros_like(loss)
            losses = Losses(self._group.sum(own.clone()), own)
        if self._hyperparameters.clip_norm:
            _clip([gradient, body], self._hyperparameters.clip_norm)
        with self._lanes.aside(self._body.step, body, rate):
            self._embedding.step(touched, batch.stems, gradient, rate)
        self._lanes.refresh()
        return losses

    def flush(self) -> None:
        """Bring all weights up to date, before anything but a step reads them."""
        self._embedding.flush()

    def logits(self, batch: Batch) -> Tensor:
        """The logits of the batch's rows (B,), by settled weights."""
        stems = on_device(batch.stems, self._device)
        return self._lanes.logits(self._network.embedding.weight.detach()[stems], batch)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the settled weights, on the CPU: the network's state_dict."""
        return {name: weight.cpu().clone() for name, weight in self._network.state_dict().items()}

    def state(self) -> dict[str, Tensor]:
        """All that the steps to come depend on."""
        tensors = {f"network.{name}": weight for name, weight in self._network.state_dict().items()}
        tensors |= {f"embedding.{name}": part for name, part in self._embedding.state().items()}
        tensors |= {f"body.{name}": part for name, part in self._body.state().items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self._network.load_state_dict(_below(state, "network."))
        self._embedding.restore(_below(state, "embedding."))
        self._body.restore(_below(state, "body."))
        self._lanes.refresh()

    def _dropout(self, batch: Batch, draw: tuple[int, int]) -> Tensor:
        """What dropout leaves of each row's width, and by how much it raises that: (B, width)."""
        share = self._network.dropout.p
        self._draws.manual_seed(zlib.crc32(repr((self._hyperparameters.seed, *draw, self._group.rank)).encode()))
        chances = torch.rand(max(1, batch.rows), self._network.width, generator=self._draws, device=self._device)
        return (chances >= share).float().div_(1 - share)


def _clip(gradients: list[Tensor], limit: float) -> None:
    """Shorten the gradients, taken as one vector, to the limit."""
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    factor = torch.clamp(limit / (norm + torch.finfo(norm.dtype).tiny), max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): part for name, part in state.items() if name.startswith(prefix)}
