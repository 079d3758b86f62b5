"""Decompression of gzip, bzip2 and Zstandard streams, up to the exact byte at which a stream is broken.

The formats are RFC 1952 (gzip) and RFC 8878 (Zstandard); for bzip2 see bzip2.py.
"""

import re
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Final, NamedTuple, Protocol, cast

from isal import igzip_lib

from tonality.ingest.containers.bzip2 import decompress_bzip2
from tonality.ingest.containers.streams import READ_BYTES, Block, Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["FREE_EXPANSION", "ExpansionLimit", "decompress", "detect_compression"]

_BLOCK_BYTES: Final = 2**18
"""Maximum output of one step, so that a decompression bomb cannot fill the memory."""
_CAREFUL_BYTES: Final = 2**12
"""Input of one step of a careful decompressor."""
_FIRST_BYTES: Final = 2**12
"""Size of a member's first input, doubled with every further one: a small member leaves little to be copied."""
FREE_EXPANSION: Final = 2**26
"""Decompressed bytes up to which the expansion limit does not apply: so few do no harm."""


class _FastDecompressor(Protocol):
    """A decompressor that may fail with unreturned output."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /, max_length: int = -1) -> bytes: ...


class _CarefulDecompressor(Protocol):
    """A decompressor that returns every byte that its input so far determines."""

    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Codec(NamedTuple):
    """The decompressors of a format: a fast one, and a careful one for members on which it fails."""

    name: str
    fast: Callable[[], _FastDecompressor]
    careful: Callable[[], _CarefulDecompressor]


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
    cast("type[Exception]", igzip_lib.IsalError),  # its type stub declares an instance
)
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
_SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""Start of a Zstandard frame without content; pzstd writes one first."""
_CHECKSUM_ERRORS: Final = {"incorrect data check": 4, "incorrect length check": 0}
"""zlib's messages for a complete gzip member that fails its checksum, with the number of its bytes not yet read."""
_TOO_MUCH_MEMORY: Final = "requires too much memory"
"""Part of Zstandard's message for a frame whose window exceeds the limit."""


def detect_compression(start: bytes) -> str | None:
    """Return gzip, bzip2 or zstd from the first bytes of a stream; None if it is in no known compressed format."""
    if _SKIPPABLE.match(start):
        return "zstd"
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


class ExpansionLimit:
    """A limit on the decompressed size of a file relative to its size, across all levels of nesting."""

    def __init__(self, factor: int, outer: "ExpansionLimit | None" = None) -> None:
        self.factor = factor
        """Decompressed bytes allowed per byte read; the first FREE_EXPANSION bytes are always allowed."""
        self._outer = outer
        self._compressed = 0
        self._decompressed = 0

    def nested(self) -> "ExpansionLimit":
        """Return a limit for the content of a stream, which adds to the decompressed size but not to the file's."""
        return ExpansionLimit(self.factor, self)

    def allows(self, compressed: int, decompressed: int) -> bool:
        """Count bytes read and the bytes decompressed from them. Return True while the total is within the limit."""
        if self._outer:
            return self._outer.allows(0, decompressed)
        self._compressed += compressed
        self._decompressed += decompressed
        return self._decompressed <= FREE_EXPANSION + self.factor * self._compressed


def decompress(
    stream: Stream, compression: str, limit: ExpansionLimit, start: int = 0, end: int | None = None
) -> Iterator[Block]:
    """Yield the content of a compressed stream, member by member; for bzip2, of a range of its bytes.

    All content that the stream determines before a break is returned, then a block that describes the damage and its
    position. Reading resumes after a gzip member that fails its checksum, which is returned whole, and after a broken
    bzip2 block. It stops when the content exceeds the expansion limit, of this stream or of the whole file.
    """
    blocks = (
        decompress_bzip2(stream, start, end)
        if compression == "bzip2"
        else _decompress_members(stream, _CODECS[compression])
    )
    decompressed = compressed = 0
    for block in blocks:
        decompressed += len(block.content)
        before, compressed = compressed, stream.tell() - start
        allowed = limit.allows(max(0, compressed - before), len(block.content))
        if decompressed > max(FREE_EXPANSION, limit.factor * compressed) or not allowed:
            message = f"{compression} stream expands more than {limit.factor} times: stopped at byte {decompressed}"
            yield Block(b"", message)
            return
        yield block


class _CompressedInput:
    """The compressed bytes of a stream, with a buffer of its own.

    Bytes left over by a member are passed to the next one from the buffer, since seeking back in a stream that is
    itself decompressed means decompressing it again.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return at most that many of the next bytes; none only at the end."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._stream.read(READ_BYTES), 0
        content = self._buffer[self._at : self._at + size]
        self._at += len(content)
        return content

    def tell(self) -> int:
        """Return the position in bytes from the start."""
        return self._stream.tell() - len(self._buffer) + self._at

    def seek(self, position: int) -> None:
        """Move to a position in bytes from the start."""
        at = position - self.tell() + self._at
        if 0 <= at <= len(self._buffer):
            self._at = at
        else:
            self._stream.seek(position)
            self._buffer, self._at = b"", 0

    def skip_zeros(self) -> bool:
        """Move to the next byte other than zero, with which tapes and block copies pad members.

        Return True if there is one.
        """
        while data := self.read(_FIRST_BYTES):
            if content := data.lstrip(b"\0"):
                self._at -= len(content)
                return True
        return False


def _decompress_members(stream: Stream, codec: _Codec) -> Iterator[Block]:
    source = _CompressedInput(stream)
    while (yield from _decompress_member(source, codec)):
        pass


def _decompress_member(source: _CompressedInput, codec: _Codec) -> Generator[Block, None, bool]:
    """Yield the content of one member; return True if another follows."""
    begin = source.tell()
    decompressor = codec.fast()
    size = _FIRST_BYTES
    data = source.read(size)
    fed, returned = len(data), 0
    while True:
        try:
            content = decompressor.decompress(data, _BLOCK_BYTES)
        except _ERRORS:
            return (yield from _salvage(source, codec, begin, source.tell() - begin - fed, returned))
        if content:
            returned += len(content)
            yield Block(content)
        data = b""
        if decompressor.eof:
            source.seek(source.tell() - len(decompressor.unused_data))
            return source.skip_zeros()
        if decompressor.needs_input:
            size = min(READ_BYTES, 2 * size)
            data = source.read(size)
            if not data:
                return (yield from _salvage(source, codec, begin, source.tell() - begin - fed, returned))
            fed = len(data)


def _salvage(
    source: _CompressedInput, codec: _Codec, begin: int, valid: int, returned: int
) -> Generator[Block, None, bool]:
    """Yield the content of a broken member after the bytes already returned, then its damage.

    A fast decompressor fails, or reaches the end of its input, with much of its output unreturned. The member is
    therefore decompressed again, carefully: the first `valid` bytes, known to be valid, in larger steps, the others
    one by one. Returns True if another member follows, which is known only if this one merely fails its checksum.
    """
    source.seek(begin)
    careful = codec.careful()
    fed, decompressed = 0, 0
    while data := source.read(min(_CAREFUL_BYTES, valid - fed) if fed < valid else 1):
        fed += len(data)
        try:
            for content in _careful_steps(careful, data):
                if decompressed + len(content) > returned:
                    yield Block(content[max(0, returned - decompressed) :])
                decompressed += len(content)
        except _ERRORS as error:
            if len(data) > 1:
                return (yield from _salvage(source, codec, begin, fed - len(data), max(returned, decompressed)))
            reason = _reason(error)
            yield Block(b"", f"{codec.name} stream broken at compressed byte {begin + fed - 1}: {reason}")
            if reason not in _CHECKSUM_ERRORS:
                return False
            source.seek(begin + fed + _CHECKSUM_ERRORS[reason])
            return source.skip_zeros()
        if careful.eof:  # the careful decompressor accepts the member
            source.seek(begin + fed - len(careful.unused_data))
            return source.skip_zeros()
    yield Block(b"", f"{codec.name} stream cut off at compressed byte {source.tell()}")
    return False


def _reason(error: Exception) -> str:
    message = str(error).rpartition("decompressing data: ")[2]
    return "its window is larger than 128 MiB: decompress it first" if _TOO_MUCH_MEMORY in message else message


def _careful_steps(careful: _CarefulDecompressor, data: bytes) -> Iterator[bytes]:
    """Yield the content added by the data. Zstandard's may be of any size and comes in steps; gzip's is a few MB."""
    if not isinstance(careful, zstd.ZstdDecompressor):
        yield careful.decompress(data)
        return
    yield careful.decompress(data, _BLOCK_BYTES)
    while not careful.eof and not careful.needs_input:
        yield careful.decompress(b"", _BLOCK_BYTES)
