"""bzip2 block by block, so that ranges of a file can be read apart and a broken block costs no other.

A bzip2 stream is a header, `BZh1` to `BZh9`, then blocks of at most 900 kB, then an end mark. Blocks and end mark begin
with magics of 48 bits, at any bit, followed by a CRC of 32. A block that is given a header and an end mark of its own
is a whole stream, and decompresses to what it holds (Joe Tsai, "BZIP2: Format Specification", 2016).
"""

import bz2
import re
import zlib
from collections import deque
from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

from tonality.ingest.containers.streams import READ_BYTES, Block, Stream

__all__ = ["unpack_bzip2"]

_BLOCK: Final = 0x314159265359
_END: Final = 0x177245385090
_MAGIC_BITS: Final = 48
_MAGIC_MASK: Final = (1 << _MAGIC_BITS) - 1
_CRC_BITS: Final = 32
_OVERLAP: Final = 8
"""Bytes that are searched again with those behind them: a magic may lie across."""
_HEADER: Final = b"BZh9"
"""Level 9 has the largest blocks; those of other levels fit."""
_LONGEST: Final = 2**21
"""Compressed bytes that no block reaches."""
_BETWEEN_STREAMS: Final = re.compile(rb"\0*BZh[1-9]")
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def unpack_bzip2(stream: Stream, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """What the blocks hold that begin in a range of compressed bytes, then, not its own, what those behind it hold.

    A block that does not decompress, or fails its CRC, is damage; reading goes on behind it.
    """
    stream.seek(start)
    marks = _Marks(stream, start)
    if start == 0 and (damage := _missing_begin(marks)):
        yield Block(b"", damage)
    beyond = float("inf") if end is None else end * 8
    while mark := marks.next():
        blocks = _end_of_stream(marks, mark) if mark.ends else _block(marks, mark)
        own = mark.bit < beyond
        yield from blocks if own else (block._replace(own=False) for block in blocks)


class _Mark(NamedTuple):
    """A magic: where it begins, in bits from the stream's start, and whether it ends a stream."""

    bit: int
    ends: bool


def _missing_begin(marks: "_Marks") -> str:
    first = marks.peek()
    if first is None:
        return f"bzip2 stream cut off at compressed byte {marks.read}"
    return "" if first.bit == len(_HEADER) * 8 else f"bzip2 stream broken at compressed byte {len(_HEADER)}"


def _end_of_stream(marks: "_Marks", mark: _Mark) -> Iterator[Block]:
    """Nothing, unless the file breaks off in the end mark, or something else than another stream stands behind it."""
    following = marks.peek()
    behind = -(-(mark.bit + _MAGIC_BITS + _CRC_BITS) // 8)
    content = marks.content(behind, following.bit // 8 if following else marks.read)
    if behind > marks.read:
        yield Block(b"", f"bzip2 stream cut off at compressed byte {marks.read}")
    elif content is None or not (_BETWEEN_STREAMS.fullmatch(content) if following else not content.strip(b"\0")):
        yield Block(b"", f"bzip2 stream followed by something else at compressed byte {behind}")


def _block(marks: "_Marks", mark: _Mark) -> Iterator[Block]:
    """What a block holds, or that it is broken."""
    following = marks.peek()
    if following is None:
        yield Block(_sound_begin(marks.packed(mark, _Mark(marks.read * 8, ends=True))))
        yield Block(b"", f"bzip2 stream cut off at compressed byte {marks.read}, in the block at {mark.bit // 8}")
        return
    packed = marks.packed(mark, following)
    content = _unpacked(packed)
    if content is None and (second := marks.peek(1)):  # a magic may stand inside a block by chance
        content = _unpacked(marks.packed(mark, second))
        if content is not None:
            marks.next()
    if content is None:
        yield Block(_sound_begin(packed))
        yield Block(b"", f"bzip2 block broken at compressed byte {mark.bit // 8}")
    else:
        yield Block(content)


def _unpacked(packed: bytes | None) -> bytes | None:
    try:
        return None if packed is None else bz2.decompress(packed)
    except (OSError, ValueError):
        return None


def _sound_begin(packed: bytes | None) -> bytes:
    """The content of a block behind which something else stands than a magic: that was broken, not the block."""
    if packed is None:
        return b""
    sound, broken = 0, len(packed) + 1
    while broken - sound > 1:  # the most bytes that decompress: whole blocks among them have come out then
        middle = (sound + broken) // 2
        sound, broken = (sound, middle) if _begin(packed[:middle]) is None else (middle, broken)
    content = _begin(packed[:sound]) or b""
    crc = packed[len(_HEADER) + _MAGIC_BITS // 8 :][: _CRC_BITS // 8]
    return content if _crc(content) == int.from_bytes(crc, "big") else b""


def _begin(packed: bytes) -> bytes | None:
    """All that the bytes determine; None where they are broken."""
    patient = bz2.BZ2Decompressor()
    try:
        content = bytearray(patient.decompress(packed))
        while not patient.eof and (more := patient.decompress(b"")):
            content += more
    except (OSError, ValueError):
        return None
    return bytes(content)


def _crc(content: bytes) -> int:
    """bzip2's CRC is zlib's of the bits in the opposite order."""
    return int(f"{zlib.crc32(content.translate(_REVERSED)):032b}"[::-1], 2)


class _Pattern(NamedTuple):
    """A magic as it looks in bytes, when it begins at a certain bit of one."""

    whole_bytes: bytes
    """The bytes that belong to it altogether: what is searched for."""
    shift: int
    magic: int


def _patterns() -> Iterator[_Pattern]:
    for magic, shift in product((_BLOCK, _END), range(8)):
        size = -(-(_MAGIC_BITS + shift) // 8)
        content = (magic << (size * 8 - _MAGIC_BITS - shift)).to_bytes(size, "big")
        yield _Pattern(content[1:-1] if shift else content, shift, magic)


_PATTERNS: Final = tuple(_patterns())


class _Marks:
    """The magics of a stream in their order, and the bytes from the present one on, of which few are held at once."""

    def __init__(self, stream: Stream, start: int) -> None:
        self._stream = stream
        self._held = b""
        self._base = start  # bytes of the stream before those held
        self._expected = start  # where those begin that may still be asked for
        self._found: deque[_Mark] = deque()
        self._last = -1  # the bit of the last mark found
        self._ended = False

    @property
    def read(self) -> int:
        """Bytes of the stream that have been read."""
        return self._base + len(self._held)

    def peek(self, index: int = 0) -> _Mark | None:
        """The next mark, or the one so many behind it; None where there is none, or none before a block's length."""
        while len(self._found) <= index and not self._ended:
            if self._found and self.read - self._found[-1].bit // 8 > _LONGEST:
                return None
            self._read_on()
        return self._found[index] if len(self._found) > index else None

    def next(self) -> _Mark | None:
        """The next mark; bytes before it are let go."""
        mark = self.peek()
        if mark:
            self._found.popleft()
            self._expected = mark.bit // 8
        return mark

    def content(self, start: int, end: int) -> bytes | None:
        """The bytes of a part of the stream; None where they are more than any block."""
        return None if start < self._expected else self._held[start - self._base : end - self._base]

    def packed(self, mark: _Mark, following: _Mark) -> bytes | None:
        """The block between two marks as a stream of its own; None where it is longer or shorter than any block."""
        last = -(-following.bit // 8)
        content = self.content(mark.bit // 8, last)
        bits = following.bit - mark.bit
        if content is None or bits < _MAGIC_BITS + _CRC_BITS:
            return None
        block = (int.from_bytes(content, "big") >> (last * 8 - following.bit)) & ((1 << bits) - 1)
        crc = (block >> (bits - _MAGIC_BITS - _CRC_BITS)) & ((1 << _CRC_BITS) - 1)
        block = (((block << _MAGIC_BITS) | _END) << _CRC_BITS) | crc
        bits += _MAGIC_BITS + _CRC_BITS
        padding = -bits % 8
        return _HEADER + (block << padding).to_bytes((bits + padding) // 8, "big")

    def _read_on(self) -> None:
        if not self._found and len(self._held) > _LONGEST:
            self._expected = self.read - _OVERLAP
        self._let_go()
        searched = max(0, len(self._held) - _OVERLAP)
        more = self._stream.read(READ_BYTES)
        self._ended = not more
        self._held += more
        self._found.extend(sorted(mark for mark in self._search(searched) if mark.bit > self._last))
        if self._found:
            self._last = self._found[-1].bit

    def _search(self, start: int) -> Iterator[_Mark]:
        for pattern in _PATTERNS:
            before = 1 if pattern.shift else 0
            at = start - 1
            while (at := self._held.find(pattern.whole_bytes, at + 1)) >= 0:
                around = self._held[at - before : at + len(pattern.whole_bytes) + before] if at >= before else b""
                spare = len(around) * 8 - _MAGIC_BITS - pattern.shift
                if spare >= 0 and (int.from_bytes(around, "big") >> spare) & _MAGIC_MASK == pattern.magic:
                    yield _Mark((self._base + at - before) * 8 + pattern.shift, pattern.magic == _END)

    def _let_go(self) -> None:
        """Only before more is read: at each mark, what is held would be copied for each of a thousand in it."""
        self._held = self._held[self._expected - self._base :]
        self._base = self._expected
