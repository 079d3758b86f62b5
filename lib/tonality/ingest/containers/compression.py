"""Compressed streams unpacked: gzip, bzip2 and Zstandard, known by their first bytes, kept up to where they break.

The formats are RFC 1952 (gzip), RFC 8878 (Zstandard) and bzip2's, which archive/bzip2.py describes.
"""

import re
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Final, NamedTuple, Protocol, cast

from isal import igzip_lib

from tonality.ingest.containers.bzip2 import unpack_bzip2
from tonality.ingest.containers.streams import READ_BYTES, Block, Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["FREE_EXPANSION", "Expansion", "compression_of", "unpack"]

_BLOCK_BYTES: Final = 2**18
"""The most that one step unpacks: a bomb cannot fill the memory."""
_CAREFUL_BYTES: Final = 2**12
_FIRST_BYTES: Final = 2**12
"""What a member is fed first, then ever more: what a small one leaves over is not copied whole."""
FREE_EXPANSION: Final = 2**26
"""Unpacked bytes from which on the bound of expansion holds: less harms nobody."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


class _Codec(NamedTuple):
    """How one compression is read: fast, and carefully where that failed."""

    name: str
    fast: Callable[[], _Decompressor]
    careful: Callable[[], "_Careful"]


class _Careful(Protocol):
    """A decompressor that gives every byte which its input so far determines."""

    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


_GZIP: Final = _Codec(
    "gzip",
    lambda: igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP),
    lambda: zlib.decompressobj(wbits=31),
)
_ZSTANDARD: Final = _Codec("zstd", zstd.ZstdDecompressor, zstd.ZstdDecompressor)
_CODECS: Final = {"gzip": _GZIP, "zstd": _ZSTANDARD}
_ERRORS: Final = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    zstd.ZstdError,
    cast("type[Exception]", igzip_lib.IsalError),  # its stub calls it an instance
)
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
_SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""A frame of Zstandard that holds no content; pzstd begins with one."""
_FAILED_CHECKSUM: Final = {"incorrect data check": 4, "incorrect length check": 0}
"""zlib's words for a gzip member that came to its end and is not what it was, with the bytes of it that are left."""
_TOO_MUCH_MEMORY: Final = "requires too much memory"
"""Zstandard's words for a frame with a window that we do not allow."""


def compression_of(start: bytes) -> str | None:
    """gzip, bzip2 or zstd, by a stream's first bytes; None where it is not compressed, as far as we know."""
    if _SKIPPABLE.match(start):
        return "zstd"
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


class Expansion:
    """How much comes out of a file, all that is compressed inside one another counted, and how much may."""

    def __init__(self, most: int, outer: "Expansion | None" = None) -> None:
        self.most = most
        """Bytes that may come out of each byte that is read; the first 64 MB are free."""
        self._outer = outer
        self._packed = 0
        self._unpacked = 0

    def inside(self) -> "Expansion":
        """For what comes out of a stream: it counts, and is no longer the file."""
        return Expansion(self.most, self)

    def count(self, packed: int, unpacked: int) -> bool:
        """Count bytes that were read and those that came out. Whether they are still as few as they may be."""
        if self._outer:
            return self._outer.count(0, unpacked)
        self._packed += packed
        self._unpacked += unpacked
        return self._unpacked <= FREE_EXPANSION + self.most * self._packed


def unpack(
    stream: Stream, compression: str, expansion: Expansion, start: int = 0, end: int | None = None
) -> Iterator[Block]:
    """What a compressed stream holds, its members one after the other; of bzip2, what a range of its bytes holds.

    Whatever the stream determines before a break is given, then a block that says what is wrong and where. A gzip
    member that fails its checksum is given whole, and reading goes on behind it; so it does behind a broken bzip2
    block. Reading stops where the content is more than so many times the compressed bytes read, of this stream or of
    the whole file.
    """
    blocks = unpack_bzip2(stream, start, end) if compression == "bzip2" else _members(stream, _CODECS[compression])
    unpacked = packed = 0
    for block in blocks:
        unpacked += len(block.content)
        before, packed = packed, stream.tell() - start
        in_all = expansion.count(max(0, packed - before), len(block.content))
        if unpacked > max(FREE_EXPANSION, expansion.most * packed) or not in_all:
            yield Block(b"", f"{compression} stream expands more than {expansion.most} times: left at byte {unpacked}")
            return
        yield block


class _Input:
    """The compressed bytes of a stream. What a member leaves over is the next one's, and is not read again.

    To go back in a stream that is unpacked itself is to unpack it again.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._held = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Some of the next bytes, so many at most; none only at the end."""
        if self._at == len(self._held):
            self._held, self._at = self._stream.read(READ_BYTES), 0
        content = self._held[self._at : self._at + size]
        self._at += len(content)
        return content

    def tell(self) -> int:
        """How many bytes stand before the next."""
        return self._stream.tell() - len(self._held) + self._at

    def seek(self, position: int) -> None:
        """Go to so many bytes after the start."""
        at = position - self.tell() + self._at
        if 0 <= at <= len(self._held):
            self._at = at
        else:
            self._stream.seek(position)
            self._held, self._at = b"", 0

    def skip_zeros(self) -> bool:
        """Go to the next byte that is none: tapes and block copies pad members with zeros. Whether there is one."""
        while data := self.read(_FIRST_BYTES):
            if content := data.lstrip(b"\0"):
                self._at -= len(content)
                return True
        return False


def _members(stream: Stream, codec: _Codec) -> Iterator[Block]:
    packed = _Input(stream)
    while (yield from _member(packed, codec)):
        pass


def _member(packed: _Input, codec: _Codec) -> Generator[Block, None, bool]:
    """One member; returns whether there is another."""
    begin = packed.tell()
    unpacked = codec.fast()
    size = _FIRST_BYTES
    data = packed.read(size)
    fed, given = len(data), 0
    while True:
        try:
            content = unpacked.decompress(data, _BLOCK_BYTES)
        except _ERRORS:
            return (yield from _salvage(packed, codec, begin, packed.tell() - begin - fed, given))
        if content:
            given += len(content)
            yield Block(content)
        data = b""
        if unpacked.eof:
            packed.seek(packed.tell() - len(unpacked.unused_data))
            return packed.skip_zeros()
        if unpacked.needs_input:
            size = min(READ_BYTES, 2 * size)
            data = packed.read(size)
            if not data:
                return (yield from _salvage(packed, codec, begin, packed.tell() - begin - fed, given))
            fed = len(data)


def _salvage(packed: _Input, codec: _Codec, begin: int, sound: int, given: int) -> Generator[Block, None, bool]:
    """What a broken member still holds behind the bytes given, found by reading it again, byte by byte at the end.

    Fast decompressors fail, or are cut off, with much in their hands. The first `sound` bytes of the member are known
    to be so. Returns whether there is another member, where this one fails nothing but its checksum.
    """
    packed.seek(begin)
    careful = codec.careful()
    fed, unpacked = 0, 0
    while data := packed.read(min(_CAREFUL_BYTES, sound - fed) if fed < sound else 1):
        fed += len(data)
        try:
            for content in _steps(careful, data):
                if unpacked + len(content) > given:
                    yield Block(content[max(0, given - unpacked) :])
                unpacked += len(content)
        except _ERRORS as error:
            if len(data) > 1:
                return (yield from _salvage(packed, codec, begin, fed - len(data), max(given, unpacked)))
            why = str(error).rpartition("decompressing data: ")[2]
            if _TOO_MUCH_MEMORY in why:
                why = "its window is larger than 128 MiB: decompress it first"
            yield Block(b"", f"{codec.name} stream broken at compressed byte {begin + fed - 1}: {why}")
            if why not in _FAILED_CHECKSUM:
                return False
            packed.seek(begin + fed + _FAILED_CHECKSUM[why])
            return packed.skip_zeros()
        if careful.eof:  # it was sound after all, by the more patient reader
            packed.seek(begin + fed - len(careful.unused_data))
            return packed.skip_zeros()
    yield Block(b"", f"{codec.name} stream cut off at compressed byte {packed.tell()}")
    return False


def _steps(careful: _Careful, data: bytes) -> Iterator[bytes]:
    """What the data adds. Of gzip no more than some MB; of Zstandard it may be any size, so that it comes in steps."""
    if not isinstance(careful, zstd.ZstdDecompressor):
        yield careful.decompress(data)
        return
    yield careful.decompress(data, _BLOCK_BYTES)
    while not careful.eof and not careful.needs_input:
        yield careful.decompress(b"", _BLOCK_BYTES)
