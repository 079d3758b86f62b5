"""A stream's records, in whichever form it has: told by the settings and by its first line."""

import sys
from collections.abc import Iterator
from typing import BinaryIO, Final, Literal

from tonality.ingest.containers.streams import Block, Stream
from tonality.ingest.formats.csv_rows import CsvRecords, Layout
from tonality.ingest.formats.decoding import BYTE_ORDER_MARK
from tonality.ingest.formats.json_rows import JsonTableRecords
from tonality.ingest.formats.known_tables import RUTWEETCORP, SENTIMENT140, KnownTable, known_table
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.parquet_rows import ParquetRecords
from tonality.ingest.formats.record import Record, Records
from tonality.ingest.formats.twitter_lines import PAGE_RECORDS, JsonRecords
from tonality.ingest.options import ColumnNames, ReadOptions

__all__ = ["Form", "form_of", "json_lines", "json_records", "open_parquet", "open_records"]

Form = Literal["json", "csv", "known table", "parquet", "foreign"]

_PARQUET_MAGIC: Final = b"PAR1"
_PEEK_BYTES: Final = 2**16
_FOREIGN: Final = {
    b"PK\x03\x04": "a zip archive is not read: unpack it first",
    b"\xfd7zXZ\0": "xz is not read: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive is not read: unpack it first",
    b"Rar!\x1a\x07": "a RAR archive is not read: unpack it first",
    b"\x04\x22\x4d\x18": "lz4 is not read: unpack it first",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF-": "a PDF document",
}
"""First bytes of what lies beside tweets, or is packed in a way that is not read: no text, to be cut into lines."""


def form_of(start: bytes, options: ReadOptions) -> Form:
    """The form of a stream that begins so. Whatever is not known for something else is taken for JSON, line by line,
    or, where the options describes a table, for CSV."""
    if start.startswith(_PARQUET_MAGIC):
        return "parquet"
    if _foreign(start):
        return "foreign"
    if options.format == "table":
        return "json" if start.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"{") else "csv"
    return "known table" if options.format != "auto" or known_table(_first_line(start)) else "json"


def open_records(stream: Stream, options: ReadOptions) -> Records:
    """The records of a stream, in its form."""
    start = stream.peek(_PEEK_BYTES)
    form = form_of(start, options)
    if form == "json":
        return json_records(json_lines(stream.blocks(), options), options)
    if form == "foreign":
        return _Unreadable(_foreign(start))
    if form == "parquet":  # which is read from its end
        return _Unreadable("a Parquet table inside a container: unpack it")
    lines = Lines(stream.blocks(), options.max_record)
    if form == "csv":
        return CsvRecords(lines, Layout(_columns(options), options.delimiter, shows_header=not options.privacy.hides))
    table = _known(_first_line(start), options)
    return table.records(lines) if table else _Unreadable(f"no header of {options.format} in its first line")


def json_lines(blocks: Iterator[Block], options: ReadOptions, begins_file: bool = True) -> Lines:
    """The lines of a stream of JSON, or of a range of one, as `json_records` wants them."""
    pages = PAGE_RECORDS if options.format == "auto" else 1
    return Lines(blocks, options.max_record * pages, begins_file)


def json_records(lines: Lines, options: ReadOptions) -> Records:
    """The records of lines of JSON."""
    if options.format == "auto":
        return JsonRecords(lines, options.max_record)
    return JsonTableRecords(lines, _columns(options))


def open_parquet(file: BinaryIO, options: ReadOptions, first: int = 0, end: int | None = None) -> Records:
    """The records of a Parquet table, or of its row groups from the first up to the end."""
    if options.format != "table":
        return _Unreadable('a Parquet table: set archive.format = "table" and archive.columns')
    groups = range(first, sys.maxsize if end is None else end)
    return ParquetRecords(file, _columns(options), options.max_record, options.max_expansion, groups)


class _Unreadable:
    """No records, and the reason."""

    def __init__(self, damage: str) -> None:
        self.damage = damage

    def __iter__(self) -> Iterator[Record]:
        return iter(())


def _foreign(start: bytes) -> str:
    """What a stream is, where it begins as no text does; empty where it may be one."""
    return next((what for magic, what in _FOREIGN.items() if start.startswith(magic)), "")


def _known(first_line: str, options: ReadOptions) -> KnownTable | None:
    match options.format:
        case "rutweetcorp":
            return RUTWEETCORP
        case "sentiment140":
            return SENTIMENT140
        case _:
            return known_table(first_line)


def _first_line(start: bytes) -> str:
    return start.lstrip().partition(b"\n")[0].decode("latin-1")


def _columns(options: ReadOptions) -> ColumnNames:
    assert options.columns is not None, "a table is read by column names"
    return options.columns
