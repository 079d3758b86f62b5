"""The files of an archive, found by path, folder or glob."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tonality.ingest.containers.compression import ExpansionLimit
from tonality.ingest.containers.streams import FileStream
from tonality.ingest.containers.walk import walk_stream
from tonality.ingest.formats.csv_rows import csv_columns
from tonality.ingest.formats.detect import detect_format
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.parquet_rows import parquet_columns
from tonality.ingest.options import ReadOptions
from tonality.runtime.diagnostics.errors import InputError, MissingInputError
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.diagnostics.redaction import redacted
from tonality.runtime.storage.inputs import expand
from tonality.runtime.storage.urls import filesystem

__all__ = ["ArchiveFile", "check_columns", "find_files", "source_name"]

_PEEK_BYTES: Final = 2**16
_HEADER_BYTES: Final = 2**20
_DELIMITERS: Final = {"\t": "tab", ";": ";", "|": "|", ",": ","}
"""Usual delimiters, with their spelling in the settings."""
_SHOWN: Final = 3
"""Missing locations listed in an error."""


class ArchiveFile(NamedTuple):
    """A file of an archive."""

    url: str
    bytes: int


def source_name(location: str) -> str:
    """The name of a file, or of a member as `url!path`, in the tables: on one line and without secrets."""
    return redacted(escaped_name(location))


def find_files(locations: Iterable[str], optional: Iterable[str] = ()) -> list[ArchiveFile]:
    """The distinct files at all locations, sorted by URL; optional locations may match nothing.

    Below folders, names that begin with . or _ are hidden. Raises InputError with all required locations at which
    there is no file.
    """
    found: dict[str, int] = {}
    missing: list[InputError] = []
    for location in locations:
        try:
            found |= expand(location)
        except InputError as error:
            missing.append(error)
    if missing:
        more = [f"and so on, {len(missing):,} in all"] if len(missing) > _SHOWN else []
        raise InputError(*(line for error in missing[:_SHOWN] for line in error.lines), *more)
    for location in optional:
        try:
            found |= expand(location)
        except MissingInputError:
            continue
    return [ArchiveFile(url, size) for url, size in sorted(found.items())]


def check_columns(files: Sequence[ArchiveFile], options: ReadOptions) -> None:
    """Check the columns of the first file that is not empty, for tables; the accounts report those of later files.

    Raises InputError with the missing columns and those that the file has, or only their number if the privacy policy
    hides anything: without a header, they are fields of a tweet.
    """
    if options.format != "table":
        return
    file = next((file for file in files if file.bytes), None)
    found = _columns(file.url, options) if file else None
    if file is None or found is None:
        return
    missing = {field: name for field, name in options.columns.named().items() if name not in found}
    if missing:
        settings = ", ".join(f"archive.columns.{field} = {name!r}" for field, name in missing.items())
        existing = ", ".join(found) or "no header: is it empty or broken?"
        if len(found) == 1 and (delimiter := next((one for one in _DELIMITERS if one in found[0]), "")):
            existing = f'one column: set archive.delimiter = "{_DELIMITERS[delimiter]}"?'
        elif options.privacy.hides and found:
            existing = f"{len(found)} others"
        raise InputError(f"{file.url} has no such column: {settings}; it has {existing}")


def _columns(url: str, options: ReadOptions) -> list[str] | None:
    """The columns of a file, or of a tar's first member; None for formats without a header, such as JSON."""
    system, path = filesystem(url)
    with system.open(path, "rb") as file:
        stream = FileStream(file)
        if detect_format(stream.peek(_PEEK_BYTES), options) == "parquet":
            return parquet_columns(file)
        streams = (
            member.stream for member in walk_stream(url, stream, ExpansionLimit(options.max_expansion)) if member.stream
        )
        if (first := next(streams, None)) is None or detect_format(first.peek(_PEEK_BYTES), options) != "csv":
            return None
        return csv_columns(Lines(first.blocks(), _HEADER_BYTES), options.delimiter)
