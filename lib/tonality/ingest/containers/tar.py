"""The members of a tar, read in order from a stream: never extracted, nothing followed (POSIX pax and GNU forms)."""

import tarfile
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tonality.ingest.containers.streams import FileStream, Stream

__all__ = ["Member", "is_tar", "read_members"]

_LONGEST_EXTENSION: Final = 2**16
"""Bytes of an extended header that is believed: a name has some hundred, and nothing is read of a longer one."""
_LONGEST_NUMBER: Final = 13
"""Digits of a size that are believed: 9 TB. No file system can be asked for much more."""
_EXTENSIONS: Final = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME}
"""Headers that say more of the next entry."""
_ASIDE: Final = {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK}
"""Headers that say nothing of use here."""
_NOT_READ: Final = {
    tarfile.LNKTYPE: "a link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class Member(NamedTuple):
    """An entry of a tar, or what broke the tar there."""

    name: str = ""
    stream: Stream | None = None
    """The content, where it is to be read: before the next member."""
    skipped: str = ""
    """Why it is not read."""
    damage: str = ""
    begin: int = 0
    """Where its headers begin, in bytes from the tar's start."""
    end: int = 0
    """Where the next ones begin."""


def is_tar(start: bytes) -> bool:
    """Whether a stream begins with the header of a tar: nothing else has its checksum."""
    try:
        tarfile.TarInfo.frombuf(start[: tarfile.BLOCKSIZE], "utf-8", "replace")
    except tarfile.HeaderError:
        return False
    return True


def read_members(stream: Stream, ends_tar: bool = True) -> Iterator[Member]:
    """The entries of a tar in order, but for its folders.

    A broken header is a member with `damage`; reading goes on with the next header that is sound. So is the end of a
    stream that stops without the mark that ends a tar, where the stream is not a part of one that goes on.
    """
    said: dict[str, str] = {}  # by extended headers, of the next entry
    begin, lost, ended = stream.tell(), False, False
    while header := stream.read(tarfile.BLOCKSIZE):
        content = stream.tell()
        if not header.strip(b"\0"):  # the end, behind which another tar may follow
            said, begin, lost, ended = {}, content, False, True
            continue
        try:
            entry = _entry(header)
        except tarfile.HeaderError as error:
            if not lost:
                yield Member(damage=f"tar broken at byte {content - len(header)}: {error}")
            said, begin, lost = {}, content, True
            continue
        lost = ended = False
        if entry.type in _EXTENSIONS:
            said |= _extension(entry, stream.read(entry.size)) if entry.size <= _LONGEST_EXTENSION else {}
            stream.seek(content + _padded(entry.size))
        elif entry.type in _ASIDE:
            stream.seek(content + _padded(entry.size))
        else:
            size = _size(entry, said)
            end = content + _padded(size)
            if not entry.isdir():
                name = said.get("path") or entry.name
                why = _why_not(entry, name, said)
                part = None if why else FileStream(stream, content, content + size)
                yield Member(name, part, why, begin=begin, end=end)
            stream.seek(end)
            said, begin = {}, end
    if not ended and ends_tar:
        yield Member(damage=f"tar cut off at byte {stream.tell()}: it has no end mark")


def _entry(header: bytes) -> tarfile.TarInfo:
    """What a header says. Raises tarfile.HeaderError where it is none, or gives a size that no file has."""
    entry = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    if not 0 <= entry.size < 10**_LONGEST_NUMBER:
        raise tarfile.HeaderError(f"size {entry.size}")
    return entry


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _size(entry: tarfile.TarInfo, said: Mapping[str, str]) -> int:
    """Bytes of the content. Links and devices have none, whatever they say."""
    if not entry.isreg() and entry.type in _NOT_READ:
        return 0
    size = said.get("size", "")
    believed = size.isascii() and size.isdigit() and len(size) <= _LONGEST_NUMBER
    return int(size) if believed else entry.size


def _extension(entry: tarfile.TarInfo, content: bytes) -> dict[str, str]:
    """What an extended header says: a GNU long name, or records of pax, `length key=value` and a line break each."""
    if entry.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": _text(content.partition(b"\0")[0])}
    said: dict[str, str] = {}
    begin = 0
    while (space := content.find(b" ", begin, begin + _LONGEST_NUMBER + 1)) >= 0:
        length = content[begin:space]
        end = begin + int(length) if length.isdigit() else begin
        if not begin < end <= len(content):
            break
        key, _, value = content[space + 1 : end - 1].partition(b"=")
        said[_text(key)] = _text(value)
        begin = end
    return said


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _why_not(entry: tarfile.TarInfo, name: str, said: Mapping[str, str]) -> str:
    """Why an entry is not read; empty where it is."""
    if any(key.startswith("GNU.sparse") for key in said):
        return _NOT_READ[tarfile.GNUTYPE_SPARSE]
    if what := _NOT_READ.get(entry.type):
        return f"{what} to {entry.linkname}" if entry.linkname else what
    parts = name.split("/")
    if name.startswith("/"):
        return "an absolute name"
    if ".." in parts:
        return "a name with .."
    if any(part.startswith((".", "_")) and part != "." for part in parts):
        return "hidden by its name's . or _"
    return ""
