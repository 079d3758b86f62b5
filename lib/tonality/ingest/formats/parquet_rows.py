"""Parquet as an archive: rows of a table, all of them or those of some row groups."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.containers.compression import FREE_EXPANSION
from tonality.ingest.formats.record import Record, RejectedRecord
from tonality.ingest.formats.row_mapping import RowReader, column_order, missing_columns
from tonality.ingest.options import ColumnNames

__all__ = ["ParquetRecords", "parquet_columns"]

_BATCH_ROWS: Final = 4096
_BATCH_BYTES: Final = 2**28
"""What a batch may come to where every row holds all that the dictionaries of its columns do."""
_RAW_CHARACTERS: Final = 4096
"""Of a field that is too long, in the raw form of its record."""
_PAGE_HEADER: Final = re.compile(rb"\x15([\x80-\xff]{0,4}[\0-\x7f])\x15([\x80-\xff]{0,4}[\0-\x7f])", re.DOTALL)
"""A page's kind and its unpacked bytes: the first two fields of its header, in Thrift's compact protocol."""
_DICTIONARY_PAGE: Final = 2


class ParquetRecords:
    """Rows of a Parquet file, of all of its row groups or of some.

    The offset of a row is how many stand before it in the file, its raw form is JSON. A row group that cannot be read,
    or that expands more than so many times, is damage, and the others are read. A row of more than
    max_record characters is rejected.
    """

    def __init__(
        self,
        file: BinaryIO,
        columns: ColumnNames,
        max_record: int,
        max_expansion: int,
        row_groups: range | None = None,
    ) -> None:
        self._file = file
        self._max_record = max_record
        self._max_expansion = max_expansion
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
        """The fields of a row group's rows, batch by batch. Raises ArrowInvalid where it expands beyond the bound."""
        expected = list(dict.fromkeys(filter(None, self._names)))
        about = parquet.metadata.row_group(group)
        chunks = [about.column(number) for number in range(about.num_columns)]
        read = [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in expected]
        bound = max(FREE_EXPANSION, self._max_expansion * sum(chunk.total_compressed_size for chunk in read))
        self._refuse_more(sum(chunk.total_uncompressed_size for chunk in read), bound)
        given = 0
        for batch in parquet.iter_batches(batch_size=self._batch_rows(read), row_groups=[group], columns=expected):
            given += batch.nbytes
            self._refuse_more(given, bound)
            absent = [None] * batch.num_rows
            columns = {name: _values(batch.column(batch.schema.names.index(name))) for name in expected}
            yield from zip(*(columns.get(name, absent) for name in self._names), strict=True)

    def _refuse_more(self, unpacked: int, bound: int) -> None:
        if unpacked > bound:
            raise pa.ArrowInvalid(f"it expands more than {self._max_expansion} times")

    def _batch_rows(self, chunks: Iterable[pq.ColumnChunkMetaData]) -> int:
        """How many rows are read at once: a kilobyte of Parquet may hold ten megabytes in each of a million rows."""
        return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, sum(map(self._dictionary_bytes, chunks)))))

    def _dictionary_bytes(self, chunk: pq.ColumnChunkMetaData) -> int:
        """The bytes of the values that rows of a column share, by the header that the reader will go by."""
        self._file.seek(min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)), default=0))
        header = _PAGE_HEADER.match(self._file.read(_BATCH_ROWS))
        if not header:  # in another form, which no writer uses
            return _BATCH_BYTES
        kind, unpacked = map(_thrift_number, header.groups())
        return unpacked if kind == _DICTIONARY_PAGE else 0

    def _record(self, number: int, row: tuple[object, ...]) -> Record:
        size = sum(len(field) for field in row if isinstance(field, str | bytes))
        try:
            if size > self._max_record:
                row = tuple(field[:_RAW_CHARACTERS] if isinstance(field, str | bytes) else field for field in row)
                raise RejectedRecord("too-long", f"{size} characters, at most {self._max_record}")
            return Record(number - 1, number, b"", self._reader.tweet(row))
        except RejectedRecord as rejected:
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


def _thrift_number(zigzag: bytes) -> int:
    """A signed number as Thrift's compact protocol writes it: seven bits a byte, the lowest first, the sign last."""
    number = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(zigzag))
    return (number >> 1) ^ -(number & 1)


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
