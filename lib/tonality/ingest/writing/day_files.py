"""Stored tweets to the files of their days: large days cut, small ones shared out, what is left out dropped.

Spark could do the same by a shuffle; Arrow's columns stay columns here, which takes a sixth of the time.
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
"""Of stored row groups, to a file: Zstandard makes 128 MiB of them."""
_SHARED_BYTES: Final = 2**26
"""Of stored rows, to a task of several days: a row group of several is held until its last day is written."""
_LEAST_BYTES: Final = 2**20
"""What is worth a task in any case."""
_TASKS_A_CORE: Final = 3
_GROUP_ROWS: Final = 2**17
_GROUP_BYTES: Final = 2**26
"""Rows and bytes of a row group, in memory: tweets may be a thousand times longer than Twitter's."""
_OF_FEW_VALUES: Final = ["author", "lang", "hashtags.list.element", "source", "rules", "run"]
"""Columns that a dictionary makes smaller."""
_RISING: Final = {"tweet_id": "DELTA_BINARY_PACKED", "created_at": "DELTA_BINARY_PACKED"}
_COMPARED: Final = ["tweet_id", "created_at", "author", "lang"]
"""Columns whose least and greatest values readers may ask for."""
_FILE_SCHEMA: Final = TWEETS.remove(TWEETS.get_field_index(DAY))
_STORED: Final = [name for name in KEPT.names if name in _FILE_SCHEMA.names]
_EPOCH: Final = date(1970, 1, 1)


class StoredRowGroup(NamedTuple):
    """A row group that a pass stored, sorted by days."""

    path: str
    """The name of its file."""
    number: int
    """Its place in the file, from 0."""
    first: int
    """The time of its earliest tweet, in microseconds since 1970."""
    days: tuple[int, ...]
    """The days that it has tweets of, since 1970."""
    counts: tuple[int, ...]
    """How many of each."""
    bytes: int


class DayFile(NamedTuple):
    """A file to be written: a day, or a part of it."""

    day: int
    """Since 1970."""
    groups: tuple[StoredRowGroup, ...]
    """Where its tweets are, beside some of other days."""


class WrittenFile(NamedTuple):
    """A file that was written."""

    day: str
    name: str
    rows: int


@dataclass(frozen=True)
class DayFileJob:
    """What all files have in common. HadoopRoot are URLs."""

    stored: str
    """Where the pass stored the tweets."""
    dropped: str
    """A table of what is left out: `path`, and `row` in the file."""
    folder: str
    """Where to write."""
    constants: Mapping[str, str]
    """Columns that are the same in all rows."""
    drop_ids: bool = False
    """Whether the tweets lose their ids."""


def plan_day_files(groups: Iterable[StoredRowGroup], cores: int) -> list[list[DayFile]]:
    """The files that each task writes: of about 128 MiB where a day has so much, one file of any other day."""
    days: dict[int, list[StoredRowGroup]] = defaultdict(list)
    weights: dict[int, float] = defaultdict(float)
    for group in groups:
        rows = sum(group.counts)
        for day, count in zip(group.days, group.counts, strict=True):
            days[day].append(group)
            weights[day] += group.bytes * count / rows
    task_bytes = min(_SHARED_BYTES, max(_LEAST_BYTES, sum(weights.values()) / (cores * _TASKS_A_CORE)))
    tasks: list[list[DayFile]] = []
    filled = 0.0
    for day in sorted(days):
        parts = max(1, round(weights[day] / _FILE_BYTES))
        for part in _parts(_in_order(days[day]), parts):
            if not tasks or filled + weights[day] / parts > task_bytes:
                tasks.append([])
                filled = 0
            tasks[-1].append(DayFile(day, part))
            filled += weights[day] / parts
    return tasks


def _in_order(groups: Iterable[StoredRowGroup]) -> list[StoredRowGroup]:
    """Groups of one file together, files by their first tweet of the day."""
    files: dict[str, list[StoredRowGroup]] = defaultdict(list)
    for group in groups:
        files[group.path].append(group)
    of_files = [sorted(file, key=lambda group: group.number) for file in files.values()]
    return [group for file in sorted(of_files, key=lambda file: (file[0].first, file[0].path)) for group in file]


def _parts(groups: Sequence[StoredRowGroup], count: int) -> Iterator[tuple[StoredRowGroup, ...]]:
    """The groups in so many parts, or fewer, of about the same bytes."""
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
    """Write a task's files, each under a name that no other has; a day whose tweets are all left out gets none."""
    with _StoredTweets(files, job) as stored:
        for file in files:
            with _Writer(job) as writer:
                for group in file.groups:
                    writer.add(stored.rows(group, file.day))
            if writer.rows:
                yield WrittenFile(str(_EPOCH + timedelta(days=file.day)), writer.name, writer.rows)


class _StoredTweets:
    """The stored tweets of a task's days, without those that are left out; each row group is read once."""

    def __init__(self, files: Sequence[DayFile], job: DayFileJob) -> None:
        self._stored = job.stored
        self._days = range(files[0].day, files[-1].day + 1)
        self._uses = Counter(group for file in files for group in file.groups)
        self._dropped = _dropped(job.dropped, {group.path for group in self._uses})
        self._kept: dict[StoredRowGroup, pa.Table] = {}
        self._open = ExitStack()
        self._file: pq.ParquetFile | None = None
        self._path = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def rows(self, group: StoredRowGroup, day: int) -> pa.Table:
        """A group's rows of a day. What no other of the task's files needs is let go."""
        rows = self._kept.pop(group, None)
        if rows is None:
            rows = self._read(group)
        self._uses[group] -= 1
        if self._uses[group]:
            self._kept[group] = rows
        start, end = _between(rows, range(day, day + 1))
        return rows.slice(start, end - start)

    def _read(self, group: StoredRowGroup) -> pa.Table:
        """A group's rows of the task's days."""
        file = self._opened(group.path)
        rows = file.read_row_group(group.number, _STORED, use_threads=False)
        start, end = _between(rows, self._days)
        expected = np.zeros(rows.num_rows, dtype=bool)
        expected[start:end] = True
        if (dropped := self._dropped.get(group.path)) is not None:
            before = sum(file.metadata.row_group(number).num_rows for number in range(group.number))
            in_group = dropped[(dropped >= before) & (dropped < before + rows.num_rows)]
            expected[in_group - before] = False
        return rows if expected.all() else rows.take(np.flatnonzero(expected))

    def _opened(self, path: str) -> pq.ParquetFile:
        """The file of the group before, most often: a day's groups come file by file."""
        if self._file is None or path != self._path:
            self._open.close()
            system, place = filesystem(join(self._stored, path))
            self._file = self._open.enter_context(pq.ParquetFile(self._open.enter_context(system.open(place, "rb"))))
            self._path = path
        return self._file


def _dropped(table: str, paths: set[str]) -> dict[str, Int64Array]:
    """Which rows of these files are left out."""
    system, place = filesystem(table)
    found = ds.dataset(place, filesystem=system, format="parquet").to_batches(
        columns=["path", "row"], filter=ds.field("path").isin(sorted(paths)), use_threads=False
    )
    rows: dict[str, list[Int64Array]] = defaultdict(list)
    for batch in found:
        codes = batch["path"].dictionary_encode()
        for code, path in enumerate(codes.dictionary.to_pylist()):
            rows[path].append(batch["row"].to_numpy()[codes.indices.to_numpy() == code])
    return {path: np.concatenate(parts) for path, parts in rows.items()}


def _between(rows: pa.Table, days: range) -> tuple[int, int]:
    """Where the rows of these days begin and end, among rows that are sorted by days."""
    start, end = np.searchsorted(_numbers(rows, "created_at") // DAY_MICROSECONDS, (days.start, days.stop))
    return int(start), int(end)


def _numbers(rows: pa.Table, column: str) -> Int64Array:
    numbers: Int64Array = rows[column].cast(pa.int64()).to_numpy()
    return numbers


class _Writer(BufferedParquetWriter):
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
            use_dictionary=_OF_FEW_VALUES,
            column_encoding=_RISING,
            write_statistics=_COMPARED,
        )

    def _write(self, writer: pq.ParquetWriter, rows: pa.Table) -> None:
        rows = rows.combine_chunks()
        rows = rows.take(np.lexsort((_numbers(rows, "tweet_id"), _numbers(rows, "created_at"))))
        if self._drop_ids:  # by which they have just been put in order
            place = rows.column_names.index("tweet_id")
            rows = rows.set_column(place, "tweet_id", pa.nulls(len(rows), pa.int64()))
        for name, value in self._constants.items():
            rows = rows.append_column(name, pa.repeat(value, len(rows)))
        writer.write_table(rows.select(_FILE_SCHEMA.names), row_group_size=len(rows))
        self.rows += len(rows)
