"""A dataset's row groups, read through Petastorm.

Petastorm has habits that this module works around, each where it shows: one reader repeats one order for all its
epochs, so every reading has readers of its own; a seed of 0 counts as none; its thread pool keeps an order only with
one worker, so several workers are several readers whose row groups are taken in turn; and the pool sometimes reports
the end too early.
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
"""Petastorm parses URLs and trips over a `#`; so it is shown the dataset's folder as the root of a file system."""


class RowGroups:
    """The row groups of a folder of schema.DATASET rows, a local path or any URL that fsspec knows; or of one shard.

    With `shards` processes, each reads the row groups that fall to its `shard` (from 0); the same ones every time.
    `readers` threads read and decode them, each up to four row groups ahead. A row whose stems are not below
    `vocabulary` is refused.

    Raises InputError where the dataset is missing, empty, has other columns, or has too few row groups for the shards.
    """

    def __init__(self, location: str, vocabulary: int, *, shard: int = 0, shards: int = 1, readers: int = 1) -> None:
        if not 0 <= shard < shards:
            raise ValueError(f"shard is {shard}: with {shards} shards it must be from 0 to {shards - 1}")
        petastorm_compat.adapt()
        system, path = urls.filesystem(location)
        self._location = location
        self._system = DirFileSystem(path, system)
        # fsspec lists an object store's folder once a process; Spark may have written there since
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
        self.most_rows = max(by_shard)
        """Rows of the largest shard."""
        self.all_rows = sum(by_shard)
        """Rows of all shards."""
        self.most_bytes = _padded_bytes(files.values())
        """Bytes that all shards take as Rows at the most: with their padding."""
        self.fingerprint = _fingerprint(files.values())
        """12 hex digits of how the rows lie in files and row groups, and of what these take: the same dataset prepared
        again has them too. Of another one they are nearly always others, but not where only labels differ."""

    def estimate_bytes(self) -> int:
        """About how many bytes the shard takes as Rows, by the first row group: `prepare` mixed the rows."""
        with self.read() as groups:
            first = next(groups)
        return round(self.rows * first.nbytes / len(first))

    @contextmanager
    def read(self, seed: int | None = None) -> Iterator[Iterator[Rows]]:
        """The rows of one row group after the other: in an order that the seed decides, or as they lie in the files.

        Petastorm's threads are stopped and joined on the way out, however that is reached. Raises InputError in the
        loop where a row group cannot be read, holds what is no training row, or where the files change meanwhile.
        """
        with ExitStack() as stack, self._named():
            readers = [stack.enter_context(closing(_Reader(self._open(i, seed)))) for i in range(self._readers)]
            yield self._counted(_in_turn([iter(reader) for reader in readers]))

    def _open(self, reader: int, seed: int | None) -> Any:
        from petastorm import make_batch_reader

        shards = self._shards * self._readers
        return make_batch_reader(
            _ROOT,
            filesystem=self._system,
            schema_fields=list(_COLUMNS),
            # With more workers the first result is whichever worker the round robin meets busy: no order is kept.
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
            yield self._checked(group)
        if count != self.rows:
            raise InputError(
                f"{self._location}: {count} rows came, {self.rows} were there at the start: "
                f"something else writes to this dataset; train again when it has finished"
            )

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Inside, a file that cannot be read is named as the user knows it."""
        try:
            yield
        except petastorm_compat.UnreadableFile as broken:
            raise InputError(
                f"{urls.join(self._location, broken.path)} cannot be read: {broken.why}; run `prepare` again"
            ) from broken

    def _checked(self, group: Any) -> Rows:
        """The row group as Rows, once it holds nothing that no network can learn from."""
        widest, end = group.tokens.shape[1], self._vocabulary
        rows = Rows.from_padded(group.tokens, group.length, group.label)
        for column, values, fit, expected in (
            ("length", rows.lengths, (rows.lengths >= 1) & (rows.lengths <= widest), f"1 to {widest}"),
            ("tokens", rows.stems, (rows.stems >= 1) & (rows.stems < end), f"1 to {end - 1}"),
            ("label", rows.labels, np.isin(rows.labels, (0, 1)), "0 or 1"),
        ):
            if not fit.all():
                found = values[~fit][0]
                raise InputError(f"{self._location}: {column} {found} found, {expected} expected; run `prepare` again")
        return rows


class _Reader:
    """A petastorm reader whose end is believed when it comes twice.

    The pool asks first whether all workers are idle and then whether all work was handed out. Work handed out between
    the two questions is taken for done and its rows would be lost. By the second time nothing is left to hand out.
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
        """Stop and join the reader's threads; petastorm's own `with` would also print to stdout."""
        self._reader.stop()
        self._reader.join()
        # The pool, its workers and the ventilator hold each other in circles, with all that was read ahead: they would
        # stay until Python's collector comes by, which may be epochs later.
        vars(self._reader._workers_pool).clear()


def _in_turn(readers: list[Iterator[Any]]) -> Iterator[Any]:
    """One row group of each reader after the other, until all have ended."""
    while readers:
        for reader in [*readers]:
            try:
                yield next(reader)
            except StopIteration:
                readers.remove(reader)


def _rows_by_shard(sizes: list[int], location: str, shards: int) -> list[int]:
    """Rows of every shard, as petastorm deals the row groups out: in turn, by file and place in the file."""
    rows = [sum(sizes[shard::shards]) for shard in range(shards)]
    if not all(rows):
        filled = sum(1 for size in sizes if size)
        raise InputError(
            f"{location}: {filled} row groups with rows for {shards} processes, and each needs its own: write more, "
            f"smaller row groups (a lower dataset.shard_rows, then `prepare` again) or train with fewer processes"
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
    """From the bytes that every column of every row group takes, which other stems would change."""
    groups = [footer.row_group(i) for footer in footers for i in range(footer.num_row_groups)]
    sizes = [
        [group.num_rows, *(group.column(i).total_compressed_size for i in range(group.num_columns))] for group in groups
    ]
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()[:12]


def _footers(system: AbstractFileSystem, location: str) -> dict[str, pq.FileMetaData]:
    """The footer of every file, in order of their names."""
    files = petastorm_compat.parquet_files(system, "") if system.isdir("") else []
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(files, pool.map(lambda file: _read_footer(system, location, file), files), strict=True))


def _row_group_sizes(files: Mapping[str, pq.FileMetaData], location: str) -> list[int]:
    """Rows of every row group, as petastorm numbers them."""
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
        if isinstance(error, OSError) and error.errno:  # the system's, not the file's
            raise
        raise InputError(f"{urls.join(location, file)}: no Parquet file: {error}; run `prepare` again") from error
    columns = footer.schema.to_arrow_schema()
    for name in _COLUMNS:
        expected = schema.DATASET.field(name).type
        found = columns.field(name).type if name in columns.names else "no such column"
        if found != expected:
            raise InputError(
                f"{urls.join(location, file)}: column {name}: found {found}, expected {expected}; run `prepare` again"
            )
    return footer
