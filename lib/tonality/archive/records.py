"""A file's records, one by one, in each of the forms that archives have."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from tonality.archive.outcome import Notice, Rejected, Tweet
from tonality.archive.request import ReadRequest
from tonality.archive.rows import RowReader
from tonality.archive.status import parse_status
from tonality.archive.streams import Line, Lines, read_blocks

__all__ = ["Record", "Records", "open_records", "table_columns"]

_PARQUET_MAGIC: Final = b"PAR1"
_MULTILINE: Final = 200
"""Lines that a quoted field may run over before its quote is taken for a stray one."""


class Record(NamedTuple):
    """One record and what became of it."""

    offset: int
    number: int
    raw: bytes
    outcome: Tweet | Notice | Rejected


class Records(Protocol):
    """The records of a file. `damage`, after the iteration, says what broke the file, or is empty."""

    damage: str

    def __iter__(self) -> Iterator[Record]: ...


def open_records(file: BinaryIO, request: ReadRequest) -> Records:
    """The records of an open file, in the form that the request and the file's first bytes tell."""
    if request.format == "auto":
        return JsonRecords(Lines(read_blocks(file), request.max_record), request.max_record)
    assert request.columns is not None, "a table is read by column names"
    reader, names = RowReader(request.columns), list(request.columns.named().values())
    if _is_parquet(file):
        return ParquetRecords(file, reader, names)
    lines = Lines(read_blocks(file), request.max_record)
    return CsvRecords(lines, request.max_record, request.delimiter, reader, names)


def table_columns(file: BinaryIO, delimiter: str) -> list[str]:
    """The columns that a table's header names; empty where it has no header that can be read."""
    if _is_parquet(file):
        try:
            return list(pq.read_schema(file).names)
        except pa.ArrowInvalid:
            return []
    return _CsvRows(Lines(read_blocks(file), 2**20), delimiter).header()


def _is_parquet(file: BinaryIO) -> bool:
    magic = file.read(len(_PARQUET_MAGIC))
    file.seek(0)
    return magic == _PARQUET_MAGIC


def _checked(line: Line, max_record: int) -> bytes:
    if line.bytes > max_record:
        raise Rejected("too-long", f"{line.bytes} bytes, at most {max_record}")
    return line.content


def _cut_off(lines: Lines) -> Iterator[Record]:
    """The record in which the file broke off, if it broke inside one."""
    if lines.cut:
        yield Record(lines.cut.offset, lines.cut.number, lines.cut.content, Rejected("cut-off", lines.damage))


class JsonRecords:
    """Lines of JSON as Twitter's API v1.1 streams them."""

    def __init__(self, lines: Lines, max_record: int) -> None:
        self._lines = lines
        self._max_record = max_record
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        for line in self._lines:
            yield Record(line.offset, line.number, line.content, self._outcome(line))
        yield from _cut_off(self._lines)
        self.damage = self._lines.damage

    def _outcome(self, line: Line) -> Tweet | Notice | Rejected:
        try:
            return parse_status(_checked(line, self._max_record))
        except Rejected as rejected:
            return rejected


class CsvRecords:
    """Rows of a CSV file with a header (RFC 4180). The header is no record; a blank line is a notice."""

    def __init__(self, lines: Lines, max_record: int, delimiter: str, reader: RowReader, wanted: Sequence[str]) -> None:
        self._lines = lines
        self._rows = _CsvRows(lines, delimiter)
        self._max_record = max_record
        self._reader = reader
        self._wanted = wanted
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        header = self._rows.header()
        if missing := [name for name in self._wanted if name not in header]:
            self.damage = f"no column {', '.join(missing)}; there are {', '.join(header)}"
            return
        for line, fields in self._rows:
            yield Record(line.offset, line.number, line.content, self._outcome(line, header, fields))
        yield from _cut_off(self._lines)
        self.damage = self._lines.damage

    def _outcome(self, line: Line, header: list[str], fields: list[str] | Rejected) -> Tweet | Notice | Rejected:
        try:
            _checked(line, self._max_record)
            if isinstance(fields, Rejected):
                return fields
            if not fields:
                return Notice("blank")
            if len(fields) != len(header):
                return Rejected("malformed-csv", f"{len(fields)} fields, wanted {len(header)}")
            return self._reader.tweet(dict(zip(header, fields, strict=True)))
        except Rejected as rejected:
            return rejected


class _CsvRows:
    """Lines to rows of fields.

    A quoted field may hold line breaks, so a row may take several lines; but where a quote is never closed, or closes
    so that the row has another number of fields than the header, only the line it stands in is given up, and reading
    goes on with the next.
    """

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._lines = iter(lines)
        self._ahead: deque[Line] = deque()
        self._delimiter = delimiter
        self._width = 0

    def header(self) -> list[str]:
        """The first row's fields; empty where there is none."""
        _, fields = next(iter(self), (None, []))
        names = [] if isinstance(fields, Rejected) else [name.removeprefix("\ufeff") for name in fields]
        self._width = len(names)
        return names

    def __iter__(self) -> Iterator[tuple[Line, list[str] | Rejected]]:
        while (line := self._next()) is not None:
            try:
                yield line, self._row(line)
            except Rejected as rejected:
                yield line, rejected

    def _next(self) -> Line | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def _row(self, first: Line) -> list[str]:
        text = _decoded(first)
        fields = self._parse([text])
        if fields is not None:
            return fields
        taken: list[Line] = []
        texts = [text]
        while len(texts) < _MULTILINE and (line := self._next()) is not None:
            taken.append(line)
            try:
                texts.append(_decoded(line))
                fields = self._parse(texts)
            except Rejected:
                break
            if fields is not None and (not self._width or len(fields) == self._width):
                return fields
            if fields is not None:
                break
        self._ahead.extendleft(reversed(taken))
        raise Rejected("malformed-csv", "a quoted field that never ends")

    def _parse(self, texts: list[str]) -> list[str] | None:
        """The fields, or None where the last one is quoted and goes on."""
        try:
            rows = list(csv.reader((text + "\n" for text in texts), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if str(error) == "unexpected end of data":
                return None
            raise Rejected("malformed-csv", str(error)) from None
        return rows[0] if rows else []


def _decoded(line: Line) -> str:
    if b"\0" in line.content:
        raise Rejected("nul-byte")
    try:
        return line.content.decode("utf-8").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise Rejected("invalid-utf8", str(error)) from None


class ParquetRecords:
    """Rows of a Parquet file. The offset of a row is how many stand before it."""

    def __init__(self, file: BinaryIO, reader: RowReader, wanted: Sequence[str]) -> None:
        self._file = file
        self._reader = reader
        self._wanted = wanted
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        try:
            parquet = pq.ParquetFile(self._file)
            if missing := [name for name in self._wanted if name not in parquet.schema_arrow.names]:
                self.damage = f"no column {', '.join(missing)}; there are {', '.join(parquet.schema_arrow.names)}"
                return
            number = 0
            for batch in parquet.iter_batches(batch_size=4096, columns=self._wanted):
                for row in batch.to_pylist():
                    yield Record(number, number + 1, b"", self._outcome(row))
                    number += 1
        except (pa.ArrowException, OSError) as error:
            self.damage = f"Parquet file broken: {error}"

    def _outcome(self, row: dict[str, object]) -> Tweet | Rejected:
        try:
            return self._reader.tweet(row)
        except Rejected as rejected:
            raw = orjson.dumps(row, default=str)
            return Rejected(rejected.reason, f"{rejected.detail} in {raw[:1000].decode(errors='replace')}".strip())
