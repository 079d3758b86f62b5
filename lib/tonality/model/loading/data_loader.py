"""A dataset's batches, epoch by epoch: from memory where the dataset fits, else read again each time."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import islice

import numpy as np

from tonality.model.loading import malloc_trim
from tonality.model.loading.length_buckets import Batch, in_batches
from tonality.model.loading.prefetch import prefetched
from tonality.model.loading.ragged_rows import Rows
from tonality.model.loading.row_groups import RowGroups

__all__ = ["Loader"]


class Loader:
    """Batches of training rows, in another order each epoch.

    An order is decided by `seed`, the epoch's number and the shard alone: it neither depends on torch's or numpy's
    global generators nor disturbs them.

    A dataset that takes up to `memory` bytes without its padding is read once, when its first epoch begins, and every
    order of its rows is as likely. A larger one is read again each epoch, its row groups in random order, and batches
    are drawn from windows of `window` rows; memory is bounded by the window and the row groups read ahead. With a
    `window` of 0 nothing is shuffled, and rows come by their lengths.

    `ahead` batches are made ready in a thread while others are used.
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
        self._kept: Rows | None = None
        self.rows = groups.rows
        """Rows an epoch yields."""

    @contextmanager
    def epoch(self, number: int, skip: int = 0) -> Iterator[Iterator[Batch]]:
        """The batches of one epoch, all full but one, without the first `skip`.

        Threads have ended on the way out, however that is reached. Raises InputError in the loop where the dataset
        cannot be read.
        """
        try:
            # closed here, once its thread has ended, and with it petastorm's: not whenever the last reference goes
            with (
                closing(self._in_order(number)) as all_batches,
                prefetched(islice(all_batches, skip, None), self._ahead) as batches,
            ):
                yield batches
        finally:
            malloc_trim.give_back()

    def _in_order(self, epoch: int) -> Generator[Batch]:
        order, draws = self._generators(epoch) if self._window else (None, None)
        if self._fits:
            self._kept = self._kept or self._read_all()
            yield from in_batches([self._kept], self._batch_size, len(self._kept), draws)
        else:
            with self._groups.read(order) as groups:
                yield from in_batches(groups, self._batch_size, max(self._window, self._batch_size), draws)

    @cached_property
    def _fits(self) -> bool:
        # the one is known, for the other a row group has to be read
        return self._memory > 0 and (
            self._groups.most_bytes <= self._memory or self._groups.estimate_bytes() <= self._memory
        )

    def _read_all(self) -> Rows:
        with self._groups.read() as groups:
            return Rows.concatenate(list(groups))

    def _generators(self, epoch: int) -> tuple[int, np.random.Generator]:
        """The seed of the row groups' order and the generator of the rest."""
        # mixed, not added: seed 1 in epoch 2 must not repeat seed 2 in epoch 1
        sequence = np.random.SeedSequence([self._seed % 2**64, epoch, self._groups.shard])
        return int(sequence.generate_state(1)[0]), np.random.default_rng(sequence)
