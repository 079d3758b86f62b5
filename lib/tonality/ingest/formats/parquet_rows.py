"""Tables in Parquet: the rows of all or of some row groups as records."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.containers.compression import FREE_EXPANSION
from tonality.ingest.formats.record import Record, RejectedRecord
from tonality.ingest.formats.row_mapping import RowMapper, missing_columns

__all__ = ["ParquetRecords", "parquet_columns"]

T = TypeVar("T")

_BATCH_ROWS: Final = 4096
_BATCH_BYTES: Final = 2**28
"""Maximum size of a batch if every row held all values of its columns' dictionaries."""
_RAW_CHARACTERS: Final = 4096
"""Length to which the fields of a too long row are truncated in its raw record."""
_PAGE_HEADER: Final = re.compile(rb"\x15([\x80-\xff]{0,4}[\0-\x7f])\x15([\x80-\xff]{0,4}[\0-\x7f])", re.DOTALL)
"""A page's type and uncompressed size: the first two fields of its header, in Thrift's compact protocol."""
_DICTIONARY_PAGE: Final = 2


class ParquetRecords(Generic[T]):
    """The records of a Parquet file, or of some of its row groups.

    A record's offset is its row index in the file; its raw form is JSON. A row group that cannot be read or expands
    more than `max_expansion` times is damage, and the others are still read. A row of more than `max_record` characters
    is rejected.
    """

    def __init__(
        self,
        file: BinaryIO,
        mapper: RowMapper[T],
        max_record: int,
        max_expansion: int,
        row_groups: range | None = None,
    ) -> None:
        self._file = file
        self._max_record = max_record
        self._max_expansion = max_expansion
        self._mapper = mapper
        self._names = mapper.columns
        self._row_groups = row_groups
        self.damage = ""

    def __iter__(self) -> Iterator[Record[T]]:
        try:
            parquet = pq.ParquetFile(self._file, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            self.damage = f"Parquet file broken: {_file_damage(error)}"
            return
        self.damage = missing_columns(self._names, parquet.schema_arrow.names)
        if self.damage:
            return
        damage: list[str] = []
        first = 0
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            if self._row_groups is None or group in self._row_groups:
                number = first
                try:
                    for number, row in enumerate(self._rows(parquet, group), first + 1):
                        yield self._record(number, row)
                except (pa.ArrowException, OSError) as error:
                    damage.append(f"rows {number + 1} to {first + rows}: {_file_damage(error)}")
            first += rows
        self.damage = f"Parquet file broken: {'; '.join(damage)}" if damage else ""

    def _rows(self, parquet: pq.ParquetFile, group: int) -> Iterator[tuple[object, ...]]:
        """Yield the fields of each row of a row group. Raises ArrowInvalid if it exceeds the expansion limit."""
        expected = list(dict.fromkeys(filter(None, self._names)))
        metadata = parquet.metadata.row_group(group)
        chunks = [metadata.column(index) for index in range(metadata.num_columns)]
        read = [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in expected]
        limit = max(FREE_EXPANSION, self._max_expansion * sum(chunk.total_compressed_size for chunk in read))
        self._check_expansion(sum(chunk.total_uncompressed_size for chunk in read), limit)
        decoded = 0
        for batch in parquet.iter_batches(batch_size=self._batch_rows(read), row_groups=[group], columns=expected):
            decoded += batch.nbytes
            self._check_expansion(decoded, limit)
            absent = [None] * batch.num_rows
            columns = {name: _values(batch.column(batch.schema.names.index(name))) for name in expected}
            yield from zip(*(columns.get(name, absent) for name in self._names), strict=True)

    def _check_expansion(self, size: int, limit: int) -> None:
        if size > limit:
            raise pa.ArrowInvalid(f"it expands more than {self._max_expansion} times")

    def _batch_rows(self, chunks: Iterable[pq.ColumnChunkMetaData]) -> int:
        """Return the number of rows read at once. A kilobyte of Parquet can hold a million rows of ten megabytes."""
        return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, sum(map(self._dictionary_bytes, chunks)))))

    def _dictionary_bytes(self, chunk: pq.ColumnChunkMetaData) -> int:
        """Return the uncompressed size of a column chunk's dictionary, from the page header that the reader trusts."""
        self._file.seek(min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)), default=0))
        header = _PAGE_HEADER.match(self._file.read(_BATCH_ROWS))
        if not header:  # valid, but written by no known program
            return _BATCH_BYTES
        page_type, size = map(_parse_varint, header.groups())
        return size if page_type == _DICTIONARY_PAGE else 0

    def _record(self, number: int, row: tuple[object, ...]) -> Record[T]:
        size = sum(len(field) for field in row if isinstance(field, str | bytes))
        try:
            if size > self._max_record:
                row = tuple(field[:_RAW_CHARACTERS] if isinstance(field, str | bytes) else field for field in row)
                raise RejectedRecord("too-long", f"{size} characters, at most {self._max_record}")
            return Record(number - 1, number, b"", self._mapper.map_row(row))
        except RejectedRecord as rejected:
            named = {name: value for name, value in zip(self._names, row, strict=True) if name}
            raw = json.dumps(named, ensure_ascii=False, default=str).encode("utf-8", "replace")
            return Record(number - 1, number, raw, rejected)


def parquet_columns(file: BinaryIO) -> list[str]:
    """Return the column names of a Parquet file; none if it is broken."""
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError) as error:
        _file_damage(error)
        return []


def _parse_varint(zigzag: bytes) -> int:
    """Parse a signed number of Thrift's compact protocol: a zigzag varint of seven bits a byte, the lowest first."""
    number = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(zigzag))
    return (number >> 1) ^ -(number & 1)


def _file_damage(error: Exception) -> str:
    """Return the description of a file's damage. An error of the disk or the network is raised again."""
    if getattr(error, "errno", None) is not None:
        raise error
    return " ".join(str(error).split())


def _values(column: pa.Array) -> Iterable[object]:
    """Return a column's values as Python objects, each separately if one cannot be converted."""
    if pa.types.is_timestamp(column.type) and column.type.tz:  # stored in UTC; the zone's name may be unknown here
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
        return f"{scalar.type}: {error}"  # a time out of Python's range, rejected with this text by the mapper
