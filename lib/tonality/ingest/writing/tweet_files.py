"""Tweets of a pass, written by the tasks themselves to temporary Parquet files, sorted by day.

Rows that a Python worker returns to Spark are copied from Arrow to Java rows and from those to Parquet; a file written
by the worker itself costs an eighth of that. Each attempt of a task writes a file with a unique name, which counts only
if the task manifest names it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.formats.timestamps import DAY_MICROSECONDS
from tonality.ingest.writing.buffered_parquet import BufferedParquetWriter
from tonality.runtime.storage.schema import KEPT, STAGED, TASK_MANIFEST

__all__ = ["Int64Array", "write_tweets"]

Int64Array = np.ndarray[Any, np.dtype[np.int64]]

_BUFFER_ROWS: Final = 2**17
_BUFFER_BYTES: Final = 2**26
"""The most rows and bytes sorted at once: tweets may be a thousand times longer than Twitter's."""
_GROUP_ROWS: Final = 2**15
"""The most rows of a row group, which is read at once."""
_MIN_DAY_ROWS: Final = 2**12
"""The least rows of a day with row groups of its own; a day with fewer shares one with adjacent days."""
_DICTIONARY_COLUMNS: Final = ["author", "lang", "hashtags.list.element", "source"]
"""Columns with repeated values; trying a dictionary on the others costs a third more time."""


def write_tweets(batches: Iterable[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """Write the tweets of batches to a file and yield the task manifest: the other rows, then the file's row groups.

    The batches are of schema.STAGED, each with either tweets or other rows. The file, of schema.KEPT, is only created
    if there are tweets; each of its row groups is sorted by day and has a manifest row of the kind `group`.
    """
    with _TweetFile(folder) as file:
        for batch in batches:
            if batch["kind"][0].as_py() == "tweet":
                file.add(pa.Table.from_batches([batch.select(KEPT.names)]))
            else:
                yield _manifest_rows(batch)
    if groups := file.groups:
        yield pa.RecordBatch.from_pylist(groups, schema=TASK_MANIFEST)


def _manifest_rows(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Convert rows of schema.STAGED, other than tweets, to schema.TASK_MANIFEST."""
    columns = [rows[f.name] if f.name in STAGED.names else pa.nulls(len(rows), f.type) for f in TASK_MANIFEST]
    return pa.RecordBatch.from_arrays(columns, schema=TASK_MANIFEST)


class _TweetFile(BufferedParquetWriter):
    """The tweets of a task, in row groups by day."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder, "", _BUFFER_ROWS, _BUFFER_BYTES)
        self._days: list[dict[str, Any]] = []
        self._metadata: list[pq.FileMetaData] = []

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Manifest rows of the row groups, once the file is complete."""
        return [
            {
                "kind": "group",
                "path": self.name,
                "group": number,
                **days,
                "bytes": sum(group.column(n).total_compressed_size for n in range(group.num_columns)),
            }
            for metadata in self._metadata
            for number, days in enumerate(self._days)
            for group in [metadata.row_group(number)]
        ]

    def _new_writer(self, file: BinaryIO) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            file, KEPT, compression="lz4", use_dictionary=_DICTIONARY_COLUMNS, metadata_collector=self._metadata
        )

    def _write(self, writer: pq.ParquetWriter, rows: pa.Table) -> None:
        times = rows["created_at"].cast(pa.int64()).to_numpy()
        days = times // DAY_MICROSECONDS
        if (days[1:] < days[:-1]).any():
            order = np.argsort(days, kind="stable")
            rows, times, days = rows.combine_chunks().take(order), times[order], days[order]
        for start, end in _row_groups(days):
            writer.write_table(rows.slice(start, end - start), row_group_size=end - start)
            distinct, counts = np.unique(days[start:end], return_counts=True)
            first = int(times[start:end].min())
            self._days.append({"first": first, "days": distinct.tolist(), "counts": counts.tolist()})


def _row_groups(days: Int64Array) -> Iterator[tuple[int, int]]:
    """The row ranges of row groups: cut between days with enough rows, and within large ones."""
    ends = [*(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist(), len(days)]
    start = 0
    for end in ends:
        if end - start >= _MIN_DAY_ROWS or end == len(days):
            for part in range(start, end, _GROUP_ROWS):
                yield part, min(part + _GROUP_ROWS, end)
            start = end
