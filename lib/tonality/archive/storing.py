"""Tweets on their way from a pass to their days: into Parquet files that the tasks write themselves.

Rows that a Python worker hands to Spark are copied from Arrow to Java's rows and from those to Parquet; a file that the
worker writes costs an eighth of that. Each task has a file of its own, under a name that no other attempt of the task
has; what the task yields at its end vouches for it.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.locations import filesystem, join
from tonality.schema import KEPT, NOTES

__all__ = ["stored"]

_ROW_GROUP: Final = 32_768
"""Rows of a row group: what Spark reads at once."""
_WAITING_BYTES: Final = 2**26
"""Of rows that wait for their row group to fill: tweets may be a thousand times longer than Twitter's."""


def stored(batches: Iterable[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    """What is no tweet of batches of schema.STAGED, each of tweets or of others, as schema.NOTES.

    The tweets go to a file of schema.KEPT in the folder, if there are any; the last row, of the kind `file`, names it.
    """
    with _TweetFile(folder) as file:
        for batch in batches:
            if batch["kind"][0].as_py() == "tweet":
                file.write(batch.select(KEPT.names))
            else:
                yield batch.select(NOTES.names)
    if file.is_there:
        yield pa.RecordBatch.from_pylist([{"kind": "file", "path": file.name}], schema=NOTES)


class _TweetFile:
    """A Parquet file that is there once it has rows, and whole once it is left."""

    def __init__(self, folder: str) -> None:
        self.name = f"{secrets.token_hex(16)}.parquet"
        self._place = join(folder, self.name)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0
        self._open = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    @property
    def is_there(self) -> bool:
        """Whether anything was written."""
        return self._writer is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._open:
            if error is None and self._waiting:
                self._flush()

    def write(self, rows: pa.RecordBatch) -> None:
        """Add rows, a row group at a time."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows >= _ROW_GROUP or self._bytes >= _WAITING_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            system, path = filesystem(self._place)
            file = self._open.enter_context(system.open(path, "wb"))
            self._writer = self._open.enter_context(pq.ParquetWriter(file, KEPT, compression="lz4"))
        self._writer.write_table(pa.Table.from_batches(self._waiting))
        self._waiting, self._rows, self._bytes = [], 0, 0
