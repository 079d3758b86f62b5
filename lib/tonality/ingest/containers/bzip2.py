"""bzip2 block by block, so that ranges of a file can be read separately and a broken block costs no other.

A bzip2 stream is a header, `BZh1` to `BZh9`, then blocks of at most 900 kB, then an end of stream. Each block and the
end of stream begin with a 48-bit magic number, at any bit position, followed by a 32-bit CRC. A block with a header and
an end of stream of its own is a complete stream, which decompresses to the block's content (Joe Tsai, "BZIP2: Format
Specification", 2016).
"""

import bz2
import re
import zlib
from collections import deque
from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

from tonality.ingest.containers.streams import READ_BYTES, Block, Stream

__all__ = ["decompress_bzip2"]

_BLOCK_MAGIC: Final = 0x314159265359
_END_MAGIC: Final = 0x177245385090
_MAGIC_BITS: Final = 48
_MAGIC_MASK: Final = (1 << _MAGIC_BITS) - 1
_CRC_BITS: Final = 32
_OVERLAP: Final = 8
"""Bytes searched again together with the next ones, for a magic that spans both."""
_HEADER: Final = b"BZh9"
"""Level 9 allows the largest blocks, so that those of every level fit."""
_MAX_COMPRESSED: Final = 2**21
"""Bytes; no compressed block is that long."""
_BETWEEN_STREAMS: Final = re.compile(rb"\0*BZh[1-9]")
_REVERSED_BITS: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def decompress_bzip2(stream: Stream, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """Yield the content of the blocks that begin in a range of compressed bytes, then that of the blocks after it.

    The latter have `in_range=False`. A block that cannot be decompressed or fails its CRC is damage; reading resumes
    with the next block.
    """
    stream.seek(start)
    magics = _MagicScanner(stream, start)
    if start == 0 and (damage := _start_damage(magics)):
        yield Block(b"", damage)
    range_end = float("inf") if end is None else end * 8
    while magic := magics.next():
        blocks = _check_end(magics, magic) if magic.is_end else _decompress_block(magics, magic)
        in_range = magic.bit < range_end
        yield from blocks if in_range else (block._replace(in_range=False) for block in blocks)


class _Magic(NamedTuple):
    """A magic number found in a stream."""

    bit: int
    """Position in bits from the start of the stream."""
    is_end: bool
    """True for the end of a stream, False for the start of a block."""


def _start_damage(magics: "_MagicScanner") -> str:
    first = magics.peek()
    if first is None:
        return f"bzip2 stream cut off at compressed byte {magics.bytes_read}"
    return "" if first.bit == len(_HEADER) * 8 else f"bzip2 stream broken at compressed byte {len(_HEADER)}"


def _check_end(magics: "_MagicScanner", magic: _Magic) -> Iterator[Block]:
    """Yield damage if the end of stream is cut off or followed by anything but another stream or zeros."""
    following = magics.peek()
    after = -(-(magic.bit + _MAGIC_BITS + _CRC_BITS) // 8)
    content = magics.content(after, following.bit // 8 if following else magics.bytes_read)
    if after > magics.bytes_read:
        yield Block(b"", f"bzip2 stream cut off at compressed byte {magics.bytes_read}")
    elif content is None or not (_BETWEEN_STREAMS.fullmatch(content) if following else not content.strip(b"\0")):
        yield Block(b"", f"bzip2 stream followed by something else at compressed byte {after}")


def _decompress_block(magics: "_MagicScanner", magic: _Magic) -> Iterator[Block]:
    """Yield the content of a block, or damage, after whatever could be saved of it."""
    following = magics.peek()
    if following is None:
        end = magics.bytes_read
        yield Block(_recover_content(magics.as_stream(magic, _Magic(end * 8, is_end=True))))
        yield Block(b"", f"bzip2 stream cut off at compressed byte {end}, in the block at {magic.bit // 8}")
        return
    compressed = magics.as_stream(magic, following)
    content = _decompress_valid(compressed)
    if content is None and (second := magics.peek(1)):  # a block may contain a magic by coincidence
        content = _decompress_valid(magics.as_stream(magic, second))
        if content is not None:
            magics.next()
    if content is None:
        yield Block(_recover_content(compressed))
        yield Block(b"", f"bzip2 block broken at compressed byte {magic.bit // 8}")
    else:
        yield Block(content)


def _decompress_valid(compressed: bytes | None) -> bytes | None:
    try:
        return None if compressed is None else bz2.decompress(compressed)
    except (OSError, ValueError):
        return None


def _recover_content(compressed: bytes | None) -> bytes:
    """Return the content of an intact block whose successor has lost its magic; nothing if the block itself is broken.

    The bytes are the block's followed by others.
    """
    if compressed is None:
        return b""
    valid, invalid = 0, len(compressed) + 1
    while invalid - valid > 1:  # find the longest valid start, for which the decompressor has returned the block
        middle = (valid + invalid) // 2
        valid, invalid = (valid, middle) if _decompress_start(compressed[:middle]) is None else (middle, invalid)
    content = _decompress_start(compressed[:valid]) or b""
    crc = compressed[len(_HEADER) + _MAGIC_BITS // 8 :][: _CRC_BITS // 8]
    return content if _crc(content) == int.from_bytes(crc, "big") else b""


def _decompress_start(compressed: bytes) -> bytes | None:
    """Decompress as far as the bytes reach; return None if they are invalid."""
    decompressor = bz2.BZ2Decompressor()
    try:
        content = bytearray(decompressor.decompress(compressed))
        while not decompressor.eof and (more := decompressor.decompress(b"")):
            content += more
    except (OSError, ValueError):
        return None
    return bytes(content)


def _crc(content: bytes) -> int:
    """Return bzip2's CRC, which is zlib's with the bits in the opposite order."""
    return int(f"{zlib.crc32(content.translate(_REVERSED_BITS)):032b}"[::-1], 2)


class _Pattern(NamedTuple):
    """The bytes of a magic that begins at a certain bit of a byte."""

    whole_bytes: bytes
    """The bytes that lie entirely within the magic, for a fast search."""
    shift: int
    magic: int


def _patterns() -> Iterator[_Pattern]:
    for magic, shift in product((_BLOCK_MAGIC, _END_MAGIC), range(8)):
        size = -(-(_MAGIC_BITS + shift) // 8)
        content = (magic << (size * 8 - _MAGIC_BITS - shift)).to_bytes(size, "big")
        yield _Pattern(content[1:-1] if shift else content, shift, magic)


_PATTERNS: Final = tuple(_patterns())


class _MagicScanner:
    """The magics of a stream in order, with a bounded buffer of the bytes from the last one returned."""

    def __init__(self, stream: Stream, start: int) -> None:
        self._stream = stream
        self._buffer = b""
        self._buffer_start = start
        self._keep_from = start  # earlier bytes are no longer needed
        self._found: deque[_Magic] = deque()
        self._last_bit = -1  # position of the last magic found
        self._at_end = False

    @property
    def bytes_read(self) -> int:
        """Bytes read from the stream so far."""
        return self._buffer_start + len(self._buffer)

    def peek(self, index: int = 0) -> _Magic | None:
        """Return a following magic, by default the next; None if there is none within the length of a block."""
        while len(self._found) <= index and not self._at_end:
            if self._found and self.bytes_read - self._found[-1].bit // 8 > _MAX_COMPRESSED:
                return None
            self._read_more()
        return self._found[index] if len(self._found) > index else None

    def next(self) -> _Magic | None:
        """Return the next magic; the bytes before it are released."""
        magic = self.peek()
        if magic:
            self._found.popleft()
            self._keep_from = magic.bit // 8
        return magic

    def content(self, start: int, end: int) -> bytes | None:
        """Return the bytes between two positions of the stream; None if they have been released."""
        return None if start < self._keep_from else self._buffer[start - self._buffer_start : end - self._buffer_start]

    def as_stream(self, magic: _Magic, following: _Magic) -> bytes | None:
        """Return the block between two magics as a complete stream; None if its length is not that of a block."""
        last = -(-following.bit // 8)
        content = self.content(magic.bit // 8, last)
        bits = following.bit - magic.bit
        if content is None or bits < _MAGIC_BITS + _CRC_BITS:
            return None
        block = (int.from_bytes(content, "big") >> (last * 8 - following.bit)) & ((1 << bits) - 1)
        crc = (block >> (bits - _MAGIC_BITS - _CRC_BITS)) & ((1 << _CRC_BITS) - 1)
        block = (((block << _MAGIC_BITS) | _END_MAGIC) << _CRC_BITS) | crc
        bits += _MAGIC_BITS + _CRC_BITS
        padding = -bits % 8
        return _HEADER + (block << padding).to_bytes((bits + padding) // 8, "big")

    def _read_more(self) -> None:
        if not self._found and len(self._buffer) > _MAX_COMPRESSED:
            self._keep_from = self.bytes_read - _OVERLAP
        self._trim()
        searched = max(0, len(self._buffer) - _OVERLAP)
        more = self._stream.read(READ_BYTES)
        self._at_end = not more
        self._buffer += more
        self._found.extend(sorted(magic for magic in self._search(searched) if magic.bit > self._last_bit))
        if self._found:
            self._last_bit = self._found[-1].bit

    def _search(self, start: int) -> Iterator[_Magic]:
        for pattern in _PATTERNS:
            before = 1 if pattern.shift else 0
            at = start - 1
            while (at := self._buffer.find(pattern.whole_bytes, at + 1)) >= 0:
                around = self._buffer[at - before : at + len(pattern.whole_bytes) + before] if at >= before else b""
                spare = len(around) * 8 - _MAGIC_BITS - pattern.shift
                if spare >= 0 and (int.from_bytes(around, "big") >> spare) & _MAGIC_MASK == pattern.magic:
                    bit = (self._buffer_start + at - before) * 8 + pattern.shift
                    yield _Magic(bit, is_end=pattern.magic == _END_MAGIC)

    def _trim(self) -> None:
        """Drop bytes no longer needed. Only before reading: doing it at each of thousands of magics would copy the
        rest of the buffer each time."""
        self._buffer = self._buffer[self._keep_from - self._buffer_start :]
        self._buffer_start = self._keep_from
