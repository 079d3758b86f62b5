"""CSV rows (RFC 4180) and the records made of them, with a header or without."""

import csv
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Final, Generic, TypeVar

from tonality.ingest.formats.decoding import Encoding, decode_line, join_lines
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord
from tonality.ingest.formats.row_mapping import RowMapper, missing_columns

__all__ = ["CsvReader", "CsvRecords", "Fields", "Layout", "csv_columns"]

T = TypeVar("T")

_MULTILINE: Final = 200
"""Lines that a quoted field may span before its quote is taken for a stray one."""

_OPEN_QUOTE: Final = "unexpected end of data"
"""The CSV reader's error for a quoted field that its input does not close."""

_Row = tuple[Line, list[str] | RejectedRecord]

Fields = tuple[str | None, ...]
"""A row's fields in the order of the mapper's columns, None for a column that the table lacks."""


@dataclass(frozen=True)
class Layout:
    """The layout of a CSV file."""

    delimiter: str = ","
    header: tuple[str, ...] = ()
    """The names of all columns, in order, of a file without a header; empty: the first row names them."""
    encoding: Encoding = "utf-8"
    mend: Callable[[Fields], Fields] | None = None
    """Undoes the escapes of the program that wrote the file, and finds retweets that no column names."""
    shows_header: bool = True
    """False if messages must not quote the header, which is a tweet's row in a file without one."""


class CsvRecords(Generic[T]):
    """Records of a CSV file's rows. The header is no record; a blank line and a repeated header are control messages.

    A file without rows is empty, not damaged. After the iteration `damage` names what broke the file or the
    columns that it lacks.
    """

    def __init__(self, lines: Lines, layout: Layout, mapper: RowMapper[T]) -> None:
        self._lines = lines
        self._layout = layout
        self._mapper = mapper
        self.damage = ""

    def __iter__(self) -> Iterator[Record[T]]:
        reader = CsvReader(self._lines, self._layout.delimiter, self._layout.encoding)
        rows = reader.rows()
        header: list[str] | None = list(self._layout.header) or None
        while header is None and (row := next(rows, None)):
            line, fields = row
            if fields:
                header = [] if isinstance(fields, RejectedRecord) else fields
            else:
                yield Record(line.offset, line.number, line.content, ControlMessage("blank"))
        lacks = "" if header is None else missing_columns(self._mapper.columns, header, self._layout.shows_header)
        if header and not lacks:
            reader.width = len(header)
            yield from self._records(rows, header)
        self.damage = "; ".join(filter(None, (lacks, self._lines.damage)))

    def _records(self, rows: Iterator[_Row], header: list[str]) -> Iterator[Record[T]]:
        width = len(header)  # also the index of the None behind the fields, for columns that are not mapped
        mapped = itemgetter(*(header.index(name) if name else width for name in self._mapper.columns))
        map_row, mend = self._mapper.map_row, self._layout.mend
        for line, fields in rows:
            outcome: T | ControlMessage | RejectedRecord
            if isinstance(fields, RejectedRecord):
                outcome = fields
            elif not fields:
                outcome = ControlMessage("blank")
            elif len(fields) != width:
                outcome = RejectedRecord("malformed-csv", f"{len(fields)} fields, expected {width}")
            else:
                values = mapped([*fields, None])
                try:
                    outcome = map_row(mend(values) if mend else values)
                except RejectedRecord as rejected:
                    outcome = ControlMessage("header") if fields == header else rejected
            yield Record(line.offset, line.number, line.content, outcome)


def csv_columns(lines: Lines, delimiter: str) -> list[str]:
    """The columns that a CSV file's header names; empty if it has no readable header."""
    fields = next((fields for _, fields in CsvReader(lines, delimiter, "utf-8").rows() if fields), [])
    return [] if isinstance(fields, RejectedRecord) else fields


class CsvReader:
    """Lines to rows of fields.

    A quoted field may hold line breaks, so a row may span several lines. If a quote is never closed, or closes so that
    the row has another number of fields than the table, only the line of the quote is rejected, and reading continues
    with the next one.
    """

    def __init__(self, lines: Lines, delimiter: str, encoding: Encoding, max_lines: int = _MULTILINE) -> None:
        """At most `max_lines` lines are searched for the end of a quoted field."""
        self._lines = iter(lines)
        self._max_record = lines.max_record
        self._max_lines = max_lines
        self._delimiter = delimiter
        self._encoding = encoding
        self._ahead: deque[Line] = deque()  # lines of a rejected row, to be read again
        self.width = 0
        """Fields of a row of the table; 0 as long as it is unknown."""
        csv.field_size_limit(max(csv.field_size_limit(), lines.max_record))  # applies to all readers of the process

    def rows(self) -> Iterator[_Row]:
        """Rows, or rejects, each with its line, or with its lines joined into one."""
        while line := self._ahead.popleft() if self._ahead else next(self._lines, None):
            try:
                text = decode_line(line, self._encoding).removesuffix("\r")
            except RejectedRecord as rejected:
                yield line, rejected
                continue
            if '"' in text or "\r" in text:
                yield self._quoted(line, text)
            else:
                yield line, text.split(self._delimiter) if text else []

    def _quoted(self, line: Line, text: str) -> _Row:
        """The row that begins with a line that holds quotes."""
        try:
            return line, next(csv.reader((text,), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            if str(error) != _OPEN_QUOTE:
                return line, RejectedRecord("malformed-csv", str(error))
        return self._multiline(line, text)

    def _multiline(self, line: Line, text: str) -> _Row:
        """The row that begins with a line in which a quoted field stays open."""
        taken = [line]
        try:
            fields = next(csv.reader(chain((f"{text}\n",), self._more(taken)), delimiter=self._delimiter, strict=True))
            if self.width and len(fields) != self.width:
                raise RejectedRecord("malformed-csv")
        except (RejectedRecord, csv.Error):
            self._ahead.extendleft(reversed(taken[1:]))
            return line, RejectedRecord("malformed-csv", "a quoted field that never ends")
        whole = join_lines(taken, self._max_record)
        if whole.is_too_long:
            return whole, RejectedRecord("too-long", f"{whole.bytes} bytes, at most {len(whole.content)}")
        return whole, fields

    def _more(self, taken: list[Line]) -> Iterator[str]:
        """The following lines, as the CSV reader requests them; none once a row spans too many."""
        while len(taken) < self._max_lines:
            line = self._ahead.popleft() if self._ahead else next(self._lines, None)
            if line is None:
                return
            taken.append(line)
            yield decode_line(line, self._encoding).removesuffix("\r") + "\n"
