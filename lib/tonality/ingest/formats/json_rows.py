"""Tables as JSON lines: each row an object with the column names as keys."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import orjson

from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, decode_line, parse_json
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord
from tonality.ingest.formats.row_mapping import RowMapper

__all__ = ["JsonTableRecords"]

T = TypeVar("T")


class JsonTableRecords(Generic[T]):
    """The records of a table in JSON lines. A missing key is a missing value; a blank line is a control message.

    A dotted name such as `user.screen_name` that is not itself a key refers to a nested object.
    """

    def __init__(self, lines: Lines, mapper: RowMapper[T]) -> None:
        self._lines = lines
        self._mapper = mapper
        self.damage = ""

    def __iter__(self) -> Iterator[Record[T]]:
        for line in self._lines:
            outcome: T | ControlMessage | RejectedRecord
            try:
                outcome = self._outcome(line)
            except RejectedRecord as rejected:
                outcome = rejected
            except RecursionError as error:  # raised by str() of a deeply nested field
                outcome = RejectedRecord("malformed-json", str(error))
            yield Record(line.offset, line.number, line.content, outcome)
        self.damage = self._lines.damage

    def _outcome(self, line: Line) -> T | ControlMessage:
        content = line.content.removeprefix(BYTE_ORDER_MARK)
        if line.damage or line.is_too_long:
            decode_line(line)
        if not content or content.isspace():
            return ControlMessage("blank")
        try:
            row = parse_json(content)
        except orjson.JSONDecodeError as error:
            decode_line(line)  # raises the more precise error if the line is not text
            raise RejectedRecord("malformed-json", str(error)) from None
        if not isinstance(row, dict):
            raise RejectedRecord("wrong-type", f"the record is a {type(row).__name__}, not an object")
        return self._mapper.map_row([_value(row, name) if name else None for name in self._mapper.columns])


def _value(row: Mapping[str, object], name: str) -> object:
    """Return the value of a key or, if there is none, of a dotted path into nested objects."""
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    nested = row.get(outer) if dot else None
    return _value(nested, inner) if isinstance(nested, dict) else None
