"""A split of an archive opened: the sources of records in it, one after the other."""

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from tonality.ingest.containers.compression import Expansion, compression_of, unpack
from tonality.ingest.containers.streams import Block, FileStream
from tonality.ingest.containers.walk import Member, find_members, find_members_in
from tonality.ingest.formats.detect import form_of, json_lines, json_records, open_parquet, open_records
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import Records
from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.splits import Split

__all__ = ["Opened", "open_split"]

_PEEK_BYTES: Final = 512


class Opened(NamedTuple):
    """A source with its records, to be read before the next one; or why it has none."""

    name: str
    records: Records | None = None
    skipped: str = ""
    damage: str = ""
    lines: Lines | None = None
    """Of a range of lines: they know, afterwards, how long it is."""


def open_split(split: Split, file: BinaryIO, options: ReadOptions) -> Iterator[Opened]:
    """The sources of a split of a file."""
    match split.part:
        case "lines":
            lines = json_lines(_range(file, split, options.max_expansion), options, split.start == 0)
            yield Opened(split.url, json_records(lines, options), lines=lines)
        case "row groups":
            yield Opened(split.url, open_parquet(file, options, split.start, split.end))
        case "members":
            stream = FileStream(file, 0, split.end)
            stream.seek(split.start)
            members = find_members(split.url, stream, Expansion(options.max_expansion), ends_tar=split.end is None)
            yield from (_opened(member, options) for member in members)
        case "all":
            stream = FileStream(file)
            if form_of(stream.peek(_PEEK_BYTES), options) == "parquet":
                yield Opened(split.url, open_parquet(file, options))
            else:
                yield from (
                    _opened(one, options)
                    for one in find_members_in(split.url, stream, Expansion(options.max_expansion))
                )


def _opened(source: Member, options: ReadOptions) -> Opened:
    records = open_records(source.stream, options) if source.stream else None
    return Opened(source.name, records, source.skipped, source.damage)


def _range(file: BinaryIO, split: Split, max_expansion: int) -> Iterator[Block]:
    """The bytes of a range of lines, then, not their own, those behind it; unpacked where they are bzip2."""
    stream = FileStream(file)
    compression = compression_of(stream.peek(_PEEK_BYTES))
    if compression:
        yield from unpack(stream, compression, Expansion(max_expansion), split.start, split.end)
        return
    yield from FileStream(file, split.start, split.end).blocks()
    if split.end is not None:
        yield from (block._replace(own=False) for block in FileStream(file, split.end).blocks())
