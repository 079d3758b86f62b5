"""Bytes of an archive as streams: a file or a part of one, and what a compressed stream holds, read alike."""

import os
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol, runtime_checkable

__all__ = ["Block", "FileStream", "Stream", "UnpackedStream"]

READ_BYTES: Final = 2**18
"""What is read at once, compressed or plain."""


class Block(NamedTuple):
    """A piece of an uncompressed stream, or what broke it there. After damage a stream may go on, with a gap."""

    content: bytes
    damage: str = ""
    own: bool = True
    """Whether it belongs to the range that is read; what follows a range ends the last line of it."""


@runtime_checkable
class Stream(Protocol):
    """Bytes read in order. Going back is possible, and may cost as much as reading again."""

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay: fewer only at the end."""
        ...

    def read(self, size: int) -> bytes:
        """The next bytes: fewer only at the end."""
        ...

    def tell(self) -> int:
        """How many bytes stand before the next."""
        ...

    def seek(self, position: int) -> None:
        """Go to so many bytes after the start."""
        ...

    def blocks(self) -> Iterator[Block]:
        """All that is left."""
        ...


class _File(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def seek(self, position: int, whence: int = ..., /) -> int: ...


class FileStream:
    """A file, or the part of it from `start` up to `end`, in bytes, as a stream of its own."""

    def __init__(self, file: _File | Stream, start: int = 0, end: int | None = None) -> None:
        self._file = file
        self._start = start
        self._size = None if end is None else end - start
        self._position = 0
        self._peeked = b""
        file.seek(start)

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay."""
        if len(self._peeked) < size:
            self._peeked += self._next(size - len(self._peeked))
        return self._peeked[:size]

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if not self._peeked:
            return self._next(size)
        content, self._peeked = self._peeked[:size], self._peeked[size:]
        return content + self._next(size - len(content)) if len(content) < size else content

    def tell(self) -> int:
        """How many bytes stand before the next."""
        return self._position - len(self._peeked)

    def seek(self, position: int) -> None:
        """Go to so many bytes after the start, or to the end."""
        if self._size is not None:
            position = min(position, self._size)
        if position != self.tell():
            self._position, self._peeked = position, b""
            self._file.seek(self._start + position)

    def blocks(self) -> Iterator[Block]:
        """All that is left; damage, where a part of a file ends before it should."""
        while content := self.read(READ_BYTES):
            yield Block(content)
        if self._size is not None and self._position < self._size:
            yield Block(b"", f"cut off at byte {self._position} of {self._size}")

    def _next(self, size: int) -> bytes:
        if self._size is not None:
            size = min(size, self._size - self._position)
        content = b""
        while size > 0 and (more := self._file.read(size)):  # a raw file may give less than asked for
            content = content + more if content else more
            size -= len(more)
        self._position += len(content)
        if size > 0 and not content:  # files let themselves be asked for places behind their end
            self._position = max(0, min(self._position, self._end() - self._start))
        return content

    def _end(self) -> int:
        """Where the file ends, once it has nothing left."""
        return self._file.tell() if isinstance(self._file, Stream) else self._file.seek(0, os.SEEK_END)


class UnpackedStream:
    """What a compressed stream holds. Read piece by piece, it ends where it breaks; its blocks may go on behind."""

    def __init__(self, unpack: Callable[[], Iterator[Block]]) -> None:
        self._unpack = unpack
        self._blocks = unpack()
        self._buffer = b""
        self._at = 0  # bytes of the buffer that have been read: to cut them off would copy all others each time
        self._before = 0  # bytes before the buffer
        self._broken: Block | None = None

    @property
    def damage(self) -> str:
        """What broke the stream where reading ended, or nothing."""
        return self._broken.damage if self._broken else ""

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay."""
        if len(self._buffer) - self._at < size and not self._broken:
            self._fill(size)
        return self._buffer[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """The next bytes."""
        content = self.peek(size)
        self._at += len(content)
        if self._at == len(self._buffer):
            self._let_go()
        return content

    def tell(self) -> int:
        """How many bytes stand before the next."""
        return self._before + self._at

    def seek(self, position: int) -> None:
        """Go to so many bytes after the start; back, beyond what is held, by decompressing again."""
        if position < self._before:
            self._blocks, self._buffer, self._at, self._before, self._broken = self._unpack(), b"", 0, 0, None
        elif position < self.tell():
            self._at = position - self._before
        while self.tell() < position and self.read(min(READ_BYTES, position - self.tell())):
            pass

    def blocks(self) -> Iterator[Block]:
        """All that is left, with its damage in its place."""
        if self._at < len(self._buffer):
            yield Block(self._buffer[self._at :])
        if self._broken:
            yield self._broken
        yield from self._blocks

    def _fill(self, size: int) -> None:
        """Hold so many bytes behind those read, which are let go."""
        self._let_go()
        parts, held = [self._buffer], len(self._buffer)
        while held < size and not self._broken and (block := next(self._blocks, None)):
            parts.append(block.content)
            held += len(block.content)
            self._broken = block if block.damage else None
        self._buffer = b"".join(parts)

    def _let_go(self) -> None:
        self._before += self._at
        self._buffer, self._at = self._buffer[self._at :], 0
