"""Compressed streams unpacked: gzip, bzip2 and Zstandard, known by their first bytes, kept up to where they break.

The formats are RFC 1952 (gzip), RFC 8878 (Zstandard) and bzip2's, which archive/bzip2.py describes.
"""

import re
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Final, NamedTuple, Protocol, cast

from isal import igzip_lib

from tonality.archive.bzip2 import unpack_bzip2
from tonality.archive.streams import READ_BYTES, Block, Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["compression_of", "unpack"]

_BLOCK_BYTES: Final = 2**18
"""The most that one step unpacks: a bomb cannot fill the memory."""
_CAREFUL_BYTES: Final = 2**12
_FREE_EXPANSION: Final = 2**26
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


def compression_of(start: bytes) -> str | None:
    """gzip, bzip2 or zstd, by a stream's first bytes; None where it is not compressed, as far as we know."""
    if _SKIPPABLE.match(start):
        return "zstd"
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def unpack(
    stream: Stream, compression: str, max_expansion: int, start: int = 0, end: int | None = None
) -> Iterator[Block]:
    """What a compressed stream holds, its members one after the other; of bzip2, what a range of its bytes holds.

    Whatever the stream determines before a break is given, then a block that says what is wrong and where. A gzip
    member that fails its checksum is given whole, and reading goes on behind it; so it does behind a broken bzip2
    block. Reading stops where the content is more than `max_expansion` times the compressed bytes read.
    """
    blocks = unpack_bzip2(stream, start, end) if compression == "bzip2" else _members(stream, _CODECS[compression])
    unpacked = 0
    for block in blocks:
        unpacked += len(block.content)
        if unpacked > max(_FREE_EXPANSION, max_expansion * (stream.tell() - start)):
            yield Block(b"", f"{compression} stream expands more than {max_expansion} times: left at byte {unpacked}")
            return
        yield block


def _members(stream: Stream, codec: _Codec) -> Iterator[Block]:
    begin: int | None = stream.tell()
    while begin is not None:
        begin = yield from _member(stream, codec, begin)


def _member(stream: Stream, codec: _Codec, begin: int) -> Generator[Block, None, int | None]:
    """One member; returns where the next begins, None where there is none."""
    unpacked = codec.fast()
    data = stream.read(READ_BYTES)
    fed, given = len(data), 0
    while True:
        try:
            content = unpacked.decompress(data, _BLOCK_BYTES)
        except _ERRORS:
            return (yield from _salvage(stream, codec, begin, stream.tell() - begin - fed, given))
        if content:
            given += len(content)
            yield Block(content)
        data = b""
        if unpacked.eof:
            return _behind_zeros(stream, stream.tell() - len(unpacked.unused_data))
        if unpacked.needs_input:
            data = stream.read(READ_BYTES)
            if not data:
                return (yield from _salvage(stream, codec, begin, stream.tell() - begin - fed, given))
            fed = len(data)


def _behind_zeros(stream: Stream, position: int) -> int | None:
    """Where the next member begins: tapes and block copies pad members with zeros."""
    stream.seek(position)
    while data := stream.read(READ_BYTES):
        if content := data.lstrip(b"\0"):
            begin = stream.tell() - len(content)
            stream.seek(begin)
            return begin
    return None


def _salvage(stream: Stream, codec: _Codec, begin: int, sound: int, given: int) -> Generator[Block, None, int | None]:
    """What a broken member still holds behind the bytes given, found by reading it again, byte by byte at the end.

    Fast decompressors fail, or are cut off, with much in their hands. The first `sound` bytes of the member are known
    to be so. Returns where the next member begins, where this one fails nothing but its checksum.
    """
    stream.seek(begin)
    careful = codec.careful()
    fed, unpacked = 0, 0
    while data := stream.read(min(_CAREFUL_BYTES, sound - fed) if fed < sound else 1):
        fed += len(data)
        try:
            content = careful.decompress(data)
        except _ERRORS as error:
            if len(data) > 1:
                return (yield from _salvage(stream, codec, begin, fed - len(data), max(given, unpacked)))
            why = str(error).rpartition("decompressing data: ")[2]
            yield Block(b"", f"{codec.name} stream broken at compressed byte {begin + fed - 1}: {why}")
            left = _FAILED_CHECKSUM.get(why)
            return None if left is None else _behind_zeros(stream, begin + fed + left)
        if unpacked + len(content) > given:
            yield Block(content[max(0, given - unpacked) :])
        unpacked += len(content)
        if careful.eof:  # it was sound after all, by the more patient reader
            return _behind_zeros(stream, begin + fed)
    yield Block(b"", f"{codec.name} stream cut off at compressed byte {stream.tell()}")
    return None
