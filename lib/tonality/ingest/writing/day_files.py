"""Temporary tweet files to the files of the days: dropped tweets removed, large days split, small days sharing tasks.

Spark could do the same with a shuffle; here the data stays columnar in Arrow, which takes a sixth of the time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from typing import BinaryIO, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tonality.ingest.formats.timestamps import DAY_MICROSECONDS
from tonality.ingest.writing.buffered_parquet import BufferedParquetWriter
from tonality.ingest.writing.tweet_files import Int64Array
from tonality.runtime.storage.schema import DAY, KEPT, TWEETS
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["DayFile", "DayFileJob", "StoredRowGroup", "WrittenFile", "plan_day_files", "write_day_files"]

_FILE_BYTES: Final = 192 * 2**20
"""The size of the temporary row groups per file, 128 MiB once compressed by Zstandard."""
_SHARED_BYTES: Final = 2**26
"""The most bytes of a task for several days: a row group with several days is held until the last one is written."""
_MIN_TASK_BYTES: Final = 2**20
"""The size below which tasks are not made smaller to occupy all cores."""
_TASKS_PER_CORE: Final = 3
_GROUP_ROWS: Final = 2**17
_GROUP_BYTES: Final = 2**26
"""The most rows and bytes in memory of a row group: tweets may be a thousand times longer than Twitter's."""
_DICTIONARY_COLUMNS: Final = ["author", "lang", "hashtags.list.element", "source", "rules", "run"]
"""Columns with repeated values, which a dictionary makes smaller."""
_DELTA_COLUMNS: Final = {"tweet_id": "DELTA_BINARY_PACKED", "created_at": "DELTA_BINARY_PACKED"}
_STATISTICS_COLUMNS: Final = ["tweet_id", "created_at", "author", "lang"]
"""Columns whose minimum and maximum are useful to readers."""
_FILE_SCHEMA: Final = TWEETS.remove(TWEETS.get_field_index(DAY))
_STORED_COLUMNS: Final = [name for name in KEPT.names if name in _FILE_SCHEMA.names]
_EPOCH: Final = date(1970, 1, 1)


class StoredRowGroup(NamedTuple):
    """A row group of a temporary tweet file, sorted by day."""

    path: str
    """The name of its file."""
    number: int
    """Its index in the file."""
    first: int
    """The time of its earliest tweet, in microseconds since 1970."""
    days: tuple[int, ...]
    """The days of its tweets, counted from 1970."""
    counts: tuple[int, ...]
    """The number of tweets of each day."""
    bytes: int


class DayFile(NamedTuple):
    """A planned file: a day, or a part of it."""

    day: int
    """Days since 1970."""
    groups: tuple[StoredRowGroup, ...]
    """The row groups with its tweets, and possibly others."""


class WrittenFile(NamedTuple):
    """A file that has been written."""

    day: str
    name: str
    rows: int


@dataclass(frozen=True)
class DayFileJob:
    """The inputs and outputs shared by all tasks. Folders are URLs."""

    stored: str
    """The folder of the temporary tweet files."""
    dropped: str
    """The table of dropped tweets: `path`, and `row` in the file."""
    folder: str
    """The output folder."""
    constants: Mapping[str, str]
    """Columns with the same value in all rows."""
    drop_ids: bool = False
    """Write null instead of tweet ids."""


def plan_day_files(groups: Iterable[StoredRowGroup], cores: int) -> list[list[DayFile]]:
    """The files that each task writes: several of about 128 MiB for large days, one for any other day."""
    days: dict[int, list[StoredRowGroup]] = defaultdict(list)
    weights: dict[int, float] = defaultdict(float)
    for group in groups:
        rows = sum(group.counts)
        for day, count in zip(group.days, group.counts, strict=True):
            days[day].append(group)
            weights[day] += group.bytes * count / rows
    task_bytes = min(_SHARED_BYTES, max(_MIN_TASK_BYTES, sum(weights.values()) / (cores * _TASKS_PER_CORE)))
    tasks: list[list[DayFile]] = []
    filled = 0.0
    for day in sorted(days):
        parts = max(1, round(weights[day] / _FILE_BYTES))
        for part in _parts(_in_reading_order(days[day]), parts):
            if not tasks or filled + weights[day] / parts > task_bytes:
                tasks.append([])
                filled = 0
            tasks[-1].append(DayFile(day, part))
            filled += weights[day] / parts
    return tasks


def _in_reading_order(groups: Iterable[StoredRowGroup]) -> list[StoredRowGroup]:
    """The row groups file by file, files by the first tweet of their first group."""
    by_file: dict[str, list[StoredRowGroup]] = defaultdict(list)
    for group in groups:
        by_file[group.path].append(group)
    files = [sorted(file, key=lambda group: group.number) for file in by_file.values()]
    return [group for file in sorted(files, key=lambda file: (file[0].first, file[0].path)) for group in file]


def _parts(groups: Sequence[StoredRowGroup], count: int) -> Iterator[tuple[StoredRowGroup, ...]]:
    """Divide the row groups into at most `count` parts of about the same size."""
    share = sum(group.bytes for group in groups) / count
    part: list[StoredRowGroup] = []
    filled = 0
    for group in groups:
        part.append(group)
        filled += group.bytes
        if filled >= share:
            yield tuple(part)
            part, filled = [], 0
    if part:
        yield tuple(part)


def write_day_files(job: DayFileJob, files: Sequence[DayFile]) -> Iterator[WrittenFile]:
    """Write a task's files, each under a unique name; none for a day whose tweets have all been dropped."""
    with _StoredTweets(files, job) as stored:
        for file in files:
            with _DayFileWriter(job) as writer:
                for group in file.groups:
                    writer.add(stored.rows(group, file.day))
            if writer.rows:
                yield WrittenFile(str(_EPOCH + timedelta(days=file.day)), writer.name, writer.rows)


class _StoredTweets:
    """The temporary tweets of a task's days, without dropped ones; each row group is read once."""

    def __init__(self, files: Sequence[DayFile], job: DayFileJob) -> None:
        self._folder = job.stored
        self._days = range(files[0].day, files[-1].day + 1)
        self._uses = Counter(group for file in files for group in file.groups)
        self._dropped = _dropped_rows(job.dropped, {group.path for group in self._uses})
        self._cache: dict[StoredRowGroup, pa.Table] = {}
        self._open = ExitStack()
        self._file: pq.ParquetFile | None = None
        self._path = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def rows(self, group: StoredRowGroup, day: int) -> pa.Table:
        """A row group's rows of a day. Releases the group when no other file of the task needs it."""
        rows = self._cache.pop(group, None)
        if rows is None:
            rows = self._read(group)
        self._uses[group] -= 1
        if self._uses[group]:
            self._cache[group] = rows
        start, end = _row_range(rows, range(day, day + 1))
        return rows.slice(start, end - start)

    def _read(self, group: StoredRowGroup) -> pa.Table:
        """Read a row group's rows of the task's days."""
        file = self._open_file(group.path)
        rows = file.read_row_group(group.number, _STORED_COLUMNS, use_threads=False)
        start, end = _row_range(rows, self._days)
        kept = np.zeros(rows.num_rows, dtype=bool)
        kept[start:end] = True
        if (dropped := self._dropped.get(group.path)) is not None:
            before = sum(file.metadata.row_group(number).num_rows for number in range(group.number))
            in_group = dropped[(dropped >= before) & (dropped < before + rows.num_rows)]
            kept[in_group - before] = False
        return rows if kept.all() else rows.take(np.flatnonzero(kept))

    def _open_file(self, path: str) -> pq.ParquetFile:
        """Open a file, unless it is the one that is open: groups come file by file."""
        if self._file is None or path != self._path:
            self._open.close()
            system, place = filesystem(join(self._folder, path))
            self._file = self._open.enter_context(pq.ParquetFile(self._open.enter_context(system.open(place, "rb"))))
            self._path = path
        return self._file


def _dropped_rows(table: str, paths: set[str]) -> dict[str, Int64Array]:
    """The numbers of dropped rows, by file."""
    system, place = filesystem(table)
    batches = ds.dataset(place, filesystem=system, format="parquet").to_batches(
        columns=["path", "row"], filter=ds.field("path").isin(sorted(paths)), use_threads=False
    )
    rows: dict[str, list[Int64Array]] = defaultdict(list)
    for batch in batches:
        codes = batch["path"].dictionary_encode()
        for code, path in enumerate(codes.dictionary.to_pylist()):
            rows[path].append(batch["row"].to_numpy()[codes.indices.to_numpy() == code])
    return {path: np.concatenate(parts) for path, parts in rows.items()}


def _row_range(rows: pa.Table, days: range) -> tuple[int, int]:
    """The range of rows with these days, in rows sorted by day."""
    start, end = np.searchsorted(_integers(rows, "created_at") // DAY_MICROSECONDS, (days.start, days.stop))
    return int(start), int(end)


def _integers(rows: pa.Table, column: str) -> Int64Array:
    integers: Int64Array = rows[column].cast(pa.int64()).to_numpy()
    return integers


class _DayFileWriter(BufferedParquetWriter):
    """A file of a day, each row group sorted by time."""

    def __init__(self, job: DayFileJob) -> None:
        super().__init__(job.folder, "part-", _GROUP_ROWS, _GROUP_BYTES)
        self.rows = 0
        self._constants = job.constants
        self._drop_ids = job.drop_ids

    def _new_writer(self, file: BinaryIO) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            file,
            _FILE_SCHEMA,
            compression="zstd",
            compression_level=3,
            use_dictionary=_DICTIONARY_COLUMNS,
            column_encoding=_DELTA_COLUMNS,
            write_statistics=_STATISTICS_COLUMNS,
        )

    def _write(self, writer: pq.ParquetWriter, rows: pa.Table) -> None:
        rows = rows.combine_chunks()
        rows = rows.take(np.lexsort((_integers(rows, "tweet_id"), _integers(rows, "created_at"))))
        if self._drop_ids:  # only after sorting by them
            place = rows.column_names.index("tweet_id")
            rows = rows.set_column(place, "tweet_id", pa.nulls(len(rows), pa.int64()))
        for name, value in self._constants.items():
            rows = rows.append_column(name, pa.repeat(value, len(rows)))
        writer.write_table(rows.select(_FILE_SCHEMA.names), row_group_size=len(rows))
        self.rows += len(rows)
