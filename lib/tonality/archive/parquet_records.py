"""Parquet as an archive: rows of a table, all of them or those of some row groups."""

import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.archive.outcome import Record, Rejected
from tonality.archive.request import ColumnNames
from tonality.archive.rows import RowReader, column_order, missing_columns

__all__ = ["ParquetRecords", "parquet_columns"]

_BATCH_ROWS: Final = 4096


class ParquetRecords:
    """Rows of a Parquet file, of all of its row groups or of some.

    The offset of a row is how many stand before it in the file, its raw form is JSON. A row group that cannot be read
    is damage, and the others are read.
    """

    def __init__(self, file: BinaryIO, columns: ColumnNames, row_groups: range | None = None) -> None:
        self._file = file
        self._names = column_order(columns)
        self._columns = columns
        self._row_groups = row_groups
        self._reader = RowReader(columns)
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        try:
            parquet = pq.ParquetFile(self._file, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            self.damage = f"Parquet file broken: {_in_the_file(error)}"
            return
        self.damage = missing_columns(self._columns, parquet.schema_arrow.names)
        if self.damage:
            return
        lost: list[str] = []
        first = 0
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            if self._row_groups is None or group in self._row_groups:
                number = first
                try:
                    for number, row in enumerate(self._rows(parquet, group), first + 1):
                        yield self._record(number, row)
                except (pa.ArrowException, OSError) as error:
                    lost.append(f"rows {number + 1} to {first + rows}: {_in_the_file(error)}")
            first += rows
        self.damage = f"Parquet file broken: {'; '.join(lost)}" if lost else ""

    def _rows(self, parquet: pq.ParquetFile, group: int) -> Iterator[tuple[object, ...]]:
        """The fields of a row group's rows, batch by batch."""
        wanted = list(dict.fromkeys(filter(None, self._names)))
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group], columns=wanted):
            absent = [None] * batch.num_rows
            columns = {name: _values(batch.column(batch.schema.names.index(name))) for name in wanted}
            yield from zip(*(columns.get(name, absent) for name in self._names), strict=True)

    def _record(self, number: int, row: tuple[object, ...]) -> Record:
        try:
            return Record(number - 1, number, b"", self._reader.tweet(row))
        except Rejected as rejected:
            named = {name: value for name, value in zip(self._names, row, strict=True) if name}
            raw = json.dumps(named, ensure_ascii=False, default=str).encode("utf-8", "replace")
            return Record(number - 1, number, raw, rejected)


def parquet_columns(file: BinaryIO) -> list[str]:
    """The columns of a Parquet file; empty where it is broken."""
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError) as error:
        _in_the_file(error)
        return []


def _in_the_file(error: Exception) -> str:
    """What the error says of the file; raises it where it is the disk's or the network's."""
    if getattr(error, "errno", None) is not None:
        raise error
    return " ".join(str(error).split())


def _values(column: pa.Array) -> Iterable[object]:
    """A column's values. Where Python has no form for one, each alone: text that is no UTF-8 as bytes."""
    if pa.types.is_timestamp(column.type) and column.type.tz:  # a moment, whatever the zone is called
        column = column.view(pa.timestamp(column.type.unit, "UTC"))
    try:
        values: Iterable[object] = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(scalar) for scalar in column]
    return values


def _value(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        text = scalar.value if isinstance(scalar, pa.DictionaryScalar) else scalar
        return bytes(text.as_buffer())
    except (ValueError, OverflowError) as error:
        return f"{scalar.type}: {error}"  # a time beyond those of Python, for whoever takes times to reject
