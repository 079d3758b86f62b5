"""The processes that train one network together over torch.distributed, or the only process."""

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

__all__ = ["SINGLE_PROCESS", "ProcessGroup", "join_process_group", "synchronize"]

_EMPTY_BATCH: Final = Batch(np.empty(0, np.int64), (Segment(np.zeros((1, 1), np.int64), np.zeros(1, np.float32)),), 0)
"""The batch of a process whose own batches have ended: one placeholder tweet, which does not count."""


@dataclass(frozen=True)
class ProcessGroup:
    """The group of processes that train together, as one of them sees it."""

    rank: int = 0
    size: int = 1

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum the tensor over all processes, in place; every process gets the same bits."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def agrees(self, numbers: list[int]) -> bool:
        """True if the numbers are the same in all processes. Waits until all have called it."""
        return self.size == 1 or bool((np.diff(_all_gather(np.array(numbers), self), axis=0) == 0).all())


SINGLE_PROCESS: Final = ProcessGroup()


@contextmanager
def join_process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Join the process group that torchrun's environment variables describe. All processes leave it together."""
    if device.type == "cuda":
        torch.cuda.set_device(device)  # otherwise NCCL and barriers use the first GPU in every process
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
        dist.barrier()
    finally:
        dist.destroy_process_group()


def synchronize(batches: Iterator[Batch], group: ProcessGroup) -> Iterator[tuple[Batch, int]]:
    """Yield each batch with the total rows of the step's batches in all processes.

    The stems of a batch become those of all processes. A process that runs out of batches before the others continues
    with batches without rows until the last one has finished, so that no process waits for one that has ended.
    """
    if group.size == 1:
        for batch in batches:
            yield batch, batch.rows
        return
    while True:
        batch = next(batches, _EMPTY_BATCH)
        sizes = _all_gather(np.array([batch.rows, len(batch.stems)]), group)
        rows, most_stems = sizes[:, 0].sum(), sizes[:, 1].max()
        if not rows:
            return
        padded = np.full(most_stems, -1)
        padded[: len(batch.stems)] = batch.stems
        stems = np.unique(_all_gather(padded, group))
        yield _reindex(batch, stems[stems >= 0]), int(rows)


def _all_gather(numbers: NDArray[np.int64], group: ProcessGroup) -> NDArray[np.int64]:
    """The numbers (K,) of every process: (processes, K)."""
    own = torch.from_numpy(numbers)
    parts = [torch.empty_like(own) for _ in range(group.size)]
    dist.all_gather(parts, own)
    return torch.stack(parts).numpy()


def _reindex(batch: Batch, stems: NDArray[np.int64]) -> Batch:
    """The batch with these stems, a superset of its own."""
    if not batch.rows:
        return batch._replace(stems=stems)
    places = np.searchsorted(stems, batch.stems)
    return Batch(stems, tuple(Segment(places[part.places], part.labels) for part in batch.segments), batch.rows)
