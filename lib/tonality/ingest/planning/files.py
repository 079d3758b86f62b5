"""The files of an archive, found by path, folder or glob."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tonality.ingest.containers.compression import Expansion
from tonality.ingest.containers.streams import FileStream
from tonality.ingest.containers.walk import find_members_in
from tonality.ingest.formats.csv_rows import csv_columns
from tonality.ingest.formats.detect import form_of
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.parquet_rows import parquet_columns
from tonality.ingest.options import ReadOptions
from tonality.runtime.diagnostics.errors import InputError, MissingInputError
from tonality.runtime.storage.urls import expand, filesystem

__all__ = ["ArchiveFile", "check_columns", "find_files"]

_PEEK_BYTES: Final = 2**16
_HEADER_BYTES: Final = 2**20
_DELIMITERS: Final = {"\t": "tab", ";": ";", "|": "|", ",": ","}
"""What separates columns, and how the settings write it."""
_SHOWN: Final = 3
"""Of the locations where nothing is."""


class ArchiveFile(NamedTuple):
    """A file of an archive."""

    url: str
    bytes: int


def find_files(locations: Iterable[str], besides: Iterable[str] = ()) -> list[ArchiveFile]:
    """Every file that the locations name, once, in the order of their URLs, and what those besides name, if anything.
    Below folders, names that begin with . or _ are hidden.

    Raises InputError where a location finds nothing, for all such locations together.
    """
    found: dict[str, int] = {}
    missing: list[str] = []
    for location in locations:
        try:
            found |= expand(location)
        except InputError as fault:
            missing.append(str(fault))
    if missing:
        more = [f"and so on, {len(missing):,} in all"] if len(missing) > _SHOWN else []
        raise InputError("\n".join(missing[:_SHOWN] + more))
    for location in besides:
        try:
            found |= expand(location)
        except MissingInputError:
            continue
    return [ArchiveFile(url, size) for url, size in sorted(found.items())]


def check_columns(files: Sequence[ArchiveFile], options: ReadOptions) -> None:
    """Refuse tables whose first file, of those that are not empty, lacks a column that the options names; the accounts
    tell of later files.

    Raises InputError with the columns that the file has, or how many, where the options hides who wrote what.
    """
    if options.columns is None:
        return
    file = next((file for file in files if file.bytes), None)
    found = _columns(file.url, options) if file else None
    if file is None or found is None:
        return
    expected = {role: name for role, name in options.columns.named().items() if name not in found}
    if expected:
        asked = ", ".join(f"archive.columns.{role} = {name!r}" for role, name in expected.items())
        has = ", ".join(found) or "no header: is it empty or broken?"
        if len(found) == 1 and (mark := next((mark for mark in _DELIMITERS if mark in found[0]), "")):
            has = f'one column: set archive.delimiter = "{_DELIMITERS[mark]}"?'
        elif options.privacy.hides and found:  # which are those of a tweet where the file has no header
            has = f"{len(found)} others"
        raise InputError(f"{file.url} has no such column: {asked}; it has {has}")


def _columns(url: str, options: ReadOptions) -> list[str] | None:
    """The columns of a file, of its first member where it is a tar; None for what has no header, as JSON."""
    system, path = filesystem(url)
    with system.open(path, "rb") as file:
        stream = FileStream(file)
        if form_of(stream.peek(_PEEK_BYTES), options) == "parquet":
            return parquet_columns(file)
        streams = (
            source.stream for source in find_members_in(url, stream, Expansion(options.max_expansion)) if source.stream
        )
        if (first := next(streams, None)) is None or form_of(first.peek(_PEEK_BYTES), options) != "csv":
            return None
        return csv_columns(Lines(first.blocks(), _HEADER_BYTES), options.delimiter)
