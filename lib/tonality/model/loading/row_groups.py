"""The row groups of a dataset, read through Petastorm.

This module works around some of Petastorm's behaviour: a reader repeats the same order in all its epochs, so every
pass creates new readers; a seed of 0 counts as no seed; its thread pool keeps the order only with one worker, so
several workers are several readers whose row groups are interleaved; and the pool sometimes reports the end too early.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem
from fsspec.implementations.dirfs import DirFileSystem

from tonality.model.loading import petastorm_compat
from tonality.model.loading.ragged_rows import Rows
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage import schema, urls

__all__ = ["RowGroups"]

_COLUMNS: Final = ("tokens", "length", "label")
_ROOT: Final = "file:///"
"""Petastorm's URL parsing fails on a `#`, so the dataset's folder is presented as the root of a file system."""


class RowGroups:
    """The row groups of a folder of schema.DATASET rows (a local path or any fsspec URL), or of one shard of it.

    With `shards` processes, each reads the row groups assigned to its `shard` (from 0), the same ones every time.
    `readers` threads read and decode them, each up to four row groups ahead. Stem ids must be below `vocabulary`.

    Raises InputError if the dataset is missing, empty, has other columns, or has too few row groups for the shards.
    """

    def __init__(self, location: str, vocabulary: int, *, shard: int = 0, shards: int = 1, readers: int = 1) -> None:
        if not 0 <= shard < shards:
            raise ValueError(f"shard is {shard}: with {shards} shards it must be from 0 to {shards - 1}")
        petastorm_compat.adapt()
        system, path = urls.filesystem(location)
        self._location = location
        self._system = DirFileSystem(path, system)
        # fsspec caches listings of object stores for the life of the process; Spark may have written since
        self._system.invalidate_cache()
        self._vocabulary = vocabulary
        self.shard = shard
        self._shards = shards
        files = _footers(self._system, location)
        sizes = _row_group_sizes(files, location)
        by_shard = _rows_by_shard(sizes, location, shards)
        self._readers = min(readers, len(sizes) // shards)
        self.rows = by_shard[shard]
        """Rows of the shard, from the files' footers."""
        self.max_shard_rows = max(by_shard)
        """Rows of the largest shard."""
        self.total_rows = sum(by_shard)
        """Rows of all shards."""
        self.padded_bytes = _padded_bytes(files.values())
        """Upper bound of the size of all shards as Rows: with padding."""
        self.fingerprint = _fingerprint(files.values())
        """12 hex digits, a hash of the row groups' row counts and compressed column sizes. The same dataset prepared
        again has the same fingerprint; another dataset nearly always differs, except where only labels differ."""

    def estimate_bytes(self) -> int:
        """Estimated size of the shard as Rows, from its first row group: `prepare` has shuffled the rows."""
        with self.read() as groups:
            first = next(groups)
        return round(self.rows * first.nbytes / len(first))

    @contextmanager
    def read(self, seed: int | None = None) -> Iterator[Iterator[Rows]]:
        """Yield an iterator over the row groups as Rows, shuffled by the seed or in file order without one.

        Petastorm's threads are stopped and joined when the context exits. The iterator raises InputError if a row
        group cannot be read, holds invalid rows, or if the files have changed since the start.
        """
        with ExitStack() as stack, self._read_errors():
            readers = [stack.enter_context(closing(_Reader(self._open(i, seed)))) for i in range(self._readers)]
            yield self._counted(_interleave([iter(reader) for reader in readers]))

    def _open(self, reader: int, seed: int | None) -> Any:
        from petastorm import make_batch_reader

        shards = self._shards * self._readers
        return make_batch_reader(
            _ROOT,
            filesystem=self._system,
            schema_fields=list(_COLUMNS),
            # With several workers the order of the results depends on which of them is busy.
            workers_count=1,
            shuffle_row_groups=seed is not None,
            seed=None if seed is None else seed or 1,
            cur_shard=self.shard + self._shards * reader if shards > 1 else None,
            shard_count=shards if shards > 1 else None,
        )

    def _counted(self, groups: Iterator[Any]) -> Iterator[Rows]:
        count = 0
        for group in groups:
            count += len(group.length)
            yield self._validated(group)
        if count != self.rows:
            raise InputError(
                f"{self._location}: {count} rows read, {self.rows} expected: another process is writing to this "
                f"dataset; train again when it has finished"
            )

    @contextmanager
    def _read_errors(self) -> Iterator[None]:
        """Turn UnreadableFile into an InputError with the full path of the file."""
        try:
            yield
        except petastorm_compat.UnreadableFile as error:
            raise InputError(
                f"{urls.join(self._location, error.path)} cannot be read: {error.reason}; run `prepare` again"
            ) from error

    def _validated(self, group: Any) -> Rows:
        """The row group as Rows. Raises InputError if a length, stem id or label is out of range."""
        width, end = group.tokens.shape[1], self._vocabulary
        rows = Rows.from_padded(group.tokens, group.length, group.label)
        for column, values, valid, expected in (
            ("length", rows.lengths, (rows.lengths >= 1) & (rows.lengths <= width), f"1 to {width}"),
            ("tokens", rows.stems, (rows.stems >= 1) & (rows.stems < end), f"1 to {end - 1}"),
            ("label", rows.labels, np.isin(rows.labels, (0, 1)), "0 or 1"),
        ):
            if not valid.all():
                found = values[~valid][0]
                raise InputError(f"{self._location}: {column} {found} found, {expected} expected; run `prepare` again")
        return rows


class _Reader:
    """A petastorm reader that is exhausted only when it reports its end twice in a row.

    The pool checks first that all workers are idle and then that all work was handed out. Work handed out between the
    two checks counts as done, and its rows would be lost. By the second time there is nothing left to hand out.
    """

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def __iter__(self) -> Iterator[Any]:
        ends = 0
        while ends < 2:
            for row_group in self._reader:
                ends = 0
                yield row_group
            ends += 1

    def close(self) -> None:
        """Stop and join the reader's threads; petastorm's own context manager would also print to stdout."""
        self._reader.stop()
        self._reader.join()
        # The pool, its workers and the ventilator form reference cycles that keep everything read ahead alive until
        # Python's garbage collector runs, which may be epochs later.
        vars(self._reader._workers_pool).clear()


def _interleave(readers: list[Iterator[Any]]) -> Iterator[Any]:
    """Yield one row group of each reader in turn until all are exhausted."""
    while readers:
        for reader in [*readers]:
            try:
                yield next(reader)
            except StopIteration:
                readers.remove(reader)


def _rows_by_shard(sizes: list[int], location: str, shards: int) -> list[int]:
    """Rows of every shard. Petastorm assigns the row groups round-robin, in file order."""
    rows = [sum(sizes[shard::shards]) for shard in range(shards)]
    if not all(rows):
        filled = sum(1 for size in sizes if size)
        raise InputError(
            f"{location}: {filled} row groups with rows for {shards} processes, and each needs at least one: write "
            f"more, smaller row groups (a lower dataset.shard_rows, then `prepare` again) or train with fewer processes"
        )
    return rows


def _padded_bytes(footers: Iterable[pq.FileMetaData]) -> int:
    columns = [
        footer.row_group(i).column(j)
        for footer in footers
        for i in range(footer.num_row_groups)
        for j in range(footer.num_columns)
    ]
    return 4 * sum(int(column.num_values) for column in columns if column.path_in_schema.partition(".")[0] in _COLUMNS)


def _fingerprint(footers: Iterable[pq.FileMetaData]) -> str:
    """Hash of the row counts and compressed column sizes, which differ for other stems."""
    groups = [footer.row_group(i) for footer in footers for i in range(footer.num_row_groups)]
    sizes = [
        [group.num_rows, *(group.column(i).total_compressed_size for i in range(group.num_columns))] for group in groups
    ]
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()[:12]


def _footers(system: AbstractFileSystem, location: str) -> dict[str, pq.FileMetaData]:
    """The footer of every file, in order of the file names."""
    files = petastorm_compat.parquet_files(system, "") if system.isdir("") else []
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(files, pool.map(lambda file: _read_footer(system, location, file), files), strict=True))


def _row_group_sizes(files: Mapping[str, pq.FileMetaData], location: str) -> list[int]:
    """Rows of every row group, in petastorm's order."""
    sizes = [footer.row_group(i).num_rows for footer in files.values() for i in range(footer.num_row_groups)]
    if not any(sizes):
        found = f"{len(files)} Parquet files without a row" if files else "no Parquet files"
        raise InputError(f"{location}: {found} found, training rows are expected: run `prepare` first")
    return sizes


def _read_footer(system: AbstractFileSystem, location: str, file: str) -> pq.FileMetaData:
    try:
        with system.open(file) as opened:
            footer = pq.read_metadata(opened)
    except (OSError, pa.ArrowInvalid) as error:
        if isinstance(error, OSError) and error.errno:  # an error of the system, not of the file
            raise
        raise InputError(f"{urls.join(location, file)}: not a Parquet file: {error}; run `prepare` again") from error
    columns = footer.schema.to_arrow_schema()
    for name in _COLUMNS:
        expected = schema.DATASET.field(name).type
        found = columns.field(name).type if name in columns.names else "no such column"
        if found != expected:
            raise InputError(
                f"{urls.join(location, file)}: column {name}: found {found}, expected {expected}; run `prepare` again"
            )
    return footer
