"""Streams of bytes: a file, a part of a file or the content of a compressed stream, behind one interface."""

import os
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol, runtime_checkable

__all__ = ["READ_BYTES", "Block", "DecompressedStream", "FileStream", "Stream"]

READ_BYTES: Final = 2**18
"""Bytes read at once, compressed or not."""


class Block(NamedTuple):
    """Successive bytes of a stream, or damage at this position, after which the stream may resume with a gap."""

    content: bytes
    damage: str = ""
    in_range: bool = True
    """False for the blocks after the range being read, which only complete its last line."""


@runtime_checkable
class Stream(Protocol):
    """Bytes read in order. Seeking backwards is possible, but may cost as much as reading everything again."""

    def peek(self, size: int) -> bytes:
        """Return the next bytes without consuming them; fewer only at the end."""
        ...

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer only at the end."""
        ...

    def tell(self) -> int:
        """Return the position in bytes from the start."""
        ...

    def seek(self, position: int) -> None:
        """Move to a position in bytes from the start."""
        ...

    def blocks(self) -> Iterator[Block]:
        """Yield the remaining bytes."""
        ...


class _File(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def seek(self, position: int, whence: int = ..., /) -> int: ...


class FileStream:
    """A file, or its bytes from `start` to `end`, as a stream of its own."""

    def __init__(self, file: _File | Stream, start: int = 0, end: int | None = None) -> None:
        self._file = file
        self._start = start
        self._size = None if end is None else end - start
        self._position = 0
        self._peeked = b""
        file.seek(start)

    def peek(self, size: int) -> bytes:
        """Return the next bytes without consuming them."""
        if len(self._peeked) < size:
            self._peeked += self._read_file(size - len(self._peeked))
        return self._peeked[:size]

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        if not self._peeked:
            return self._read_file(size)
        content, self._peeked = self._peeked[:size], self._peeked[size:]
        return content + self._read_file(size - len(content)) if len(content) < size else content

    def tell(self) -> int:
        """Return the position in bytes from the start."""
        return self._position - len(self._peeked)

    def seek(self, position: int) -> None:
        """Move to a position in bytes from the start, at most to the end."""
        if self._size is not None:
            position = min(position, self._size)
        if position != self.tell():
            self._position, self._peeked = position, b""
            self._file.seek(self._start + position)

    def blocks(self) -> Iterator[Block]:
        """Yield the remaining bytes, then damage if a part of a file ends early."""
        while content := self.read(READ_BYTES):
            yield Block(content)
        if self._size is not None and self._position < self._size:
            yield Block(b"", f"cut off at byte {self._position} of {self._size}")

    def _read_file(self, size: int) -> bytes:
        if self._size is not None:
            size = min(size, self._size - self._position)
        content = b""
        while size > 0 and (more := self._file.read(size)):  # a raw file may return fewer bytes than requested
            content = content + more if content else more
            size -= len(more)
        self._position += len(content)
        if size > 0 and not content:  # a file can be positioned past its end
            self._position = max(0, min(self._position, self._file_end() - self._start))
        return content

    def _file_end(self) -> int:
        """Return the size of the file, which has been read to its end."""
        return self._file.tell() if isinstance(self._file, Stream) else self._file.seek(0, os.SEEK_END)


class DecompressedStream:
    """The content of a compressed stream. `peek` and `read` end at the first damage; `blocks` continues after it."""

    def __init__(self, decompress: Callable[[], Iterator[Block]]) -> None:
        self._decompress = decompress
        self._blocks = decompress()
        self._buffer = b""
        self._consumed = 0  # bytes of the buffer; cutting them off at every read would copy all others
        self._buffer_start = 0
        self._damaged: Block | None = None

    @property
    def damage(self) -> str:
        """Damage that ended reading, or nothing."""
        return self._damaged.damage if self._damaged else ""

    def peek(self, size: int) -> bytes:
        """Return the next bytes without consuming them."""
        if len(self._buffer) - self._consumed < size and not self._damaged:
            self._fill(size)
        return self._buffer[self._consumed : self._consumed + size]

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        content = self.peek(size)
        self._consumed += len(content)
        if self._consumed == len(self._buffer):
            self._discard_consumed()
        return content

    def tell(self) -> int:
        """Return the position in bytes from the start."""
        return self._buffer_start + self._consumed

    def seek(self, position: int) -> None:
        """Move to a position in bytes from the start; backwards, beyond the buffer, by decompressing again."""
        if position < self._buffer_start:
            self._blocks, self._damaged = self._decompress(), None
            self._buffer, self._consumed, self._buffer_start = b"", 0, 0
        elif position < self.tell():
            self._consumed = position - self._buffer_start
        while self.tell() < position and self.read(min(READ_BYTES, position - self.tell())):
            pass

    def blocks(self) -> Iterator[Block]:
        """Yield the remaining bytes and all damage, in order."""
        if self._consumed < len(self._buffer):
            yield Block(self._buffer[self._consumed :])
        if self._damaged:
            yield self._damaged
        yield from self._blocks

    def _fill(self, size: int) -> None:
        """Buffer that many unconsumed bytes, or all that are left."""
        self._discard_consumed()
        parts, buffered = [self._buffer], len(self._buffer)
        while buffered < size and not self._damaged and (block := next(self._blocks, None)):
            parts.append(block.content)
            buffered += len(block.content)
            self._damaged = block if block.damage else None
        self._buffer = b"".join(parts)

    def _discard_consumed(self) -> None:
        self._buffer_start += self._consumed
        self._buffer, self._consumed = self._buffer[self._consumed :], 0
