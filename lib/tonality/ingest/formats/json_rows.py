"""Tables as JSON lines: an object a row, its keys by the names of the columns."""

from collections.abc import Iterator, Mapping

import orjson

from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, json_value, text_of
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord, Tweet
from tonality.ingest.formats.row_mapping import RowReader, column_order
from tonality.ingest.options import ColumnNames

__all__ = ["JsonTableRecords"]


class JsonTableRecords:
    """Lines of JSON objects. A key that an object has not is a missing value; a blank line is a notice.

    A dotted name whose own key is not there looks into nested objects: `user.screen_name`.
    """

    def __init__(self, lines: Lines, columns: ColumnNames) -> None:
        self._lines = lines
        self._names = column_order(columns)
        self._reader = RowReader(columns)
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        for line in self._lines:
            outcome: Tweet | ControlMessage | RejectedRecord
            try:
                outcome = self._outcome(line)
            except RejectedRecord as rejected:
                outcome = rejected
            except RecursionError as error:  # a field nested so deep that it has no words
                outcome = RejectedRecord("malformed-json", str(error))
            yield Record(line.offset, line.number, line.content, outcome)
        self.damage = self._lines.damage

    def _outcome(self, line: Line) -> Tweet | ControlMessage:
        content = line.content.removeprefix(BYTE_ORDER_MARK)
        if line.damage or line.is_too_long:
            text_of(line)
        if not content or content.isspace():
            return ControlMessage("blank")
        try:
            row = json_value(content)
        except orjson.JSONDecodeError as error:
            text_of(line)  # which names bytes that are no text
            raise RejectedRecord("malformed-json", str(error)) from None
        if not isinstance(row, dict):
            raise RejectedRecord("wrong-type", f"the record is a {type(row).__name__}, not an object")
        return self._reader.tweet([_value(row, name) if name else None for name in self._names])


def _value(row: Mapping[str, object], name: str) -> object:
    """What a name leads to: the key itself, or else, from dot to dot, a key of a nested object."""
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    nested = row.get(outer) if dot else None
    return _value(nested, inner) if isinstance(nested, dict) else None
