"""A Parquet file that a task writes in large row groups, from rows that come few at a time."""

import secrets
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.runtime.storage.urls import filesystem, join

__all__ = ["BufferedParquetWriter"]


class BufferedParquetWriter(ABC):
    """A file under a name that no other has: there once it has rows, whole once it is left."""

    def __init__(self, folder: str, prefix: str, most_rows: int, most_bytes: int) -> None:
        self.name = f"{prefix}{secrets.token_hex(16)}.parquet"
        self._place = join(folder, self.name)
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._waiting: list[pa.Table] = []
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
        """Add rows; they are written once enough of them wait."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        self._bytes += rows.nbytes
        if self._rows >= self._most_rows or self._bytes >= self._most_bytes:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            system, path = filesystem(self._place)
            file = self._open.enter_context(system.open(path, "wb"))
            self._writer = self._open.enter_context(self._new_writer(file))
        self._write(self._writer, pa.concat_tables(self._waiting))
        self._waiting, self._rows, self._bytes = [], 0, 0

    @abstractmethod
    def _new_writer(self, file: BinaryIO) -> pq.ParquetWriter:
        """The writer of the file."""

    @abstractmethod
    def _write(self, writer: pq.ParquetWriter, rows: pa.Table) -> None:
        """Write the rows that waited, in row groups."""
