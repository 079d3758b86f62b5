"""Tweets on their way from a pass to their days: into Parquet files that the tasks write themselves.

Rows that a Python worker hands to Spark are copied from Arrow to Java's rows and from those to Parquet; a file that the
worker writes costs an eighth of that. Each task has a file of its own, under a name that no other attempt of the task
has; what the task yields at its end vouches for it.
"""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.formats.timestamps import DAY_MICROSECONDS
from tonality.ingest.writing.buffered_parquet import BufferedParquetWriter
from tonality.runtime.storage.schema import KEPT, STAGED, TASK_MANIFEST

__all__ = ["Int64Array", "stored"]

Int64Array = np.ndarray[Any, np.dtype[np.int64]]

_WAITING_ROWS: Final = 2**17
_WAITING_BYTES: Final = 2**26
"""Of rows that wait to be put in order: tweets may be a thousand times longer than Twitter's."""
_GROUP_ROWS: Final = 2**15
"""Rows of a row group: what is read at once."""
_LEAST_ROWS: Final = 2**12
"""Rows from which on a day has row groups of its own; with fewer it shares one with the days beside it."""
_OF_FEW_VALUES: Final = ["author", "lang", "hashtags.list.element", "source"]
"""Columns that a dictionary makes smaller; to look for one in the others costs a third more."""


def stored(batches: Iterable[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """What is no tweet of batches of schema.STAGED, each of tweets or of others, as schema.TASK_MANIFEST.

    The tweets go to a file of schema.KEPT in the folder, if there are any. The last rows, of the kind `group`, tell of
    its row groups, each of which is sorted by days.
    """
    with _TweetFile(folder) as file:
        for batch in batches:
            if batch["kind"][0].as_py() == "tweet":
                file.add(pa.Table.from_batches([batch.select(KEPT.names)]))
            else:
                yield _note(batch)
    if groups := file.groups:
        yield pa.RecordBatch.from_pylist(groups, schema=TASK_MANIFEST)


def _note(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of schema.STAGED that are no tweets, as schema.TASK_MANIFEST."""
    columns = [rows[f.name] if f.name in STAGED.names else pa.nulls(len(rows), f.type) for f in TASK_MANIFEST]
    return pa.RecordBatch.from_arrays(columns, schema=TASK_MANIFEST)


class _TweetFile(BufferedParquetWriter):
    """A task's tweets, in row groups by days."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder, "", _WAITING_ROWS, _WAITING_BYTES)
        self._days: list[dict[str, Any]] = []
        self._written: list[pq.FileMetaData] = []

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Notes of the row groups, once the file is whole."""
        return [
            {
                "kind": "group",
                "path": self.name,
                "group": number,
                **days,
                "bytes": sum(group.column(n).total_compressed_size for n in range(group.num_columns)),
            }
            for metadata in self._written
            for number, days in enumerate(self._days)
            for group in [metadata.row_group(number)]
        ]

    def _new_writer(self, file: BinaryIO) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            file, KEPT, compression="lz4", use_dictionary=_OF_FEW_VALUES, metadata_collector=self._written
        )

    def _write(self, writer: pq.ParquetWriter, rows: pa.Table) -> None:
        times = rows["created_at"].cast(pa.int64()).to_numpy()
        days = times // DAY_MICROSECONDS
        if (days[1:] < days[:-1]).any():
            order = np.argsort(days, kind="stable")
            rows, times, days = rows.combine_chunks().take(order), times[order], days[order]
        for start, end in _row_groups(days):
            writer.write_table(rows.slice(start, end - start), row_group_size=end - start)
            held, counts = np.unique(days[start:end], return_counts=True)
            first = int(times[start:end].min())
            self._days.append({"first": first, "days": held.tolist(), "counts": counts.tolist()})


def _row_groups(days: Int64Array) -> Iterator[tuple[int, int]]:
    """Where to cut rows of these days: between two, as far as they have rows enough, and large ones into parts."""
    ends = [*(np.flatnonzero(days[1:] != days[:-1]) + 1).tolist(), len(days)]
    start = 0
    for end in ends:
        if end - start >= _LEAST_ROWS or end == len(days):
            for part in range(start, end, _GROUP_ROWS):
                yield part, min(part + _GROUP_ROWS, end)
            start = end
