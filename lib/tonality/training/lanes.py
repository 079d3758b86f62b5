"""A step's forward and backward pass, shared by threads.

Each thread, a lane, takes a share of the batch's rows through a replica of the network, and the gradients are added up
in the order of the lanes: so a step gives the same numbers whichever thread is first. torch's own threads share every
single sum instead, and wait for each other hundreds of times a step: where other programs want the cores too, that took
ten times as long as this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, embedding
from torch.nn.parallel import DistributedDataParallel

from tonality.network.lstm import LSTM, Shape, State, build
from tonality.reader.batches import Batch
from tonality.training.transfer import on_device

__all__ = ["Lanes"]

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

    def __init__(self, shape: Shape, network: LSTM, precision: torch.dtype) -> None:
        super().__init__()
        with torch.device("meta"):  # its weights are the network's, so none are drawn
            self.network = build(replace(shape, vocabulary=1, dropout=0.0))
        self.network.to_empty(device=network.embedding.weight.device).to(precision)
        self.network.embedding.requires_grad_(False)
        self._masters = [p for name, p in network.named_parameters() if not name.startswith("embedding.")]
        self._own = [p for name, p in self.network.named_parameters() if not name.startswith("embedding.")]
        self._shares = precision == torch.float32
        for own, master in zip(self._own, self._masters, strict=True):
            own.requires_grad_(master.requires_grad)
            if self._shares:
                own.data = master.data
        self.refresh()

    def refresh(self) -> None:
        """Take over the master's weights, where they are not the same memory."""
        if not self._shares:
            for own, master in zip(self._own, self._masters, strict=True):
                own.data.copy_(master.data)

    def hand_over(self) -> None:
        """Add the gradients to the master's."""
        for own, master in zip(self._own, self._masters, strict=True):
            if own.grad is not None:
                grad = own.grad.to(master.dtype)
                master.grad = grad if master.grad is None else master.grad.add_(grad)
                own.grad = None

    def forward(self, weight: Tensor, pieces: Sequence[_Piece], keep: Tensor) -> Tensor:
        """The sum of the pieces' cross-entropies, nats, by the weights of the batch's stems (U, D)."""
        start = self.network.start()
        return torch.stack([self._loss(weight, piece, keep, start) for piece in pieces]).sum()

    def _loss(self, weight: Tensor, piece: _Piece, keep: Tensor, start: State) -> Tensor:
        embedded = embedding(piece.places, weight).to(self._own[0].dtype)  # (B, T, D)
        last = self.network.read(embedded, start) * keep[piece.first : piece.first + len(piece.labels)]
        logits = self.network.classify(last.to(self._own[0].dtype)).float()
        return binary_cross_entropy_with_logits(logits, piece.labels, reduction="sum")


class Lanes:
    """So many lanes over a network; they share its weights.

    With `parallel`, the one lane's gradients are averaged over all processes of torch's default group.
    """

    def __init__(
        self, shape: Shape, network: LSTM, count: int, precision: torch.dtype, *, parallel: bool = False
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

    def backward(self, weight: Tensor, batch: Batch, keep: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """The batch's summed cross-entropy (), and scale times its gradient by `weight` (U, D), the stems' rows.

        The network's parameters have theirs in `grad`. `keep` (B, width) is what dropout leaves of each row, and by
        how much it raises that.
        """

        def run(lane: int, pieces: list[_Piece]) -> tuple[Tensor, Tensor]:
            leaf = weight.detach().requires_grad_()
            loss = self._calls[lane](leaf, pieces, keep)
            (loss * scale).backward()
            assert leaf.grad is not None
            return loss.detach(), leaf.grad

        done = self._each(batch, run)
        for replica in self._replicas:
            replica.hand_over()
        return _total([loss for loss, _ in done]), _total([gradient for _, gradient in done])

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
