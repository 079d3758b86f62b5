"""Files of texts, read record by record and written in the same format with two columns added."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple, Protocol

import orjson

from tonality.ingest.formats.csv_rows import CsvReader
from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, decode_line, parse_json
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import RejectedRecord
from tonality.runtime.diagnostics.errors import InputError

__all__ = ["TEXT_COLUMN", "TEXT_FORMATS", "TextFormat", "TextRow", "format_from_name", "text_format"]

TEXT_COLUMN: Final = "text"
"""Default name of the column of texts."""
TEXT_FORMATS: Final = ("lines", "csv", "tsv", "jsonl")

_PROBABILITY: Final = "probability"
_TONALITY: Final = "tonality"
_COMPRESSED: Final = (".gz", ".bz2", ".zst")
_BY_SUFFIX: Final = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_SHOWN: Final = 20
"""Maximum number of columns in a message."""
_MAX_ROW_LINES: Final = 100_000
"""Lines of a row; far more than in an archive, since here a stray quote is an error in any case."""
_EXPECTED_DELIMITERS: Final = "commas (csv) or tabs (tsv) between fields"
_SEPARATORS_TO_SPACES: Final = str.maketrans("\t\r", "  ")
_MESSAGES: Final = {
    "invalid-utf8": "not UTF-8 ({}): convert the input, for example with iconv -f ITS-ENCODING -t UTF-8",
    "nul-byte": "found a NUL byte, expected UTF-8{}: convert UTF-16 with iconv -f UTF-16 -t UTF-8",
    "too-long": "{}",
    "malformed-csv": "not a CSV row: {}",
}


class TextRow(NamedTuple):
    """A text and its record."""

    text: str | None
    content: bytes
    """The record without its line break."""
    line_break: bytes


class TextFormat(Protocol):
    """A format of text files."""

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        """Return the header of the output and the rows. Raises InputError with the line number at an invalid line."""
        ...

    def render(self, row: TextRow, probability: str, tone: str) -> bytes:
        """Return the record with its probability, which may be empty, and its tone added."""
        ...


def format_from_name(file: str) -> str:
    """Return the format that matches a file's suffix; `lines` if none does."""
    name = PurePosixPath(file.lower())
    inner = name.with_suffix("") if name.suffix in _COMPRESSED else name
    return _BY_SUFFIX.get(inner.suffix, "lines")


def text_format(name: str, column: str) -> TextFormat:
    """Return one of TEXT_FORMATS by name; `column` applies to those with columns."""
    match name:
        case "csv":
            return _Csv(column, ",")
        case "tsv":
            return _Csv(column, "\t")
        case "jsonl":
            return _JsonLines(column)
        case _:
            return _PlainLines()


class _PlainLines:
    """One text per line; written as probability, tone and text separated by tabs, with tabs in the text as spaces."""

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        return b"", map(self._row, lines)

    def _row(self, line: Line) -> TextRow:
        text = _decode(line).removesuffix("\r")
        return TextRow(text, text.translate(_SEPARATORS_TO_SPACES).encode(), _line_break(line))

    def render(self, row: TextRow, probability: str, tone: str) -> bytes:
        return f"{probability}\t{tone}\t".encode() + row.content + row.line_break


class _Csv:
    """A table with a header; rows are written unchanged, including their quotes, with two fields appended."""

    def __init__(self, column: str, delimiter: str) -> None:
        self._column = column
        self._delimiter = delimiter

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        rows = self._fields(lines)
        line, header = next(rows, (None, []))
        if line is None:
            return b"", iter(())
        if len(header) == 1 and any(delimiter in header[0] for delimiter in ",;\t"):
            raise InputError(
                f"line {line.number}: the header is one field, {header[0][:40]!r}; expected {_EXPECTED_DELIMITERS}"
            )
        _check_columns(line, self._column, header)
        return self.render(self._row(line, ""), _PROBABILITY, _TONALITY), self._texts(rows, header)

    def _fields(self, lines: Lines) -> Iterator[tuple[Line, list[str]]]:
        """Yield the rows that are not blank."""
        for line, fields in CsvReader(lines, self._delimiter, "utf-8", _MAX_ROW_LINES).rows():
            if isinstance(fields, RejectedRecord):
                raise _input_error(line, fields)
            if fields:
                yield line, fields

    def _texts(self, rows: Iterable[tuple[Line, list[str]]], header: list[str]) -> Iterator[TextRow]:
        index = header.index(self._column)
        for line, fields in rows:
            if len(fields) != len(header):
                raise InputError(
                    f"line {line.number}: found {len(fields)} fields, expected {len(header)} as in the header"
                )
            yield self._row(line, fields[index])

    def _row(self, line: Line, text: str) -> TextRow:
        return TextRow(text, line.content.removesuffix(b"\r"), _line_break(line))

    def render(self, row: TextRow, probability: str, tone: str) -> bytes:
        return self._delimiter.encode().join((row.content, probability.encode(), tone.encode())) + row.line_break


class _JsonLines:
    """One object per line; written unchanged with two keys appended, so that no number is rounded."""

    def __init__(self, column: str) -> None:
        self._column = column

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        return b"", (self._row(line) for line in lines if not _is_blank(line))

    def _row(self, line: Line) -> TextRow:
        _decode(line)
        content = line.content.removeprefix(BYTE_ORDER_MARK).strip()
        try:
            value = parse_json(content)
        except orjson.JSONDecodeError as error:
            raise InputError(f"line {line.number}: not JSON: {error}; expected one object per line") from None
        if not isinstance(value, dict):
            raise InputError(f"line {line.number}: found {_type_name(value)}, expected a JSON object")
        _check_columns(line, self._column, value)
        text = value[self._column]
        if not isinstance(text, str | None):
            raise InputError(f"line {line.number}: {self._column} is {_type_name(text)}, expected a string")
        return TextRow(text, content, _line_break(line))

    def render(self, row: TextRow, probability: str, tone: str) -> bytes:
        added = f',"{_PROBABILITY}":{probability or "null"},"{_TONALITY}":"{tone}"}}'
        return row.content[:-1].rstrip() + added.encode() + row.line_break


def _decode(line: Line) -> str:
    try:
        return decode_line(line)
    except RejectedRecord as rejected:
        raise _input_error(line, rejected) from None


def _input_error(line: Line, rejected: RejectedRecord) -> InputError:
    return InputError(f"line {line.number}: {_MESSAGES[rejected.reason].format(rejected.detail)}")


def _line_break(line: Line) -> bytes:
    return b"\r\n" if line.content.endswith(b"\r") else b"\n"


def _is_blank(line: Line) -> bool:
    content = line.content.removeprefix(BYTE_ORDER_MARK)
    return not content or content.isspace()


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"


def _check_columns(line: Line, column: str, existing: Iterable[str]) -> None:
    """Raise InputError if the column of texts is missing or a column to be added already exists."""
    names = list(existing)
    if column not in names:
        similar = difflib.get_close_matches(column, names, n=1)
        hint = f"did you mean --text {similar[0]}?" if similar else "name the column of texts with --text"
        raise InputError(f"line {line.number}: no column {column}; the columns are {_shorten(names)}; {hint}")
    if taken := [name for name in (_PROBABILITY, _TONALITY) if name in names]:
        raise InputError(
            f"line {line.number}: found a column {' and a column '.join(taken)}, which would be written twice: "
            "rename or remove it"
        )


def _shorten(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return (", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")) or "none"
