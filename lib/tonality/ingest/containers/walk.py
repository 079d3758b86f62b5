"""Walk through the containers of a file: decompress it, open the tar inside, and so on down to streams of records."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tonality.ingest.containers.compression import ExpansionLimit, decompress, detect_compression
from tonality.ingest.containers.streams import Block, DecompressedStream, Stream
from tonality.ingest.containers.tar import is_tar, read_tar

__all__ = ["Member", "walk_stream", "walk_tar"]

_MAX_DEPTH: Final = 4
"""Nested containers opened at most: an archive has two or three, an attack any number."""
_PEEK_BYTES: Final = 512


class Member(NamedTuple):
    """A stream of records, to be read before the next member, or an entry without one."""

    name: str
    stream: Stream | None = None
    skipped: str = ""
    """Reason why the entry is not read."""
    damage: str = ""
    """Damage of the container at this position."""


def walk_stream(name: str, stream: Stream, limit: ExpansionLimit, depth: int = 0) -> Iterator[Member]:
    """Yield the members of a file: the file itself, or if it is a tar, its entries, named `name!path`, and its damage.

    Containers are detected by their content. A tar may be compressed, and so may its entries.
    """
    start = stream.peek(_PEEK_BYTES)
    compression = detect_compression(start)
    if depth > _MAX_DEPTH and (compression or is_tar(start)):
        yield Member(name, damage=f"more than {_MAX_DEPTH} containers inside one another")
    elif compression:
        decompressed = DecompressedStream(lambda: _decompress_from_start(stream, compression, limit))
        yield from walk_stream(name, decompressed, limit.nested(), depth + 1)
    elif is_tar(start):
        yield from walk_tar(name, stream, limit, depth)
    else:
        yield Member(name, stream)


def walk_tar(
    name: str, stream: Stream, limit: ExpansionLimit, depth: int = 0, complete: bool = True
) -> Iterator[Member]:
    """Yield the members of a tar, and the tar itself if it is damaged or empty.

    With `complete=False` the stream is a part of a tar, which need not have an end-of-archive marker.
    """
    empty = True
    for entry in read_tar(stream, complete):
        empty = False
        path = f"{name}!{entry.name}"
        if entry.stream:
            yield from walk_stream(path, entry.stream, limit, depth + 1)
        elif entry.skipped:
            yield Member(path, skipped=entry.skipped)
        else:
            yield Member(name, damage=entry.damage)
    damage = stream.damage if isinstance(stream, DecompressedStream) else ""
    if damage or empty:
        yield Member(name, damage=damage)


def _decompress_from_start(stream: Stream, compression: str, limit: ExpansionLimit) -> Iterator[Block]:
    stream.seek(0)
    yield from decompress(stream, compression, limit)
    if isinstance(stream, DecompressedStream) and stream.damage:  # even if the inner stream is complete
        yield Block(b"", stream.damage)
