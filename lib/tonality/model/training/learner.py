"""The learner: a network, its optimizers, and a training step."""

import zlib
from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tonality.model.loading.length_buckets import Batch
from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.training.dense_weights import DenseAdam
from tonality.model.training.device import on_device
from tonality.model.training.distributed import SINGLE_PROCESS, ProcessGroup
from tonality.model.training.hyperparameters import choose_precision, choose_threads
from tonality.model.training.lazy_adam import EmbeddingAdam
from tonality.model.training.thread_parallel import ThreadParallel
from tonality.runtime.settings.sections import TrainSettings

__all__ = ["Learner", "Losses"]


class Losses(NamedTuple):
    """The summed cross-entropy before a step, in nats: each () on the device."""

    total: Tensor
    """The sum over the batches of all processes."""
    own: Tensor
    """The sum over the batch of this process."""


class Learner:
    """A network, initialized from the seed, with Adam on all its weights, in lazy form on the embedding.

    D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, with their constants. A context manager: its
    threads end on exit.
    """

    def __init__(
        self, config: LSTMConfig, settings: TrainSettings, device: torch.device, group: ProcessGroup = SINGLE_PROCESS
    ) -> None:
        self._settings = settings
        self._group = group
        self._device = device
        precision = choose_precision(settings.precision, device)
        if not group.agrees([int(precision == torch.bfloat16)]):  # the machines have different CPUs
            precision = torch.float32
        self.precision = str(precision).removeprefix("torch.")
        self.threads = 1 if group.size > 1 else choose_threads(settings.threads, settings.batch_size, device)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(settings.seed)
            self._network = build(config).to(device)
        self._dense = DenseAdam(self._network)
        self._embedding = EmbeddingAdam(self._network.embedding.weight)
        self._workers = ThreadParallel(config, self._network, self.threads, precision, distributed=group.size > 1)
        self._generator = torch.Generator(device)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.close()

    def step(self, batch: Batch, rows: int, rate: float, position: tuple[int, int]) -> Losses:
        """Take a step on a batch at this learning rate.

        `rows` is the total over the batches of all processes. `position` is the epoch and the step: it seeds dropout.
        """
        gathered = self._embedding.gather(batch.stems)
        # with several processes, the dense gradients are averaged on the way; the embedding's are summed here
        scale = self._group.size / rows if batch.rows else 0.0
        loss, gradient, dense = self._workers.backward(
            gathered.weight, batch, self._dropout_mask(batch, position), scale
        )
        losses = Losses(loss, loss)
        if self._group.size > 1:
            gradient = self._group.sum(gradient).div_(self._group.size)
            own = loss if batch.rows else torch.zeros_like(loss)
            losses = Losses(self._group.sum(own.clone()), own)
        if self._settings.clip_norm:
            _clip([gradient, dense], self._settings.clip_norm)
        with self._workers.concurrently(self._dense.step, dense, rate):
            self._embedding.step(gathered, batch.stems, gradient, rate)
        self._workers.refresh()
        return losses

    def flush(self) -> None:
        """Bring all weights up to date, before anything but a step reads them."""
        self._embedding.flush()

    def logits(self, batch: Batch) -> Tensor:
        """The logits of the batch's rows (B,), from flushed weights."""
        stems = on_device(batch.stems, self._device)
        return self._workers.logits(self._network.embedding.weight.detach()[stems], batch)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the flushed weights, on the CPU: the network's state_dict."""
        return {name: weight.cpu().clone() for name, weight in self._network.state_dict().items()}

    def state(self) -> dict[str, Tensor]:
        """Everything that the remaining steps depend on."""
        tensors = {f"network.{name}": weight for name, weight in self._network.state_dict().items()}
        tensors |= {f"embedding.{name}": part for name, part in self._embedding.state().items()}
        tensors |= {f"body.{name}": part for name, part in self._dense.state().items()}
        return tensors

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state."""
        self._network.load_state_dict(_with_prefix(state, "network."))
        self._embedding.restore(_with_prefix(state, "embedding."))
        self._dense.restore(_with_prefix(state, "body."))
        self._workers.refresh()

    def _dropout_mask(self, batch: Batch, position: tuple[int, int]) -> Tensor:
        """Factors for each row's dimensions (B, width): zero where dropped, scaled up elsewhere."""
        share = self._network.dropout.p
        seed = zlib.crc32(repr((self._settings.seed, *position, self._group.rank)).encode())
        self._generator.manual_seed(seed)
        draws = torch.rand(max(1, batch.rows), self._network.width, generator=self._generator, device=self._device)
        return (draws >= share).float().div_(1 - share)


def _clip(gradients: list[Tensor], limit: float) -> None:
    """Scale the gradients, taken as one vector, down to a norm of at most the limit."""
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
    factor = torch.clamp(limit / (norm + torch.finfo(norm.dtype).tiny), max=1.0)
    for gradient in gradients:
        gradient.mul_(factor)


def _with_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names have the prefix, by their names without it."""
    return {name.removeprefix(prefix): part for name, part in state.items() if name.startswith(prefix)}
