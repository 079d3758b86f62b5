"""Detect the format of a stream, from the settings and its first line, and open its records."""

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, Literal

from tonality.ingest.containers.streams import Block, Stream
from tonality.ingest.formats.csv_rows import CsvRecords, Layout
from tonality.ingest.formats.decoding import BYTE_ORDER_MARK
from tonality.ingest.formats.json_rows import JsonTableRecords
from tonality.ingest.formats.known_tables import RUTWEETCORP, SENTIMENT140, KnownTable, known_table
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.parquet_rows import ParquetRecords
from tonality.ingest.formats.record import Record, Records, Tweet
from tonality.ingest.formats.row_mapping import TweetMapper
from tonality.ingest.formats.twitter_lines import PAGE_RECORDS, TwitterRecords
from tonality.ingest.options import ReadOptions

__all__ = [
    "PARQUET_MAGIC",
    "Format",
    "Unreadable",
    "detect_format",
    "is_json_table",
    "json_lines",
    "json_records",
    "open_parquet",
    "open_records",
    "unsupported_content",
]

Format = Literal["json", "csv", "known table", "parquet", "unsupported"]

PARQUET_MAGIC: Final = b"PAR1"
_PEEK_BYTES: Final = 2**16
_UNSUPPORTED: Final = {
    b"PK\x03\x04": "a zip archive is not read: unpack it first",
    b"\xfd7zXZ\0": "xz is not read: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive is not read: unpack it first",
    b"Rar!\x1a\x07": "a RAR archive is not read: unpack it first",
    b"\x04\x22\x4d\x18": "lz4 is not read: unpack it first",
    b"\x89PNG\r\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF-": "a PDF document",
}
"""Magic numbers of files that are not text: unsupported compression formats, and files often found beside archives."""


def is_json_table(start: bytes) -> bool:
    """True if a table that begins with these bytes is JSON lines, False if it is CSV."""
    return start.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"{")


def detect_format(start: bytes, options: ReadOptions) -> Format:
    """Return the format of a stream from its first bytes.

    The default is JSON lines, or CSV if the options describe a table.
    """
    if start.startswith(PARQUET_MAGIC):
        return "parquet"
    if unsupported_content(start):
        return "unsupported"
    if options.format == "table":
        return "json" if is_json_table(start) else "csv"
    return "known table" if options.format != "auto" or known_table(_first_line(start)) else "json"


def open_records(stream: Stream, options: ReadOptions) -> Records[Tweet]:
    """Return the records of a stream, in its detected format."""
    start = stream.peek(_PEEK_BYTES)
    detected = detect_format(start, options)
    if detected == "json":
        return json_records(json_lines(stream.blocks(), options), options)
    if detected == "unsupported":
        return Unreadable(unsupported_content(start))
    if detected == "parquet":  # can only be read from its end, which needs a file
        return Unreadable("a Parquet table inside a container: unpack it")
    lines = Lines(stream.blocks(), options.max_record)
    if detected == "csv":
        layout = Layout(options.delimiter, shows_header=not options.privacy.hides)
        return CsvRecords(lines, layout, TweetMapper(options.columns))
    table = _known_table(_first_line(start), options)
    return table.records(lines) if table else Unreadable(f"no header of {options.format} in its first line")


def json_lines(blocks: Iterator[Block], options: ReadOptions, begins_file: bool = True) -> Lines:
    """Return the lines of a JSON stream, or of a range of one, with the size limit that `json_records` expects."""
    pages = PAGE_RECORDS if options.format == "auto" else 1
    return Lines(blocks, options.max_record * pages, begins_file)


def json_records(lines: Lines, options: ReadOptions) -> Records[Tweet]:
    """Return the records of JSON lines."""
    if options.format == "auto":
        return TwitterRecords(lines, options.max_record)
    return JsonTableRecords(lines, TweetMapper(options.columns))


def open_parquet(file: BinaryIO, options: ReadOptions, first: int = 0, end: int | None = None) -> Records[Tweet]:
    """Return the records of a Parquet table, or of its row groups from `first` up to but not including `end`."""
    if options.format != "table":
        return Unreadable('a Parquet table: set archive.format = "table" and archive.columns')
    groups = range(first, sys.maxsize if end is None else end)
    return ParquetRecords(file, TweetMapper(options.columns), options.max_record, options.max_expansion, groups)


class Unreadable:
    """A stream without readable records; `damage` is the reason."""

    def __init__(self, damage: str) -> None:
        self.damage = damage

    def __iter__(self) -> Iterator[Record[Any]]:
        return iter(())


def unsupported_content(start: bytes) -> str:
    """Describe the content of a stream that begins like no text; empty if it may be text."""
    return next((kind for magic, kind in _UNSUPPORTED.items() if start.startswith(magic)), "")


def _known_table(first_line: str, options: ReadOptions) -> KnownTable | None:
    match options.format:
        case "rutweetcorp":
            return RUTWEETCORP
        case "sentiment140":
            return SENTIMENT140
        case _:
            return known_table(first_line)


def _first_line(start: bytes) -> str:
    return start.lstrip().partition(b"\n")[0].decode("latin-1")
