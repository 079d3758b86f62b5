"""Entries of a tar, read in order from a stream: nothing is extracted, no link is followed (POSIX pax and GNU tar)."""

import re
import tarfile
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tonality.ingest.containers.streams import FileStream, Stream

__all__ = ["TarEntry", "is_tar", "read_tar"]

_MAX_EXTENDED_HEADER: Final = 2**16
"""Bytes of the longest extended header that is read; a name takes some hundred."""
_MAX_SIZE_DIGITS: Final = 13
"""Digits of the largest plausible size: 9 TB. Larger positions fail in the file system."""
_RECORD_LENGTH: Final = re.compile(rb"(\d{1,%d}) " % _MAX_SIZE_DIGITS)
_EXTENDED_HEADERS: Final = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME}
"""Types of headers that hold attributes of the next entry."""
_IGNORED_HEADERS: Final = {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK}
_SKIPPED_TYPES: Final = {
    tarfile.LNKTYPE: "a link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class TarEntry(NamedTuple):
    """An entry of a tar, or damage between entries."""

    name: str = ""
    stream: Stream | None = None
    """The content, to be read before the next entry; None if the entry is skipped."""
    skipped: str = ""
    """Reason why the entry is skipped."""
    damage: str = ""
    begin: int = 0
    """Position of the entry's first header, in bytes from the start of the tar."""
    end: int = 0
    """Position of the next entry."""


def is_tar(start: bytes) -> bool:
    """True if the bytes begin with the header of a tar, whose checksum nothing else has."""
    try:
        tarfile.TarInfo.frombuf(start[: tarfile.BLOCKSIZE], "utf-8", "replace")
    except tarfile.HeaderError:
        return False
    return True


def read_tar(stream: Stream, complete: bool = True) -> Iterator[TarEntry]:
    """Yield the entries of a tar in order, except directories.

    A broken header yields an entry with `damage`, and reading resumes at the next valid header. So does a missing
    end-of-archive marker, unless the stream is only a part of a tar (`complete=False`).
    """
    attributes: dict[str, str] = {}  # of the next entry, from extended headers
    begin, in_damage, ended = stream.tell(), False, False
    while header := stream.read(tarfile.BLOCKSIZE):
        content = stream.tell()
        if not header.strip(b"\0"):  # the end-of-archive marker, after which another tar may follow
            attributes, begin, in_damage, ended = {}, content, False, True
            continue
        try:
            info = _parse_header(header)
        except tarfile.HeaderError as error:
            if not in_damage:
                yield TarEntry(damage=f"tar broken at byte {content - len(header)}: {error}")
            attributes, begin, in_damage = {}, content, True
            continue
        in_damage = ended = False
        if info.type in _EXTENDED_HEADERS:
            if info.size <= _MAX_EXTENDED_HEADER:
                attributes |= _parse_extended_header(info, stream.read(info.size))
            stream.seek(content + _padded(info.size))
        elif info.type in _IGNORED_HEADERS:
            stream.seek(content + _padded(info.size))
        else:
            entry = _entry(info, attributes, stream, begin)
            if not info.isdir():
                yield entry
            stream.seek(entry.end)
            attributes, begin = {}, entry.end
    if not ended and complete:
        yield TarEntry(damage=f"tar cut off at byte {stream.tell()}: it has no end-of-archive marker")


def _parse_header(header: bytes) -> tarfile.TarInfo:
    """Parse a header. Raises tarfile.HeaderError if it is invalid or its size is implausible."""
    info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    if not 0 <= info.size < 10**_MAX_SIZE_DIGITS:
        raise tarfile.HeaderError(f"size {info.size}")
    return info


def _entry(info: tarfile.TarInfo, attributes: Mapping[str, str], stream: Stream, begin: int) -> TarEntry:
    """Return the entry whose content begins at the stream's position and whose headers begin at `begin`."""
    content, size = stream.tell(), _size(info, attributes)
    name = attributes.get("path") or info.name
    skipped = _skip_reason(info, name, attributes)
    part = None if skipped or info.isdir() else FileStream(stream, content, content + size)
    return TarEntry(name, part, skipped, begin=begin, end=content + _padded(size))


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _size(info: tarfile.TarInfo, attributes: Mapping[str, str]) -> int:
    """Return the size of the content in bytes. Links and devices have none, whatever their header says."""
    if not info.isreg() and info.type in _SKIPPED_TYPES:
        return 0
    size = attributes.get("size", "")
    plausible = size.isascii() and size.isdigit() and len(size) <= _MAX_SIZE_DIGITS
    return int(size) if plausible else info.size


def _parse_extended_header(info: tarfile.TarInfo, content: bytes) -> dict[str, str]:
    """Return the attributes in an extended header: a GNU long name, or pax records `length key=value\\n`."""
    if info.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": _decode(content.partition(b"\0")[0])}
    attributes: dict[str, str] = {}
    begin = 0
    while length := _RECORD_LENGTH.match(content, begin):
        end = begin + int(length[1])
        if not length.end() < end <= len(content):
            break
        key, _, value = content[length.end() : end - 1].partition(b"=")
        attributes[_decode(key)] = _decode(value)
        begin = end
    return attributes


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _skip_reason(info: tarfile.TarInfo, name: str, attributes: Mapping[str, str]) -> str:
    """Return why an entry is not read; empty if it is."""
    if any(key.startswith("GNU.sparse") for key in attributes):
        return _SKIPPED_TYPES[tarfile.GNUTYPE_SPARSE]
    if kind := _SKIPPED_TYPES.get(info.type):
        return f"{kind} to {info.linkname}" if info.linkname else kind
    parts = name.split("/")
    if name.startswith("/"):
        return "an absolute name"
    if ".." in parts:
        return "a name with .."
    if any(part.startswith((".", "_")) and part != "." for part in parts):
        return "hidden by its name's . or _"
    return ""
