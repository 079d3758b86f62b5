"""A file's records, one by one, in each of the forms that archives have."""

import csv
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import BinaryIO, Final, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.archive.outcome import Notice, Rejected, Tweet
from tonality.archive.request import ColumnNames, ReadRequest
from tonality.archive.rows import RowReader
from tonality.archive.status import parse_status
from tonality.archive.streams import Line, Lines, read_blocks

__all__ = ["Record", "Records", "open_records", "table_columns"]

_PARQUET_MAGIC: Final = b"PAR1"
_HEADER_BYTES: Final = 2**20
_MULTILINE: Final = 200
"""Lines that a quoted field may run over before its quote is taken for a stray one."""


_Wanted = Callable[[Sequence[str | None]], tuple[str | None, ...]]
"""Picks the fields of ColumnNames out of a row."""


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
    if request.format == "table":
        assert request.columns is not None, "a table is read by column names"
        if _is_parquet(file):
            return ParquetRecords(file, request.columns)
        return CsvRecords(Lines(read_blocks(file), request.max_record), request.delimiter, request.columns)
    return JsonRecords(Lines(read_blocks(file), request.max_record))


def table_columns(file: BinaryIO, delimiter: str) -> list[str]:
    """The columns that a table's header names; empty where it has no header that can be read."""
    if _is_parquet(file):
        try:
            return list(pq.read_schema(file).names)
        except (pa.ArrowException, OSError):
            return []
    return _CsvRows(Lines(read_blocks(file), _HEADER_BYTES), delimiter).header


def _is_parquet(file: BinaryIO) -> bool:
    magic = file.read(len(_PARQUET_MAGIC))
    file.seek(0)
    return magic == _PARQUET_MAGIC


def _refuse_too_long(line: Line) -> None:
    if line.is_too_long:
        raise Rejected("too-long", f"{line.bytes} bytes, at most {len(line.content)}")


def _cut_off(lines: Lines) -> Iterator[Record]:
    """The record in which the file broke off, if it broke inside one."""
    if lines.cut:
        yield Record(lines.cut.offset, lines.cut.number, lines.cut.content, Rejected("cut-off", lines.damage))


def _missing_columns(columns: ColumnNames, found: Sequence[str]) -> str:
    """What keeps a table from being read by these columns, or nothing."""
    missing = [name for name in columns.named().values() if name not in found]
    return f"no column {', '.join(missing)}; there are {', '.join(found) or 'none'}" if missing else ""


class JsonRecords:
    """Lines of JSON as Twitter's API v1.1 streams them."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        for line in self._lines:
            yield Record(line.offset, line.number, line.content, self._outcome(line))
        yield from _cut_off(self._lines)
        self.damage = self._lines.damage

    def _outcome(self, line: Line) -> Tweet | Notice | Rejected:
        try:
            _refuse_too_long(line)
            return parse_status(line.content)
        except Rejected as rejected:
            return rejected


class CsvRecords:
    """Rows of a CSV file with a header (RFC 4180). The header is no record; a blank line is a notice."""

    def __init__(self, lines: Lines, delimiter: str, columns: ColumnNames) -> None:
        self._lines = lines
        self._rows = _CsvRows(lines, delimiter)
        self._columns = columns
        self._reader = RowReader(columns)
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        header = self._rows.header
        self.damage = _missing_columns(self._columns, header)
        if self.damage:
            return
        absent = len(header)  # where _outcome puts a None
        names = self._columns.model_dump().values()
        wanted: _Wanted = itemgetter(*(header.index(name) if name else absent for name in names))
        for line, fields in self._rows:
            yield Record(line.offset, line.number, line.content, self._outcome(line, fields, len(header), wanted))
        yield from _cut_off(self._lines)
        self.damage = self._lines.damage

    def _outcome(
        self, line: Line, fields: list[str] | Rejected, width: int, wanted: _Wanted
    ) -> Tweet | Notice | Rejected:
        if isinstance(fields, Rejected):
            return fields
        if not fields:
            return Notice("blank")
        if len(fields) != width:
            return Rejected("malformed-csv", f"{len(fields)} fields, wanted {width}")
        try:
            _refuse_too_long(line)
            return self._reader.tweet(wanted([*fields, None]))
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
        self._max_record = lines.max_record
        self._delimiter = delimiter
        self._ahead: deque[Line] = deque()  # lines of a row that was given up, to be read again
        self._taken: list[Line] = []  # lines of the row that is being read
        self._rows = self._read()
        self.header: list[str] = []
        """The first row's fields; empty where there is none."""
        _, fields = next(self._rows, (None, []))
        if not isinstance(fields, Rejected):
            self.header = fields

    def __iter__(self) -> Iterator[tuple[Line, list[str] | Rejected]]:
        """The rows after the header, each with the line it stands in, or with all of its lines as one."""
        return self._rows

    def _read(self) -> Iterator[tuple[Line, list[str] | Rejected]]:
        while True:
            try:
                for fields in csv.reader(self._texts(), delimiter=self._delimiter, strict=True):
                    if self.header and len(self._taken) > 1 and len(fields) != len(self.header):
                        raise Rejected("malformed-csv")
                    yield self._whole_line(), fields
                    self._taken.clear()
            except (Rejected, csv.Error) as error:
                yield self._give_up(error)
            else:
                return

    def _texts(self) -> Iterator[str]:
        """The lines as text, read as the CSV reader asks for them; an end, where a row takes too many."""
        while len(self._taken) < _MULTILINE:
            line = self._ahead.popleft() if self._ahead else next(self._lines, None)
            if line is None:
                return
            self._taken.append(line)
            text = _decoded(line)
            yield text if line.number > 1 else text.removeprefix("\ufeff")

    def _whole_line(self) -> Line:
        """The lines of a row as one."""
        if len(self._taken) == 1:
            return self._taken[0]
        first, content = self._taken[0], b"\n".join(line.content for line in self._taken)
        return Line(first.offset, first.number, content[: self._max_record], len(content))

    def _give_up(self, error: Rejected | csv.Error) -> tuple[Line, Rejected]:
        """The first line of a row that is none. The others are read again."""
        first, *others = self._taken
        self._ahead.extendleft(reversed(others))
        self._taken.clear()
        if others or str(error) == "unexpected end of data":
            return first, Rejected("malformed-csv", "a quoted field that never ends")
        return first, error if isinstance(error, Rejected) else Rejected("malformed-csv", str(error))


def _decoded(line: Line) -> str:
    """The line as text with its line break. Never more than one line, so a row's lines can be told apart."""
    _refuse_too_long(line)
    if b"\0" in line.content:
        raise Rejected("nul-byte")
    try:
        return line.content.decode("utf-8").removesuffix("\r") + "\n"
    except UnicodeDecodeError as error:
        raise Rejected("invalid-utf8", str(error)) from None


class ParquetRecords:
    """Rows of a Parquet file. The offset of a row is how many stand before it, its raw form is JSON."""

    def __init__(self, file: BinaryIO, columns: ColumnNames) -> None:
        self._file = file
        self._columns = columns
        self._reader = RowReader(columns)
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        try:
            parquet = pq.ParquetFile(self._file)
            self.damage = _missing_columns(self._columns, parquet.schema_arrow.names)
            if self.damage:
                return
            wanted = list(dict.fromkeys(self._columns.named().values()))
            number = 0
            for batch in parquet.iter_batches(batch_size=4096, columns=wanted):
                for row in self._rows(batch):
                    yield self._record(number, row)
                    number += 1
        except (pa.ArrowException, OSError) as error:
            if getattr(error, "errno", None) is not None:  # the disk's or the network's fault, not the file's
                raise
            self.damage = f"Parquet file broken: {error}"

    def _rows(self, batch: pa.RecordBatch) -> Iterator[tuple[object, ...]]:
        absent = [None] * batch.num_rows
        names = self._columns.model_dump().values()
        return zip(*(_values(batch[name]) if name else absent for name in names), strict=True)

    def _record(self, number: int, row: tuple[object, ...]) -> Record:
        try:
            return Record(number, number + 1, b"", self._reader.tweet(row))
        except Rejected as rejected:
            named = {name: value for name, value in zip(self._columns.model_dump().values(), row, strict=True) if name}
            raw = json.dumps(named, ensure_ascii=False, default=str).encode("utf-8", "replace")
            return Record(number, number + 1, raw, rejected)


def _values(column: pa.Array) -> list[object]:
    """A column's values; text as bytes, where a writer has left some that is no UTF-8."""
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.binary()).to_pylist()
    return values
