"""The batches of a dataset, epoch by epoch: from memory if the dataset fits, otherwise read again each time."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import islice

import numpy as np

from tonality.model.loading import malloc_trim
from tonality.model.loading.length_buckets import Batch, batch_by_length
from tonality.model.loading.prefetch import prefetched
from tonality.model.loading.ragged_rows import Rows
from tonality.model.loading.row_groups import RowGroups

__all__ = ["Loader"]


class Loader:
    """Batches of training rows, in a different order each epoch.

    The order depends only on `seed`, the epoch's number and the shard. torch's and numpy's global generators are
    neither used nor disturbed.

    A dataset of at most `memory` bytes without padding is read once, when the first epoch begins, and shuffled as a
    whole. A larger one is read again each epoch, with its row groups in random order, and batches are drawn from
    windows of `window` rows; memory is bounded by the window and the row groups read ahead. With a `window` of 0
    nothing is shuffled, and rows are ordered by length.

    A thread prefetches `ahead` batches.
    """

    def __init__(
        self,
        groups: RowGroups,
        *,
        batch_size: int,
        seed: int = 0,
        window: int = 0,
        memory: int = 0,
        ahead: int = 8,
    ) -> None:
        self._groups = groups
        self._batch_size = batch_size
        self._seed = seed
        self._window = window
        self._ahead = ahead
        self._memory = memory
        self._cached: Rows | None = None
        self.rows = groups.rows
        """Rows per epoch."""

    @contextmanager
    def epoch(self, number: int, skip: int = 0) -> Iterator[Iterator[Batch]]:
        """Yield an iterator over the batches of one epoch without the first `skip`; all are full except one.

        All threads have ended when the context exits. The iterator raises InputError if the dataset cannot be read.
        """
        try:
            # The generator is closed here, after its thread has ended, and petastorm's threads with it; garbage
            # collection might come much later.
            with (
                closing(self._in_order(number)) as all_batches,
                prefetched(islice(all_batches, skip, None), self._ahead) as batches,
            ):
                yield batches
        finally:
            malloc_trim.return_freed_memory()

    def _in_order(self, epoch: int) -> Generator[Batch]:
        group_seed, random = self._generators(epoch) if self._window else (None, None)
        if self._fits:
            self._cached = self._cached or self._read_all()
            yield from batch_by_length([self._cached], self._batch_size, len(self._cached), random)
        else:
            with self._groups.read(group_seed) as groups:
                yield from batch_by_length(groups, self._batch_size, max(self._window, self._batch_size), random)

    @cached_property
    def _fits(self) -> bool:
        # the upper bound is known; the estimate has to read a row group
        return self._memory > 0 and (
            self._groups.padded_bytes <= self._memory or self._groups.estimate_bytes() <= self._memory
        )

    def _read_all(self) -> Rows:
        with self._groups.read() as groups:
            return Rows.concatenate(list(groups))

    def _generators(self, epoch: int) -> tuple[int, np.random.Generator]:
        """The seed for the order of the row groups, and the generator for everything else."""
        # mixed rather than added: seed 1 in epoch 2 must not repeat seed 2 in epoch 1
        sequence = np.random.SeedSequence([self._seed % 2**64, epoch, self._groups.shard])
        return int(sequence.generate_state(1)[0]), np.random.default_rng(sequence)
