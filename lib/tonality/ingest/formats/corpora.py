"""Labelled corpora as published: files to (text, label) rows, dropped rows counted by reason."""

import csv
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.ingest.formats.rutweetcorp_patterns import ROW, ROW_END, ROW_START
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.urls import expand, filesystem
from tonality.text.html_entities import unescaped

__all__ = ["Corpus", "TableFormat", "read_corpus"]

_SCHEMA: Final = pa.schema([pa.field("text", pa.string()), pa.field("label", pa.float32())])

_MOST_EXPANSION: Final = 250
"""Times its size that a compressed file may expand. Tweets expand 5 to 30 times."""
_FREE_EXPANSION: Final = 2**26
"""Unpacked bytes from which on the bound holds."""

# Sentiment140's six columns: polarity; id; date; query; user; text (Go, Bhayani and Huang 2009), in Latin 1.
_SENTIMENT140_LABELS: Final = {"0": 0.0, "4": 1.0}


@dataclass(frozen=True)
class TableFormat:
    """The columns of a labelled table, and which labels mean what."""

    text: str
    label: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    delimiter: str = ","

    def number(self, label: object) -> float | None:
        """1.0 for a positive label, 0.0 for a negative one, None for any other."""
        if isinstance(label, float) and label.is_integer():  # as pandas writes whole numbers beside missing ones
            label = int(label)
        name = str(label).strip()
        return 1.0 if name in self.positive else 0.0 if name in self.negative else None


@dataclass
class Corpus:
    """Labelled texts, and how many rows were dropped for what reason."""

    rows: pa.Table
    dropped: Counter[str] = field(default_factory=Counter)


_Row = tuple[str, float] | str
"""A labelled text, or the reason for which a row was dropped."""


def read_corpus(locations: Iterable[str], form: Literal["rutweetcorp", "sentiment140"] | TableFormat) -> Corpus:
    """All labelled texts of the files, folders or globs, each file once; labels 1.0 and 0.0.

    Raises InputError where a location finds nothing, a file cannot be read, a table lacks a column, or no labelled row
    is left.
    """
    rows: list[tuple[str, float]] = []
    dropped: Counter[str] = Counter()
    files = dict.fromkeys(file for location in locations for file in expand(location))
    for file in files:
        for row in _readable(file, _read_file(file, form)):
            if isinstance(row, str):
                dropped[row] += 1
            else:
                rows.append(row)
    if not rows:
        why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "no rows at all"
        raise InputError(f"no labelled tweet in {', '.join(files)}: {why}. Does corpus.format fit these files?")
    texts, labels = zip(*rows, strict=True)
    return Corpus(pa.table({"text": texts, "label": labels}, schema=_SCHEMA), dropped)


def _readable(file: str, rows: Iterator[_Row]) -> Iterator[_Row]:
    try:
        yield from rows
    except (OSError, EOFError, zlib.error, pa.ArrowInvalid) as error:
        raise InputError(f"{file} cannot be read: {str(error).rstrip('.')}. Does corpus.format fit it?") from error


def _read_file(file: str, form: str | TableFormat) -> Iterator[_Row]:
    if isinstance(form, TableFormat):
        yield from _table(file, form)
        return
    reader: Callable[[Iterable[str]], Iterator[_Row]] = _rutweetcorp if form == "rutweetcorp" else _sentiment140
    system, path = filesystem(file)
    encoding = "utf-8-sig" if form == "rutweetcorp" else "latin-1"
    with system.open(path, "rb", compression="infer") as stream:
        yield from reader(io.TextIOWrapper(_bounded(stream, system.size(path)), encoding, "replace", newline=""))


class _Bounded(io.RawIOBase):
    """A stream that may not hold more than so many bytes."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream = stream
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise OSError(f"it expands more than {_MOST_EXPANSION} times, as no text does: unpack it, and look")
        buffer[: len(content)] = content
        return len(content)


def _bounded(stream: BinaryIO, packed: int) -> io.BufferedReader:
    """What comes out of a file of so many bytes, for fear of a decompression bomb; the first 64 MiB always do."""
    return io.BufferedReader(_Bounded(stream, max(_FREE_EXPANSION, _MOST_EXPANSION * packed)))


def _rutweetcorp(lines: Iterable[str]) -> Iterator[_Row]:
    pending, ended = "", False
    for line in lines:
        if ended or ROW_START.match(line):
            if pending.strip():
                yield _rutweetcorp_row(pending)
            pending = ""
        pending += line
        ended = ROW_END.search(line) is not None
    if pending.strip():
        yield _rutweetcorp_row(pending)


def _rutweetcorp_row(row: str) -> _Row:
    match = ROW.fullmatch(row)
    if not match:
        return "malformed row"
    text = unescaped(match["text"].replace('""', '"'))
    return (text, 1.0 if match["label"] == "1" else 0.0) if text.strip() else "no text"


def _sentiment140(lines: Iterable[str]) -> Iterator[_Row]:
    for row in _csv_rows(lines, ","):
        if row is None or len(row) != 6:
            yield "malformed row"
        elif row[0] not in _SENTIMENT140_LABELS:
            yield "other label"
        else:
            yield (unescaped(row[5]), _SENTIMENT140_LABELS[row[0]]) if row[5].strip() else "no text"


def _table(file: str, form: TableFormat) -> Iterator[_Row]:
    for row in _table_rows(file, form):
        if row is None:
            yield "malformed row"
            continue
        text, label = row.get(form.text), form.number(row.get(form.label))
        if not isinstance(text, str) or not text.strip():
            yield "no text"
        elif label is None:
            yield "other label"
        else:
            yield unescaped(text), label


def _table_rows(file: str, form: TableFormat) -> Iterator[Mapping[str, object] | None]:
    """The rows by column; None for one that is no row of this table."""
    system, path = filesystem(file)
    if path.endswith(".parquet"):
        with system.open(path, "rb") as stream:
            parquet = pq.ParquetFile(stream)
            _check_columns(file, form, parquet.schema_arrow.names)
            for batch in parquet.iter_batches(columns=[form.text, form.label]):
                yield from batch.to_pylist()
        return
    with system.open(path, "rb", compression="infer") as stream:
        text = io.TextIOWrapper(_bounded(stream, system.size(path)), "utf-8-sig", "replace", newline="")
        rows = _csv_rows(text, form.delimiter)
        header = next(rows, None) or []
        _check_columns(file, form, header)
        for row in rows:
            yield dict(zip(header, row, strict=True)) if row is not None and len(row) == len(header) else None


def _csv_rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str] | None]:
    """The rows of a CSV file (RFC 4180); None for each line of what is no row. Blank lines are passed by."""
    taken = 0

    def counted() -> Iterator[str]:
        nonlocal taken
        for line in lines:
            taken += 1
            yield line

    source = counted()
    while True:
        try:
            for row in csv.reader(source, delimiter=delimiter, strict=True):
                taken = 0
                if row:
                    yield row
            return
        except csv.Error:
            yield from [None] * taken
            taken = 0


def _check_columns(file: str, form: TableFormat, found: Iterable[str]) -> None:
    names = list(found)
    expected = {"corpus.text": form.text, "corpus.label": form.label}
    if missing := [f"{key} = {name!r}" for key, name in expected.items() if name not in names]:
        raise InputError(f"{file} has no such column: {', '.join(missing)}; it has {', '.join(names) or 'no header'}")
