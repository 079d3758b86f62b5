"""Training rows as torch batches, through Petastorm.

Petastorm has habits that this module works around, each where it shows: one reader repeats one order for all its
epochs, so every epoch has a reader of its own; a seed of 0 counts as none; its thread pool keeps an order only with one
worker; the pool sometimes reports the end too early; and its shuffling draws from torch's global generator.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from fsspec import AbstractFileSystem
from fsspec.implementations.dirfs import DirFileSystem

from tonality import locations, schema
from tonality.faults import InputFault
from tonality.reader import modern_arrow

__all__ = ["Batch", "Loader"]

_COLUMNS: Final = ("tokens", "length", "label")
_ROOT: Final = "file:///"
"""Petastorm parses URLs and trips over a `#`; so it is shown the dataset's folder as the root of a file system."""


class Batch(NamedTuple):
    """Tweets of one step, trimmed to the longest of them."""

    tokens: torch.Tensor
    """Stem ids, 0 behind each tweet's end: (B, T) int64."""
    lengths: torch.Tensor
    """Stems of each tweet: (B,) int64."""
    labels: torch.Tensor
    """1 positive, 0 negative: (B,) float32."""


class Loader:
    """Batches of a dataset in another order each epoch, or of one shard of it.

    The location is a folder of schema.DATASET rows: a local path or any URL that fsspec knows. An order is decided by
    `seed` and the epoch's number alone: it neither depends on torch's or numpy's global generators nor disturbs them.
    `shuffle_rows` is the window of rows that batches are drawn from, which bounds memory together with the row groups
    that petastorm reads ahead (four); row groups come in random order too. With 0, rows come as they lie in the files.

    With `shards` processes, each reads the row groups that fall to its `shard` (from 0); the same ones every epoch.

    Raises InputFault where the dataset is missing, empty, has other columns, or has too few row groups for the shards.
    """

    def __init__(
        self,
        location: str,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle_rows: int = 0,
        shard: int = 0,
        shards: int = 1,
    ) -> None:
        if not 0 <= shard < shards:
            raise ValueError(f"shard is {shard}: with {shards} shards it must be from 0 to {shards - 1}")
        system, path = locations.filesystem(location)
        self._location = location
        self._system = DirFileSystem(path, system)
        self._batch_size = batch_size
        self._seed = seed
        self._shuffle_rows = shuffle_rows
        self._shard = shard
        self._shards = shards
        self.rows = _rows_by_shard(self._system, location, shards)[shard]
        """Rows an epoch yields, from the files' footers."""

    @contextmanager
    def epoch(self, number: int) -> Iterator[Iterator[Batch]]:
        """The batches of one epoch; the last may be smaller.

        Petastorm's threads are stopped and joined on the way out, however that is reached. Raises InputFault in the
        loop where the files changed while they were read.
        """
        modern_arrow.adapt()
        from petastorm.pytorch import BatchedDataLoader

        reader_seed, torch_seed = self._seeds(number)
        # BatchedDataLoader stops and joins the reader; the reader's own `with` would also print to stdout
        with BatchedDataLoader(
            _Patient(self._open_reader(reader_seed)),
            batch_size=self._batch_size,
            transform_fn=torch.tensor,  # a copy: Arrow's memory is read-only, which torch's default warns of
            shuffling_queue_capacity=self._shuffle_rows,
        ) as columns:
            batches = iter(columns)
            if self._shuffle_rows:
                batches = _with_generator(batches, torch_seed)
            yield self._counted(map(_to_batch, batches))

    def _open_reader(self, seed: int) -> Any:
        from petastorm import make_batch_reader

        shuffle = self._shuffle_rows > 0
        sharded = self._shards > 1
        return make_batch_reader(
            _ROOT,
            filesystem=self._system,
            schema_fields=list(_COLUMNS),
            # With more workers the first result is whichever worker the round robin meets busy: no order is kept.
            workers_count=1,
            shuffle_row_groups=shuffle,
            seed=seed if shuffle else None,
            cur_shard=self._shard if sharded else None,
            shard_count=self._shards if sharded else None,
        )

    def _seeds(self, epoch: int) -> tuple[int, int]:
        """Petastorm's seed and torch's. Mixed, not added: seed 1 in epoch 2 must not repeat seed 2 in epoch 1."""
        sequence = np.random.SeedSequence([self._seed % 2**64, epoch, self._shard])
        reader_seed, torch_seed = sequence.generate_state(2).tolist()
        return reader_seed or 1, torch_seed

    def _counted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        rows = 0
        try:
            for batch in batches:
                rows += len(batch.labels)
                yield batch
        except modern_arrow.UnreadableFile as broken:
            raise InputFault(
                f"{locations.join(self._location, broken.path)} cannot be read: {broken.why}; run `prepare` again"
            ) from broken
        if rows != self.rows:
            raise InputFault(
                f"{self._location}: {rows} rows came, {self.rows} were there at the start: "
                f"something else writes to this dataset; train again when it has finished"
            )


class _Patient:
    """A petastorm reader whose end is believed when it comes twice.

    The pool asks first whether all workers are idle and then whether all work was handed out. Work handed out between
    the two questions is taken for done and its rows would be lost. By the second time nothing is left to hand out.
    """

    batched_output = True

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.stop = reader.stop
        self.join = reader.join

    def __iter__(self) -> Iterator[Any]:
        ends = 0
        while ends < 2:
            for row_group in self._reader:
                ends = 0
                yield row_group
            ends += 1


def _with_generator(batches: Iterator[Any], seed: int) -> Iterator[Any]:
    """The batches, drawn while torch's global generator stands at a state of their own."""
    state = torch.Generator().manual_seed(seed).get_state()
    while True:
        outside = torch.get_rng_state()
        torch.set_rng_state(state)
        try:
            batch = next(batches, None)
            state = torch.get_rng_state()
        finally:
            torch.set_rng_state(outside)
        if batch is None:
            return
        yield batch


def _to_batch(columns: dict[str, torch.Tensor]) -> Batch:
    lengths = columns["length"].to(torch.int64)
    longest = int(lengths.max())
    return Batch(
        tokens=columns["tokens"][:, :longest].to(torch.int64),  # (B, T)
        lengths=lengths,  # (B,)
        labels=columns["label"].to(torch.float32),  # (B,)
    )


def _rows_by_shard(system: AbstractFileSystem, location: str, shards: int) -> list[int]:
    """Rows of every shard, as petastorm deals the row groups out: in turn, by file and place in the file."""
    groups = _row_group_sizes(system, location)
    rows = [sum(groups[shard::shards]) for shard in range(shards)]
    if not all(rows):
        filled = sum(1 for group in groups if group)
        raise InputFault(
            f"{location}: {filled} row groups with rows for {shards} processes, and each needs its own: write more, "
            f"smaller row groups (a lower dataset.shard_rows, then `prepare` again) or train with fewer processes"
        )
    return rows


def _row_group_sizes(system: AbstractFileSystem, location: str) -> list[int]:
    """Rows of every row group, files in order of their names."""
    files = modern_arrow.parquet_files(system, "") if system.isdir("") else []
    with ThreadPoolExecutor(max_workers=8) as pool:
        footers = list(pool.map(lambda file: _read_footer(system, location, file), files))
    sizes = [[footer.row_group(i).num_rows for i in range(footer.num_row_groups)] for footer in footers]
    groups = list(itertools.chain.from_iterable(sizes))
    if not any(groups):
        found = f"{len(files)} Parquet files without a row" if files else "no Parquet files"
        raise InputFault(f"{location}: {found} found, training rows are wanted: run `prepare` first")
    return groups


def _read_footer(system: AbstractFileSystem, location: str, file: str) -> pq.FileMetaData:
    try:
        with system.open(file) as opened:
            footer = pq.read_metadata(opened)
    except pa.ArrowInvalid as error:
        raise InputFault(f"{locations.join(location, file)}: no Parquet file: {error}; run `prepare` again") from error
    columns = footer.schema.to_arrow_schema()
    for name in _COLUMNS:
        wanted = schema.DATASET.field(name).type
        found = columns.field(name).type if name in columns.names else "no such column"
        if found != wanted:
            raise InputFault(
                f"{locations.join(location, file)}: column {name}: found {found}, wanted {wanted}; run `prepare` again"
            )
    return footer
