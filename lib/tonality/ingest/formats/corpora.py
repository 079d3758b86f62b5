"""Labelled corpora: files to (text, label) rows by the archive's readers, dropped rows counted by reason."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final, Literal, TypeAlias

import pyarrow as pa

from tonality.ingest.containers.compression import ExpansionLimit
from tonality.ingest.containers.streams import Block, DecompressedStream, FileStream, Stream
from tonality.ingest.containers.walk import walk_stream
from tonality.ingest.formats.csv_rows import CsvRecords, Layout, csv_columns
from tonality.ingest.formats.detect import PARQUET_MAGIC, Unreadable, is_json_table, unsupported_content
from tonality.ingest.formats.json_rows import JsonTableRecords
from tonality.ingest.formats.known_tables import SENTIMENT140_LAYOUT
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.parquet_rows import ParquetRecords, parquet_columns
from tonality.ingest.formats.record import ControlMessage, Records, RejectedRecord
from tonality.ingest.formats.row_mapping import string_of
from tonality.ingest.formats.rutweetcorp import RuTweetCorpRecords
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.storage.inputs import expand
from tonality.runtime.storage.urls import filesystem
from tonality.text.tweet_markup import unescape_html

__all__ = ["Corpus", "TableFormat", "read_corpus"]

LabelledText: TypeAlias = tuple[str, float]
"""A text and its label: 1.0 positive, 0.0 negative."""
CorpusFormat: TypeAlias = "Literal['rutweetcorp', 'sentiment140'] | TableFormat"

_SCHEMA: Final = pa.schema([pa.field("text", pa.string()), pa.field("label", pa.float32())])
_OTHER_LABEL: Final = "other label"
_MAX_RECORD: Final = 2**20
"""Bytes of the largest row; a longer one is a reject."""
_MAX_EXPANSION: Final = 250
"""The largest ratio of unpacked to compressed bytes. Tweets expand 5 to 30 times."""
_PEEK_BYTES: Final = 2**16
_SHOWN_PLACES: Final = 3
"""Rejects of one reason that a summary locates; it counts the others."""


@dataclass(frozen=True)
class TableFormat:
    """The columns of a labelled table and the meaning of its labels."""

    text: str
    label: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    delimiter: str = ","

    @property
    def columns(self) -> tuple[str, str]:
        """The columns that `map_row` reads."""
        return self.text, self.label

    def map_row(self, fields: Sequence[object]) -> LabelledText:
        """The labelled text of a row's two fields. Raises RejectedRecord if it lacks a text or has another label."""
        text, label = fields
        text = string_of(text)
        if not isinstance(text, str) or not text.strip():
            raise RejectedRecord("no-text")
        if isinstance(label, float) and label.is_integer():  # pandas' form of whole numbers beside missing ones
            label = int(label)
        name = str(string_of(label)).strip()
        if isinstance(label, bool) and name not in (*self.positive, *self.negative):
            name = name.lower()  # as JSON writes it
        if name not in self.positive and name not in self.negative:
            raise RejectedRecord(_OTHER_LABEL)
        return unescape_html(text), float(name in self.positive)


# Polarity and text (Go, Bhayani and Huang 2009).
_SENTIMENT140: Final = TableFormat("text", "polarity", positive=("4",), negative=("0",))
_RUTWEETCORP: Final = TableFormat("text", "label", positive=("1",), negative=("-1",))


@dataclass
class Corpus:
    """Labelled texts, with the dropped rows counted by reason and the first rejects of each reason located."""

    rows: pa.Table
    dropped: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)
    """By reason, the file and line of its first rejects and their details."""

    def described_places(self) -> dict[str, str]:
        """By reason, the places of its rejects in words; reasons that are no fault of a row are not located."""
        return {reason: _in_words(places, self.dropped[reason]) for reason, places in self.places.items()}


def read_corpus(locations: Iterable[str], form: CorpusFormat) -> Corpus:
    """All labelled texts of the files, folders or globs, each file once; labels 1.0 and 0.0.

    Raises InputError if a location holds no file, a file is damaged or lacks a column, or no labelled row remains.
    """
    rows: list[LabelledText] = []
    dropped: Counter[str] = Counter()
    places: dict[str, list[str]] = defaultdict(list)
    files = dict.fromkeys(file for location in locations for file in expand(location))
    for place, number, outcome in _outcomes(files, form):
        if isinstance(outcome, RejectedRecord):
            dropped[outcome.reason] += 1
            if outcome.reason != _OTHER_LABEL and len(places[outcome.reason]) < _SHOWN_PLACES:
                detail = f" ({outcome.detail})" if outcome.detail else ""
                places[outcome.reason].append(escaped_name(f"{place} {number}{detail}"))
        else:
            rows.append(outcome)
    if not rows:
        why = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "no rows at all"
        raise InputError(f"no labelled tweet in {', '.join(files)}: {why}. Does corpus.format fit these files?")
    texts, labels = zip(*rows, strict=True)
    return Corpus(pa.table({"text": texts, "label": labels}, schema=_SCHEMA), dropped, dict(places))


def _in_words(places: list[str], count: int) -> str:
    more = count - len(places)
    return "; ".join(places) + (f"; and {more:,} more" if more else "")


def _outcomes(files: Iterable[str], form: CorpusFormat) -> Iterator[tuple[str, int, LabelledText | RejectedRecord]]:
    """Every row of the files, blank lines and headers aside, with its file, `line` or `row`, and number."""
    for file in files:
        system, path = filesystem(file)
        with system.open(path, "rb") as opened:
            for name, records in _sources(file, opened, form):
                place = f"{name} {'row' if isinstance(records, ParquetRecords) else 'line'}"
                for _, number, _, outcome in records:
                    if not isinstance(outcome, ControlMessage):
                        yield place, number, outcome
                if records.damage:
                    raise _damaged(name, records.damage)


def _damaged(name: str, damage: str) -> InputError:
    return InputError(f"{name} cannot be read: {damage.rstrip('.')}. Does corpus.format fit it?")


def _sources(file: str, opened: BinaryIO, form: CorpusFormat) -> Iterator[tuple[str, Records[LabelledText]]]:
    """The records of a file, or of each of its members: containers are recognised by their content."""
    stream = FileStream(opened)
    if stream.peek(_PEEK_BYTES).startswith(PARQUET_MAGIC) and isinstance(form, TableFormat):
        if existing := parquet_columns(opened):  # none in a broken file, which the reader reports as damage
            _check_columns(file, form, existing)
        yield file, ParquetRecords(opened, form, _MAX_RECORD, _MAX_EXPANSION)
        return
    for member in walk_stream(file, stream, ExpansionLimit(_MAX_EXPANSION)):
        if problem := member.damage or member.skipped:
            raise _damaged(member.name, problem)
        if member.stream:
            yield member.name, _records(member.name, member.stream, form)


def _records(name: str, stream: Stream, form: CorpusFormat) -> Records[LabelledText]:
    start = stream.peek(_PEEK_BYTES)
    if start.startswith(PARQUET_MAGIC):
        return Unreadable(
            "a Parquet table" + (" inside a container: unpack it" if isinstance(form, TableFormat) else "")
        )
    if reason := unsupported_content(start) or _first_line_damage(stream, start):
        return Unreadable(reason)
    lines = Lines(stream.blocks(), _MAX_RECORD)
    match form:
        case "rutweetcorp":
            return RuTweetCorpRecords(lines, lambda row: _RUTWEETCORP.map_row((row.text, row.label)))
        case "sentiment140":
            return CsvRecords(lines, replace(SENTIMENT140_LAYOUT, mend=None), _SENTIMENT140)
        case _ if is_json_table(start):
            return JsonTableRecords(lines, form)
        case _:
            _check_columns(name, form, csv_columns(Lines(iter([Block(start)]), _PEEK_BYTES), form.delimiter))
            return CsvRecords(lines, Layout(form.delimiter), form)


def _first_line_damage(stream: Stream, start: bytes) -> str:
    """The damage that cuts off the first line, which may be a header; empty if there is none."""
    return stream.damage if isinstance(stream, DecompressedStream) and b"\n" not in start else ""


def _check_columns(file: str, form: TableFormat, existing: Sequence[str]) -> None:
    """Refuse a table without the columns. Raises InputError with the settings that name them and the columns it has."""
    expected = {"corpus.text": form.text, "corpus.label": form.label}
    if missing := [f"{key} = {name!r}" for key, name in expected.items() if name not in existing]:
        has = ", ".join(existing) or "no header"
        raise InputError(f"{file} has no such column: {', '.join(missing)}; it has {has}")
