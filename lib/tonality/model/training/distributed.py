"""The processes that train one network together, over torch.distributed; or the one that trains it alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from tonality.model.loading.length_buckets import Batch, Segment

__all__ = ["ALONE", "ProcessGroup", "in_step", "joined"]

_NOTHING: Final = Batch(np.empty(0, np.int64), (Segment(np.zeros((1, 1), np.int64), np.zeros(1, np.float32)),), 0)
"""What a process learns from whose batches have ended before those of others: a tweet that counts nothing."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    def sum(self, numbers: Tensor) -> Tensor:
        """The numbers, added up over all processes, in place; the same bits everywhere."""
        if self.size > 1:
            dist.all_reduce(numbers)
        return numbers

    def agrees(self, numbers: list[int]) -> bool:
        """Whether these are the same in all processes, which wait for each other here."""
        return self.size == 1 or bool((np.diff(_gather(np.array(numbers), self), axis=0) == 0).all())


ALONE: Final = ProcessGroup()


@contextmanager
def joined(device: torch.device) -> Iterator[ProcessGroup]:
    """This process' group, as the environment variables of torchrun describe it. All leave it together."""
    if device.type == "cuda":
        torch.cuda.set_device(device)  # NCCL and barriers would take the first GPU in every process
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
        dist.barrier()
    finally:
        dist.destroy_process_group()


def in_step(batches: Iterator[Batch], group: ProcessGroup) -> Iterator[tuple[Batch, int]]:
    """Each batch, with the rows of all processes' batches of this step.

    A batch's stems are then those of all processes. A process whose batches end before those of others goes on with
    batches without rows, until the last has ended: nobody waits for one that is gone.
    """
    if group.size == 1:
        for batch in batches:
            yield batch, batch.rows
        return
    while True:
        batch = next(batches, _NOTHING)
        sizes = _gather(np.array([batch.rows, len(batch.stems)]), group)
        rows, most = sizes[:, 0].sum(), sizes[:, 1].max()
        if not rows:
            return
        padded = np.full(most, -1)
        padded[: len(batch.stems)] = batch.stems
        stems = np.unique(_gather(padded, group))
        yield _moved(batch, stems[stems >= 0]), int(rows)


def _gather(numbers: NDArray[np.int64], group: ProcessGroup) -> NDArray[np.int64]:
    """These numbers (K,) of every process: (processes, K)."""
    own = torch.from_numpy(numbers)
    parts = [torch.empty_like(own) for _ in range(group.size)]
    dist.all_gather(parts, own)
    return torch.stack(parts).numpy()


def _moved(batch: Batch, stems: NDArray[np.int64]) -> Batch:
    """The batch with these stems instead, of which its own are some."""
    if not batch.rows:
        return batch._replace(stems=stems)
    places = np.searchsorted(stems, batch.stems)
    return Batch(stems, tuple(Segment(places[part.places], part.labels) for part in batch.segments), batch.rows)
