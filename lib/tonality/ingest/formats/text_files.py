"""Files of texts: read record by record, and written in the form that they came in, with two more columns."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple, Protocol

import orjson

from tonality.ingest.formats.csv_rows import CsvReader
from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, json_value, text_of
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import RejectedRecord
from tonality.runtime.diagnostics.errors import InputError

__all__ = ["FORMS", "TEXT", "TextForm", "TextRow", "form_by_name", "text_form"]

TEXT: Final = "text"
"""The column of the texts, where nobody names another."""
FORMS: Final = ("lines", "csv", "tsv", "jsonl")

_PROBABILITY: Final = "probability"
_TONALITY: Final = "tonality"
_PACKED: Final = (".gz", ".bz2", ".zst")
_BY_SUFFIX: Final = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_SHOWN: Final = 20
"""Columns that a message shows."""
_MULTILINE: Final = 100_000
"""Lines of a row: many more than of an archive's, since a stray quote ends the reading here and costs no other row."""
_DELIMITERS: Final = "commas (csv) or tabs (tsv) between fields"
_BREAKS_A_ROW: Final = str.maketrans("\t\r", "  ")
_WORDS: Final = {
    "invalid-utf8": "no text in UTF-8 ({}): convert the input, as with iconv -f ITS-ENCODING -t UTF-8",
    "nul-byte": "a NUL byte found, text in UTF-8 expected{}: UTF-16 is converted with iconv -f UTF-16 -t UTF-8",
    "too-long": "{}",
    "malformed-csv": "no row of CSV: {}",
}


class TextRow(NamedTuple):
    """A text, and the record that holds it."""

    text: str | None
    content: bytes
    """The record, without its line break."""
    end: bytes
    """Its line break."""


class TextForm(Protocol):
    """How a file holds its texts."""

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        """What the output begins with, and the texts. Raises InputError at a line that holds none, with its number."""
        ...

    def written(self, row: TextRow, probability: str, tone: str) -> bytes:
        """The record with its probability, which may be empty, and its tone."""
        ...


def form_by_name(file: str) -> str:
    """The form that a file's name tells; `lines` where it tells none."""
    name = PurePosixPath(file.lower())
    inner = name.with_suffix("") if name.suffix in _PACKED else name
    return _BY_SUFFIX.get(inner.suffix, "lines")


def text_form(form: str, column: str) -> TextForm:
    """One of FORMS; the column is for those that have some."""
    match form:
        case "csv":
            return _Csv(column, ",")
        case "tsv":
            return _Csv(column, "\t")
        case "jsonl":
            return _JsonLines(column)
        case _:
            return _PlainLines()


class _PlainLines:
    """A text a line. Written as probability, tone and text with tabs between, so a text's own tabs become spaces."""

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        return b"", map(self._row, lines)

    def _row(self, line: Line) -> TextRow:
        text = _text(line).removesuffix("\r")
        return TextRow(text, text.translate(_BREAKS_A_ROW).encode(), _end(line))

    def written(self, row: TextRow, probability: str, tone: str) -> bytes:
        return f"{probability}\t{tone}\t".encode() + row.content + row.end


class _Csv:
    """A table with a header. A row is written as it came, quotes and all, with two fields behind."""

    def __init__(self, column: str, delimiter: str) -> None:
        self._column = column
        self._delimiter = delimiter

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        rows = self._fields(lines)
        line, header = next(rows, (None, []))
        if line is None:
            return b"", iter(())
        if len(header) == 1 and any(mark in header[0] for mark in ",;\t"):
            raise InputError(
                f"line {line.number}: the header is one field, {header[0][:40]!r}: {_DELIMITERS} are expected"
            )
        _check_columns(line, self._column, header)
        head = self.written(self._row(line, ""), _PROBABILITY, _TONALITY)
        return head, self._texts(rows, header)

    def _fields(self, lines: Lines) -> Iterator[tuple[Line, list[str]]]:
        """The rows that are not blank."""
        for line, fields in CsvReader(lines, self._delimiter, "utf-8", _MULTILINE).rows():
            if isinstance(fields, RejectedRecord):
                raise _fault(line, fields)
            if fields:
                yield line, fields

    def _texts(self, rows: Iterable[tuple[Line, list[str]]], header: list[str]) -> Iterator[TextRow]:
        at = header.index(self._column)
        for line, fields in rows:
            if len(fields) != len(header):
                raise InputError(
                    f"line {line.number}: {len(fields)} fields found, {len(header)} expected, as in the header"
                )
            yield self._row(line, fields[at])

    def _row(self, line: Line, text: str) -> TextRow:
        return TextRow(text, line.content.removesuffix(b"\r"), _end(line))

    def written(self, row: TextRow, probability: str, tone: str) -> bytes:
        return self._delimiter.encode().join((row.content, probability.encode(), tone.encode())) + row.end


class _JsonLines:
    """An object a line. It is written as it came, with two keys behind, so that no number is rounded on the way."""

    def __init__(self, column: str) -> None:
        self._column = column

    def read(self, lines: Lines) -> tuple[bytes, Iterator[TextRow]]:
        return b"", (self._row(line) for line in lines if not _is_blank(line))

    def _row(self, line: Line) -> TextRow:
        _text(line)
        content = line.content.removeprefix(BYTE_ORDER_MARK).strip()
        try:
            value = json_value(content)
        except orjson.JSONDecodeError as error:
            raise InputError(f"line {line.number}: no JSON: {error}; an object a line is expected") from None
        if not isinstance(value, dict):
            raise InputError(f"line {line.number}: {_kind(value)} found, a JSON object expected")
        _check_columns(line, self._column, value)
        text = value[self._column]
        if not isinstance(text, str | None):
            raise InputError(f"line {line.number}: {self._column} is {_kind(text)}, a string expected")
        return TextRow(text, content, _end(line))

    def written(self, row: TextRow, probability: str, tone: str) -> bytes:
        added = f',"{_PROBABILITY}":{probability or "null"},"{_TONALITY}":"{tone}"}}'
        return row.content[:-1].rstrip() + added.encode() + row.end


def _text(line: Line) -> str:
    try:
        return text_of(line)
    except RejectedRecord as rejected:
        raise _fault(line, rejected) from None


def _fault(line: Line, rejected: RejectedRecord) -> InputError:
    return InputError(f"line {line.number}: {_WORDS[rejected.reason].format(rejected.detail)}")


def _end(line: Line) -> bytes:
    return b"\r\n" if line.content.endswith(b"\r") else b"\n"


def _is_blank(line: Line) -> bool:
    content = line.content.removeprefix(BYTE_ORDER_MARK)
    return not content or content.isspace()


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"


def _check_columns(line: Line, column: str, found: Iterable[str]) -> None:
    names = list(found)
    if column not in names:
        near = difflib.get_close_matches(column, names, n=1)
        meant = f"did you mean --text {near[0]}?" if near else "name the one of the texts with --text"
        raise InputError(f"line {line.number}: no column {column}; there are {_few(names)}; {meant}")
    if taken := [name for name in (_PROBABILITY, _TONALITY) if name in names]:
        raise InputError(
            f"line {line.number}: there is a column {' and a column '.join(taken)} already, which would be written "
            f"twice: rename it or take it out"
        )


def _few(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return (", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")) or "none"
