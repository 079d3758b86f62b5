"""CSV as an archive: rows of a table, with a header or without, by its layout."""

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Final

from tonality.ingest.formats.decoding import Encoding, joined, text_of
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord, Tweet
from tonality.ingest.formats.row_mapping import RowReader, column_order, missing_columns
from tonality.ingest.options import ColumnNames

__all__ = ["CsvReader", "CsvRecords", "Fields", "Layout", "csv_columns"]

_MULTILINE: Final = 200
"""Lines that a quoted field may run over before its quote is taken for a stray one."""

_OPEN_QUOTE: Final = "unexpected end of data"
"""The CSV reader's words for a quoted field that its input does not close."""

_Row = tuple[Line, list[str] | RejectedRecord]

Fields = tuple[str | None, ...]
"""A row's fields in the order of `rows.column_order`, None for a column that the table has not."""


@dataclass(frozen=True)
class Layout:
    """How a CSV file is laid out."""

    columns: ColumnNames
    delimiter: str = ","
    header: tuple[str, ...] = ()
    """Of a file without a header, the names of all of its columns in their order; empty: the first row has them."""
    encoding: Encoding = "utf-8"
    mend: Callable[[Fields], Fields] | None = None
    """Undoes what the writer of the file did to the fields, and tells retweets where no column does."""
    shows_header: bool = True
    """Whether damage may quote the header, which is a tweet's row where there is none."""


class CsvRecords:
    """Rows of a CSV file (RFC 4180). A header is no record; a blank line is a notice, and so is the header again.

    A file without one row is empty, not damaged. After the iteration `damage` says what broke the file, or which
    columns it lacks.
    """

    def __init__(self, lines: Lines, layout: Layout) -> None:
        self._lines = lines
        self._layout = layout
        self._reader = RowReader(layout.columns)
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        reader = CsvReader(self._lines, self._layout.delimiter, self._layout.encoding)
        rows = reader.rows()
        header: Sequence[str] | None = self._layout.header or None
        while header is None and (row := next(rows, None)):
            line, fields = row
            if fields:
                header = [] if isinstance(fields, RejectedRecord) else fields
            else:
                yield Record(line.offset, line.number, line.content, ControlMessage("blank"))
        lacks = "" if header is None else missing_columns(self._layout.columns, header, self._layout.shows_header)
        if header and not lacks:
            reader.width = len(header)
            yield from self._records(rows, list(header))
        self.damage = "; ".join(filter(None, (lacks, self._lines.damage)))

    def _records(self, rows: Iterator[_Row], header: list[str]) -> Iterator[Record]:
        absent = len(header)  # where a None is put
        expected = itemgetter(*(header.index(name) if name else absent for name in column_order(self._layout.columns)))
        tweet, mend = self._reader.tweet, self._layout.mend
        for line, fields in rows:
            if isinstance(fields, RejectedRecord):
                outcome: Tweet | ControlMessage | RejectedRecord = fields
            elif not fields:
                outcome = ControlMessage("blank")
            elif len(fields) != absent:
                outcome = RejectedRecord("malformed-csv", f"{len(fields)} fields, expected {absent}")
            else:
                of_tweet = expected([*fields, None])
                try:
                    outcome = tweet(mend(of_tweet) if mend else of_tweet)
                except RejectedRecord as rejected:
                    outcome = ControlMessage("header") if fields == header else rejected
            yield Record(line.offset, line.number, line.content, outcome)


def csv_columns(lines: Lines, delimiter: str) -> list[str]:
    """The columns that a CSV file's header names; empty where it has no header that can be read."""
    fields = next((fields for _, fields in CsvReader(lines, delimiter, "utf-8").rows() if fields), [])
    return [] if isinstance(fields, RejectedRecord) else fields


class CsvReader:
    """Lines to rows of fields.

    A quoted field may hold line breaks, so a row may take several lines; but where a quote is never closed, or closes
    so that the row has another number of fields than the table, only the line it stands in is given up, and reading
    goes on with the next.
    """

    def __init__(self, lines: Lines, delimiter: str, encoding: Encoding, max_lines: int = _MULTILINE) -> None:
        """Of a row's lines no more than max_lines are looked at for the end of a quoted field."""
        self._lines = iter(lines)
        self._max_record = lines.max_record
        self._max_lines = max_lines
        self._delimiter = delimiter
        self._encoding = encoding
        self._ahead: deque[Line] = deque()  # lines of a row that was given up, to be read again
        self.width = 0
        """Fields of a row of the table; 0 while nobody knows."""
        csv.field_size_limit(max(csv.field_size_limit(), lines.max_record))  # of all readers in this process

    def rows(self) -> Iterator[_Row]:
        """Each row with the line it stands in, or with all of its lines as one; or why it is none."""
        while line := self._ahead.popleft() if self._ahead else next(self._lines, None):
            try:
                text = text_of(line, self._encoding).removesuffix("\r")
            except RejectedRecord as rejected:
                yield line, rejected
                continue
            if '"' in text or "\r" in text:
                yield self._quoted(line, text)
            else:
                yield line, text.split(self._delimiter) if text else []

    def _quoted(self, line: Line, text: str) -> _Row:
        """The row that begins with a line that has quotes."""
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
        whole = joined(taken, self._max_record)
        if whole.is_too_long:
            return whole, RejectedRecord("too-long", f"{whole.bytes} bytes, at most {len(whole.content)}")
        return whole, fields

    def _more(self, taken: list[Line]) -> Iterator[str]:
        """The lines that follow, as the CSV reader asks for them; an end, where a row takes too many."""
        while len(taken) < self._max_lines:
            line = self._ahead.popleft() if self._ahead else next(self._lines, None)
            if line is None:
                return
            taken.append(line)
            yield text_of(line, self._encoding).removesuffix("\r") + "\n"
