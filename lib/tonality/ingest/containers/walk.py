"""The streams of records in a file: itself, what it unpacks to, the members of the tar that it is."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tonality.ingest.containers.compression import Expansion, compression_of, unpack
from tonality.ingest.containers.streams import Block, Stream, UnpackedStream
from tonality.ingest.containers.tar import is_tar, read_members

__all__ = ["Member", "find_members", "find_members_in"]

_DEEPEST: Final = 4
"""Containers inside one another that are opened: an archive has two or three, a trap any number."""
_PEEK_BYTES: Final = 512


class Member(NamedTuple):
    """A stream of records, or the name of something that has none. To be read before the next one."""

    name: str
    stream: Stream | None = None
    skipped: str = ""
    """Why it is not read."""
    damage: str = ""
    """What broke the container here."""


def find_members_in(name: str, stream: Stream, expansion: Expansion, depth: int = 0) -> Iterator[Member]:
    """The sources of a file: one, unless it is a tar; then each of its members, `name!path`, and the tar's own damage.

    Containers are known by their content. Tars may be compressed, and their members again.
    """
    start = stream.peek(_PEEK_BYTES)
    compression = compression_of(start)
    if depth > _DEEPEST and (compression or is_tar(start)):
        yield Member(name, damage=f"more than {_DEEPEST} containers inside one another")
    elif compression:
        unpacked = UnpackedStream(lambda: _unpack_again(stream, compression, expansion))
        yield from find_members_in(name, unpacked, expansion.inside(), depth + 1)
    elif is_tar(start):
        yield from find_members(name, stream, expansion, depth)
    else:
        yield Member(name, stream)


def find_members(
    name: str, stream: Stream, expansion: Expansion, depth: int = 0, ends_tar: bool = True
) -> Iterator[Member]:
    """The sources of a tar, or of a part of it, and the tar itself where it is broken or empty."""
    empty = True
    for member in read_members(stream, ends_tar):
        empty = False
        path = f"{name}!{member.name}"
        if member.stream:
            yield from find_members_in(path, member.stream, expansion, depth + 1)
        elif member.skipped:
            yield Member(path, skipped=member.skipped)
        else:
            yield Member(name, damage=member.damage)
    damage = stream.damage if isinstance(stream, UnpackedStream) else ""
    if damage or empty:
        yield Member(name, damage=damage)


def _unpack_again(stream: Stream, compression: str, expansion: Expansion) -> Iterator[Block]:
    stream.seek(0)
    yield from unpack(stream, compression, expansion)
    if isinstance(stream, UnpackedStream) and stream.damage:  # which may cost nothing of what it holds
        yield Block(b"", stream.damage)
