"""Data-parallel forward and backward passes on the threads of one machine.

Each worker, a thread with a replica of the network, processes a share of the batch's rows, and the gradients are summed
in the order of the workers: so a step gives the same numbers however the threads are scheduled. torch's own threads
share every single operation instead, and wait for each other hundreds of times per step: where other programs compete
for the cores, that took ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, embedding
from torch.nn.parallel import DistributedDataParallel

from tonality.model.loading.length_buckets import Batch
from tonality.model.network.lstm import LSTM, LSTMConfig, State, build
from tonality.model.training.dense_weights import dense_parameters, trainable, views_like
from tonality.model.training.device import on_device

__all__ = ["ThreadParallel"]

_Result = TypeVar("_Result")


class _SubBatch(NamedTuple):
    """B tweets of T stems, on the device."""

    places: Tensor
    """Indices of rows of the batch's embedding weights: (B, T) int64."""
    labels: Tensor
    """(B,) float32."""
    first: int
    """The index of the first tweet in the batch."""


class _Replica(nn.Module):
    """A worker's copy of the network without the embedding."""

    def __init__(self, config: LSTMConfig, network: LSTM, precision: torch.dtype) -> None:
        super().__init__()
        with torch.device("meta"):  # the weights come from the network, so none are drawn
            self.network = build(replace(config, vocabulary=1, dropout=0.0))
        self.network.to_empty(device=network.embedding.weight.device).to(precision)
        self.network.embedding.requires_grad_(False)
        self._masters, self._own = dense_parameters(network), dense_parameters(self.network)
        self._shares_memory = precision == torch.float32
        for own, master in zip(self._own, self._masters, strict=True):
            own.requires_grad_(master.requires_grad)
            if self._shares_memory:
                own.data = master.data
        weights = trainable(self._own)
        self.gradient = torch.cat([torch.zeros_like(weight).flatten() for weight in weights])
        """The gradient of the dense weights (P,), to which a backward pass adds."""
        for weight, view in zip(weights, views_like(self.gradient, weights), strict=True):
            weight.grad = view
        self.refresh()

    def refresh(self) -> None:
        """Copy the network's weights, unless they are the same memory."""
        if not self._shares_memory:
            for own, master in zip(self._own, self._masters, strict=True):
                own.data.copy_(master.data)

    def forward(self, weight: Tensor, share: Sequence[_SubBatch], mask: Tensor) -> Tensor:
        """The summed cross-entropy of the share, in nats, from the weights of the batch's stems (U, D)."""
        initial = self.network.initial_state()
        return torch.stack([self._loss(weight, tweets, mask, initial) for tweets in share]).sum()

    def _loss(self, weight: Tensor, tweets: _SubBatch, mask: Tensor, initial: State) -> Tensor:
        embedded = embedding(tweets.places, weight).to(self._own[0].dtype)  # (B, T, D)
        rows = slice(tweets.first, tweets.first + len(tweets.labels))
        encoded = self.network.encode(embedded, initial) * mask[rows]
        logits = self.network.classify(encoded.to(self._own[0].dtype)).float()
        return binary_cross_entropy_with_logits(logits, tweets.labels, reduction="sum")


class ThreadParallel:
    """Workers that train one network together and share its weights.

    If `distributed`, there must be one worker, whose gradients are averaged over torch's default process group.
    """

    def __init__(
        self, config: LSTMConfig, network: LSTM, workers: int, precision: torch.dtype, *, distributed: bool = False
    ) -> None:
        if distributed and workers > 1:
            raise ValueError(f"{workers} threads in each of several processes: there must be one")
        self._network = network
        self._device = network.embedding.weight.device
        self._replicas = [_Replica(config, network, precision) for _ in range(workers)]
        self._modules: list[nn.Module] = [
            DistributedDataParallel(replica) if distributed else replica for replica in self._replicas
        ]
        self._pool = ThreadPoolExecutor(
            max(1, workers - 1), "tonality-worker", initializer=torch.set_num_threads, initargs=(1,)
        )

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def backward(self, weight: Tensor, batch: Batch, mask: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the batch's summed cross-entropy () and its gradients, multiplied by `scale`.

        The gradients are those of `weight` (U, D), the embedding's rows of the batch's stems, and of the dense weights
        (P,). `mask` (B, width) is the dropout mask.
        """
        for replica in self._replicas:
            replica.gradient.zero_()

        def run(worker: int, share: list[_SubBatch]) -> tuple[Tensor, Tensor]:
            leaf = weight.detach().requires_grad_()
            loss = self._modules[worker](leaf, share, mask)
            (loss * scale).backward()
            assert leaf.grad is not None
            return loss.detach(), leaf.grad

        losses, gradients = zip(*self._run(batch, run), strict=True)
        return _sum(losses), _sum(gradients), _sum([replica.gradient.float() for replica in self._replicas])

    @contextmanager
    def concurrently(self, work: Callable[..., None], *arguments: Any) -> Iterator[None]:
        """Run `work` in another worker during the block, and wait for it; with a single worker, before the block."""
        if len(self._replicas) == 1:
            work(*arguments)
            yield
        else:
            future = self._pool.submit(work, *arguments)
            try:
                yield
            finally:
                future.result()

    def refresh(self) -> None:
        """Pass the network's weights on to the replicas, whenever they have changed."""
        for replica in self._replicas:
            replica.refresh()

    def logits(self, weight: Tensor, batch: Batch) -> Tensor:
        """The logits of the batch's rows (B,), by the network itself: in float32 and without dropout."""

        @torch.inference_mode()
        def run(worker: int, share: list[_SubBatch]) -> Tensor:  # noqa: ARG001
            network = self._network
            return torch.cat([network.classify(network.encode(embedding(s.places, weight), initial)) for s in share])

        with torch.inference_mode():
            initial = self._network.initial_state()

        return torch.cat(self._run(batch, run))

    def _run(self, batch: Batch, run: Callable[[int, list[_SubBatch]], _Result]) -> list[_Result]:
        """The results of all workers, each for its share of the batch."""
        shares = _split(batch, len(self._replicas), self._device)
        others = [self._pool.submit(run, worker, share) for worker, share in enumerate(shares[1:], start=1)]
        return [run(0, shares[0]), *(other.result() for other in others)]


def _split(batch: Batch, workers: int, device: torch.device) -> list[list[_SubBatch]]:
    """Split the batch's rows into shares of about as many stems each; a share without rows is dropped."""
    total = sum(segment.places.size for segment in batch.segments)
    shares: list[list[_SubBatch]] = [[] for _ in range(workers)]
    first = done = 0
    for segment in batch.segments:
        rows, length = segment.places.shape
        before = done + length * np.arange(rows)
        worker_of_row = before * workers // total
        for worker in range(workers):
            start, end = np.searchsorted(worker_of_row, [worker, worker + 1])
            if start < end:
                places, labels = (on_device(part[start:end], device) for part in segment)
                shares[worker].append(_SubBatch(places, labels, first + int(start)))
        first += rows
        done += segment.places.size
    return [share for share in shares if share]


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    """The sum of the tensors, in the memory of the first."""
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total.add_(tensor)
    return total
