"""A Parquet file written by a task in large row groups, from rows that arrive a few at a time."""

import secrets
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.runtime.storage.urls import filesystem, join

__all__ = ["BufferedParquetWriter"]


class BufferedParquetWriter(ABC):
    """A buffered writer of a file with a unique name, created with the first rows and complete on exit."""

    def __init__(self, folder: str, prefix: str, max_rows: int, max_bytes: int) -> None:
        """The buffer is flushed at `max_rows` rows or `max_bytes` bytes in memory."""
        self.name = f"{prefix}{secrets.token_hex(16)}.parquet"
        self._url = join(folder, self.name)
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._buffer: list[pa.Table] = []
        self._rows = 0
        self._bytes = 0
        self._open = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._open:
            if error is None and self._rows:
                self._flush()

    def add(self, rows: pa.Table) -> None:
        """Buffer rows, and write the buffer if it is full."""
        self._buffer.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows >= self._max_rows or self._bytes >= self._max_bytes:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            system, path = filesystem(self._url)
            file = self._open.enter_context(system.open(path, "wb"))
            self._writer = self._open.enter_context(self._new_writer(file))
        self._write(self._writer, pa.concat_tables(self._buffer))
        self._buffer, self._rows, self._bytes = [], 0, 0

    @abstractmethod
    def _new_writer(self, file: BinaryIO) -> pq.ParquetWriter:
        """Open a Parquet writer on the file."""

    @abstractmethod
    def _write(self, writer: pq.ParquetWriter, rows: pa.Table) -> None:
        """Write the buffered rows as row groups."""
