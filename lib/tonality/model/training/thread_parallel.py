"""A step's forward and backward pass, shared by threads.

Each thread, a lane, takes a share of the batch's rows through a replica of the network, and the gradients are added up
in the order of the lanes: so a step gives the same numbers whichever thread is first. torch's own threads share every
single sum instead, and wait for each other hundreds of times a step: where other programs want the cores too, that took
ten times as long as this.
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
from tonality.model.training.dense_weights import dense_parameters, learned, parts_like
from tonality.model.training.device import on_device

__all__ = ["ThreadParallel"]

_Result = TypeVar("_Result")


class _Piece(NamedTuple):
    """B tweets of T stems, on the device."""

    places: Tensor
    """Rows of the weights: (B, T) int64."""
    labels: Tensor
    """(B,) float32."""
    first: int
    """The first tweet's place in the batch."""


class _Replica(nn.Module):
    """The network but for its embedding, for one lane."""

    def __init__(self, shape: LSTMConfig, network: LSTM, precision: torch.dtype) -> None:
        super().__init__()
        with torch.device("meta"):  # its weights are the network's, so none are drawn
            self.network = build(replace(shape, vocabulary=1, dropout=0.0))
        self.network.to_empty(device=network.embedding.weight.device).to(precision)
        self.network.embedding.requires_grad_(False)
        self._masters, self._own = dense_parameters(network), dense_parameters(self.network)
        self._shares = precision == torch.float32
        for own, master in zip(self._own, self._masters, strict=True):
            own.requires_grad_(master.requires_grad)
            if self._shares:
                own.data = master.data
        weights = learned(self._own)
        self.gradient = torch.cat([torch.zeros_like(weight).flatten() for weight in weights])
        """That of the learned body (P,), which a backward pass adds to."""
        for weight, part in zip(weights, parts_like(self.gradient, weights), strict=True):
            weight.grad = part
        self.refresh()

    def refresh(self) -> None:
        """Take over the master's weights, where they are not the same memory."""
        if not self._shares:
            for own, master in zip(self._own, self._masters, strict=True):
                own.data.copy_(master.data)

    def forward(self, weight: Tensor, pieces: Sequence[_Piece], keep: Tensor) -> Tensor:
        """The sum of the pieces' cross-entropies, nats, by the weights of the batch's stems (U, D)."""
        start = self.network.start()
        return torch.stack([self._loss(weight, piece, keep, start) for piece in pieces]).sum()

    def _loss(self, weight: Tensor, piece: _Piece, keep: Tensor, start: State) -> Tensor:
        embedded = embedding(piece.places, weight).to(self._own[0].dtype)  # (B, T, D)
        last = self.network.read(embedded, start) * keep[piece.first : piece.first + len(piece.labels)]
        logits = self.network.classify(last.to(self._own[0].dtype)).float()
        return binary_cross_entropy_with_logits(logits, piece.labels, reduction="sum")


class ThreadParallel:
    """So many lanes over a network; they share its weights.

    With `parallel`, the one lane's gradients are averaged over all processes of torch's default group.
    """

    def __init__(
        self, shape: LSTMConfig, network: LSTM, count: int, precision: torch.dtype, *, parallel: bool = False
    ) -> None:
        if parallel and count > 1:
            raise ValueError(f"{count} lanes in each of several processes: there must be one")
        self._network = network
        self._device = network.embedding.weight.device
        self._replicas = [_Replica(shape, network, precision) for _ in range(count)]
        self._calls: list[nn.Module] = [
            DistributedDataParallel(replica) if parallel else replica for replica in self._replicas
        ]
        self._pool = ThreadPoolExecutor(
            max(1, count - 1), "tonality-lane", initializer=torch.set_num_threads, initargs=(1,)
        )

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def backward(self, weight: Tensor, batch: Batch, keep: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        """The batch's summed cross-entropy (), and scale times its gradients: by `weight` (U, D), the stems' rows, and
        by the learned body (P,).

        `keep` (B, width) is what dropout leaves of each row, and by how much it raises that.
        """
        for replica in self._replicas:
            replica.gradient.zero_()

        def run(lane: int, pieces: list[_Piece]) -> tuple[Tensor, Tensor]:
            leaf = weight.detach().requires_grad_()
            loss = self._calls[lane](leaf, pieces, keep)
            (loss * scale).backward()
            assert leaf.grad is not None
            return loss.detach(), leaf.grad

        done = self._each(batch, run)
        losses, gradients = zip(*done, strict=True)
        return _total(losses), _total(gradients), _total([replica.gradient.float() for replica in self._replicas])

    @contextmanager
    def aside(self, work: Callable[..., None], *arguments: Any) -> Iterator[None]:
        """Where there is another lane, have it do this while the block is done; both have ended on the way out."""
        if len(self._replicas) == 1:
            work(*arguments)
            yield
        else:
            done = self._pool.submit(work, *arguments)
            try:
                yield
            finally:
                done.result()

    def refresh(self) -> None:
        """To be called when the network's weights have changed."""
        for replica in self._replicas:
            replica.refresh()

    def logits(self, weight: Tensor, batch: Batch) -> Tensor:
        """The network's own logits of the batch's rows (B,), in float32 and without dropout."""

        @torch.inference_mode()
        def run(lane: int, pieces: list[_Piece]) -> Tensor:  # noqa: ARG001
            network = self._network
            return torch.cat([network.classify(network.read(embedding(p.places, weight), start)) for p in pieces])

        with torch.inference_mode():
            start = self._network.start()

        return torch.cat(self._each(batch, run))

    def _each(self, batch: Batch, run: Callable[[int, list[_Piece]], _Result]) -> list[_Result]:
        """What each lane makes of its share."""
        shares = _share(batch, len(self._replicas), self._device)
        others = [self._pool.submit(run, lane, share) for lane, share in enumerate(shares[1:], start=1)]
        return [run(0, shares[0]), *(other.result() for other in others)]


def _share(batch: Batch, lanes: int, device: torch.device) -> list[list[_Piece]]:
    """The batch's rows dealt to lanes, so that each has about as many stems to read; at least one share."""
    total = sum(segment.places.size for segment in batch.segments)
    shares: list[list[_Piece]] = [[] for _ in range(lanes)]
    first = done = 0
    for segment in batch.segments:
        rows, length = segment.places.shape
        before = done + length * np.arange(rows)
        lane_of_row = before * lanes // total
        for lane in range(lanes):
            start, end = np.searchsorted(lane_of_row, [lane, lane + 1])
            if start < end:
                places, labels = (on_device(part[start:end], device) for part in segment)
                shares[lane].append(_Piece(places, labels, first + int(start)))
        first += rows
        done += segment.places.size
    return [share for share in shares if share]


def _total(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total.add_(part)
    return total
