"""Compressed bytes to records of bytes: a file is read as a stream, and whatever stands before a break is kept."""

import bz2
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple, Protocol, cast

from isal import igzip_lib

__all__ = ["Block", "Line", "Lines", "read_blocks"]

_READ_BYTES: Final = 2**18
_BLOCK_BYTES: Final = 2**16
"""The most that one step decompresses: a bomb cannot fill the memory, and damage costs little of what stands before."""


class Line(NamedTuple):
    """A record of a file of lines."""

    offset: int
    """Bytes of the uncompressed stream before it."""
    number: int
    """Its line, from 1."""
    content: bytes
    """The bytes, without the line break; of a record that is too long, its start."""
    bytes: int
    """How long the record really is."""

    @property
    def is_too_long(self) -> bool:
        """Whether only its start was kept."""
        return len(self.content) < self.bytes


class Block(NamedTuple):
    """A piece of an uncompressed stream, or what broke it."""

    content: bytes
    damage: str = ""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


_GZIP_ERROR: Final = cast("type[Exception]", igzip_lib.IsalError)  # its stub calls it an instance

_CONTAINERS: Final[dict[bytes, tuple[str, Callable[[], _Decompressor]]]] = {
    b"\x1f\x8b": ("gzip", lambda: igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
}


def read_blocks(file: BinaryIO) -> Iterator[Block]:
    """The uncompressed stream of a plain, gzip or bzip2 file, told apart by content; members one after the other.

    A file that breaks off or does not decompress ends in a block that says what is wrong and where.
    """
    start = file.read(_READ_BYTES)
    for magic, (name, decompressor) in _CONTAINERS.items():
        if start.startswith(magic):
            yield from _decompress(file, start, name, decompressor)
            return
    while start:
        yield Block(start)
        start = file.read(_READ_BYTES)


def _decompress(file: BinaryIO, data: bytes, name: str, decompressor: Callable[[], _Decompressor]) -> Iterator[Block]:
    stream = decompressor()
    read = len(data)
    while True:
        try:
            content = stream.decompress(data, _BLOCK_BYTES)
        except (OSError, EOFError, ValueError, _GZIP_ERROR) as error:
            yield Block(b"", f"{name} stream broken near compressed byte {read}: {error}")
            return
        if content:
            yield Block(content)
        data = b""
        if stream.eof:
            data = stream.unused_data.lstrip(b"\0")
            while not data:  # zeros pad members, as tapes and block copies leave them
                if not (more := file.read(_READ_BYTES)):
                    return
                read += len(more)
                data = more.lstrip(b"\0")
            stream = decompressor()
        elif stream.needs_input:
            data = file.read(_READ_BYTES)
            read += len(data)
            if not data:
                yield Block(b"", f"{name} stream cut off at compressed byte {read}")
                return


class Lines:
    """The lines of a stream of blocks: `\\n` ends one, a last one may lack it.

    After the iteration `damage` says what broke the stream, if anything did, and `cut` holds the start of the line in
    which it broke: no record, since its end is unknown.
    """

    def __init__(self, blocks: Iterator[Block], max_record: int) -> None:
        self._blocks = blocks
        self.max_record = max_record
        """Bytes of a line that are kept."""
        self.damage = ""
        self.cut: Line | None = None

    def __iter__(self) -> Iterator[Line]:
        offset, number = 0, 1
        rest, skipped = bytearray(), 0  # the unfinished line: its start, and how many bytes of it were let go
        for block in self._blocks:
            if block.damage:
                self.damage = block.damage
                break
            *ended, tail = block.content.split(b"\n")
            for content in ended:
                line = self._line(offset, number, rest + content if rest else content, skipped)
                yield line
                offset, number = offset + line.bytes + 1, number + 1
                if rest:
                    rest, skipped = bytearray(), 0
            rest += tail
            skipped += max(0, len(rest) - self.max_record)
            del rest[self.max_record :]
        if rest:
            last = self._line(offset, number, rest, skipped)
            if self.damage:
                self.cut = last
            else:
                yield last

    def _line(self, offset: int, number: int, content: bytes | bytearray, skipped: int) -> Line:
        return Line(offset, number, bytes(content[: self.max_record]), len(content) + skipped)
