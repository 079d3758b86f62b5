"""Random containers of planted streams, possibly damaged, with the records that must still be found in them.

Expectations come from Python's own zlib, bz2, zstd and tarfile, fed byte by byte, independently of Tonality.
"""

import bz2
import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from backports import zstd
from planted_records import Planter, Row, Stream

__all__ = ["Archive", "Expectations", "draw_archive", "expect_records"]

_MAGIC: Final = {"gzip": b"\x1f\x8b", "bz2": b"BZh", "zstd": b"\x28\xb5\x2f\xfd"}
_BZ2_MAGICS: Final = (f"{0x314159265359:048b}", f"{0x177245385090:048b}")
_REFUSED: Final = (OSError, EOFError, ValueError, zlib.error, zstd.ZstdError)


@dataclass
class Node:
    """A part of an archive: its bytes, and its bytes before they were damaged."""

    whole: bytes
    content: bytes = field(init=False)
    corruption: str = field(init=False, default="")
    """A description of the damage."""

    def __post_init__(self) -> None:
        self.content = self.whole


@dataclass
class Leaf(Node):
    """A stream of records."""

    stream: Stream


@dataclass
class Junk(Node):
    """Random bytes."""


@dataclass
class Packed(Node):
    """A compressed stream."""

    kind: str
    inside: "Node"


@dataclass
class Entry:
    """An entry of a tar and its place there."""

    info: tarfile.TarInfo
    node: Node | None
    """Its content; None for entries that are not read."""
    begin: int
    data: int
    end: int

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def size(self) -> int:
        return self.info.size


@dataclass
class Tar(Node):
    """A tar."""

    entries: list[Entry]
    form: int


@dataclass
class Archive:
    """A file."""

    root: Node
    form: str
    corruptions: list[str]
    """Descriptions of all damage; empty if there is none."""
    delimiter: str = ","

    @property
    def content(self) -> bytes:
        """The file's bytes."""
        return self.root.content

    def planted(self) -> Iterator[Row]:
        """All records planted in the file."""
        nodes = [self.root]
        while nodes:
            node = nodes.pop()
            nodes += _below(node)
            yield from node.stream.rows if isinstance(node, Leaf) else ()


# Containers


def draw_archive(planter: Planter, damaged: bool, table: bool = False, large: bool = False) -> Archive:
    """Draw a file of planted records in any containers, undamaged or damaged in one or two places."""
    random = planter.random
    builder = _Builder(planter, table, large)
    root = builder.draw(random.choice([0, 1, 1, 2, 2, 3]))
    archive = Archive(root, builder.form(root), [], builder.delimiter)
    if damaged:
        _corrupt(builder, archive)
    return archive


class _Builder:
    def __init__(self, planter: Planter, table: bool, large: bool) -> None:
        self.planter = planter
        self.random = planter.random
        self.table = table
        self.large = large
        self.delimiter = self.random.choice([",", ";", "\t"])
        self.names = 0

    def draw(self, containers: int) -> Node:
        """Draw nested containers."""
        if not containers:
            return self.leaf()
        if self.random.random() < 0.4:
            return self.tar(containers - 1)
        return self.packed(self.draw(containers - 1))

    def form(self, node: Node) -> str:
        """Describe a node."""
        match node:
            case Packed(kind=kind, inside=inside):
                return f"{kind}({self.form(inside)})"
            case Tar(entries=entries):
                return f"tar({', '.join(self.form(entry.node) if entry.node else '-' for entry in entries)})"
            case Junk():
                return "junk"
        return "csv" if self.table else "json"

    def leaf(self) -> Leaf:
        size = self.random.choice([0, 1, 5, 20, 40, 60])
        if self.large:  # some blocks of bzip2
            size, self.large = 500, False
        stream = self.planter.table(size, self.delimiter) if self.table else self.planter.stream(size)
        return Leaf(stream.content, stream)

    def packed(self, inside: Node) -> Packed:
        kind = self.random.choice(["gzip", "bz2", "zstd"])
        return Packed(self.pack(kind, inside.content), kind, inside)

    def pack(self, kind: str, content: bytes) -> bytes:
        """Compress the content as one or several members, cut anywhere."""
        random = self.random
        members = random.choice([1, 1, 2, 5])
        cuts = sorted(random.randrange(len(content) + 1) for _ in range(members - 1))
        parts = [content[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
        zeros = (
            [bytes(random.choice([0, 0, 1, 512])) for _ in parts]
            if kind == "gzip" and members > 1
            else [b""] * len(parts)
        )
        pack: Callable[[bytes], bytes] = {"gzip": self.gzip, "bz2": self.bz2, "zstd": self.zstd}[kind]
        return b"".join(pack(part) + padding for part, padding in zip(parts, zeros, strict=True))

    def gzip(self, content: bytes) -> bytes:
        random = self.random
        file = io.BytesIO()
        name = random.choice(["", "day.json", "x" * 300])
        if random.random() < 0.5:
            with gzip.GzipFile(name, "wb", random.randrange(10), file, random.choice([0, 1449734462])) as packed:
                packed.write(content)
            return file.getvalue()
        flush = random.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_NO_FLUSH])
        packer = zlib.compressobj(random.randrange(1, 10), wbits=31, strategy=random.randrange(5))
        return self.flushed(content, packer, flush)

    def zstd(self, content: bytes) -> bytes:
        options = {zstd.CompressionParameter.checksum_flag: self.random.randrange(2)}
        if self.random.random() < 0.5:
            options[zstd.CompressionParameter.compression_level] = self.random.choice([-3, 1, 3, 9])
            return zstd.compress(content, options=options)
        return self.flushed(content, zstd.ZstdCompressor(options=options), zstd.ZstdCompressor.FLUSH_BLOCK)

    def flushed(self, content: bytes, packer, flush: int) -> bytes:
        """Compress the content in blocks of different lengths."""
        packed, done = b"", 0
        step = self.random.choice([500, 5000, 2**20])
        while done < len(content):
            size = self.random.randrange(1, step)
            if isinstance(packer, zstd.ZstdCompressor):
                packed += packer.compress(content[done : done + size], flush)
            else:
                packed += packer.compress(content[done : done + size])
                packed += packer.flush(flush) if flush else b""
            done += size
        return packed + packer.flush()

    def bz2(self, content: bytes) -> bytes:
        return bz2.compress(content, self.random.choice([1, 1, 1, 2, 5, 9]))

    # Tars

    def tar(self, containers: int) -> Tar:
        random = self.random
        form = random.choice([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
        file = io.BytesIO()
        entries: list[Entry] = []
        headers = {"comment": "x" * random.choice([1, 600])} if random.random() < 0.2 else {}
        with tarfile.open(fileobj=file, mode="w", format=form, pax_headers=headers) as tar:
            size = random.choice([0, 1, 2, 4, 8])
            if not size:
                folder = tarfile.TarInfo("2015")
                folder.type = tarfile.DIRTYPE
                tar.addfile(folder)
            for _ in range(size):
                entry = self.clutter(tar, form) if random.random() < 0.3 else None
                entries += [entry] if entry else []
                node = Junk(random.randbytes(random.choice([10, 600, 5000]))) if random.random() < 0.1 else None
                node = node or (
                    Leaf(b"", Stream(b"", []))
                    if random.random() < 0.05
                    else self.draw(random.randrange(containers + 1))
                )
                info = tarfile.TarInfo(self.name())
                info.mtime = random.choice([0, 1449734462, 1.5])
                info.type = random.choice([tarfile.REGTYPE, tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE])
                entries.append(_added(tar, info, node.content, node))
        content = file.getvalue()
        end = entries[-1].end if entries else 0
        if entries:  # tapes pad with more zeros than tars need
            content = content[: end + random.choice([1024, 1024, len(content) - end, 512])]
        return Tar(content, entries, form)

    def name(self) -> str:
        self.names += 1
        folder = self.random.choice(
            ["", "", "2015/12/", "./", "папка/", "x" * 90 + "/" + "y" * 90 + "/", "длинная/" * 40]
        )
        return f"{folder}{self.random.choice(['day', 'день', 'a b!', 'a.tar'])}-{self.names}.json"

    def clutter(self, tar: tarfile.TarFile, form: int) -> Entry | None:
        """Add an entry that is not read, even if it is a stream of records."""
        random = self.random
        self.names += 1
        number = f"{self.names}.json"
        info = tarfile.TarInfo(
            random.choice([f"../{number}", f"a/../../{number}", f"/etc/{number}", f".{number}", f"a/_{number}"])
        )
        if random.random() < 0.6:
            info.name = f"clutter/{number}"
            info.type = random.choice(
                [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
            )
            links = [
                "/etc/passwd",
                "day-1.json",
                "ссылка",
                "x" * 200,
                *(["\udcff\udcfe"] if form == tarfile.GNU_FORMAT else []),
            ]
            info.linkname = random.choice(links) if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        elif form == tarfile.PAX_FORMAT and random.random() < 0.3:
            info.name = f"clutter/{number}"
            info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        content = self.planter.stream(2).content if info.isreg() else b""
        entry = _added(tar, info, content, None)
        return None if info.isdir() else entry


def _added(tar: tarfile.TarFile, info: tarfile.TarInfo, content: bytes, node: Node | None) -> Entry:
    assert tar.fileobj
    begin = tar.fileobj.tell()
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
    end = tar.fileobj.tell()
    data = end - -(-len(content) // 512) * 512
    return Entry(info, node, begin, data, end)


# Damage


def _corrupt(builder: _Builder, archive: Archive) -> None:
    """Damage the file, or a part of it before compression."""
    random = builder.random
    for _ in range(random.choice([1, 1, 1, 2])):
        path = [archive.root]
        while random.random() < 0.4 and (below := _below(path[-1])):
            path.append(random.choice(below))
        node = path[-1]
        if not node.content or any(above.corruption for above in path[:-1]):
            continue
        node.content, node.corruption = _damaged(random, node.content, _edges(node), [node.corruption])
        archive.corruptions.append(f"{builder.form(node)[:40]}: {node.corruption}")
        for above in reversed(path[:-1]):
            _packed_again(builder, above)


def _below(node: Node) -> list[Node]:
    if isinstance(node, Packed):
        return [node.inside]
    return [entry.node for entry in node.entries if entry.node] if isinstance(node, Tar) else []


def _packed_again(builder: _Builder, node: Node) -> None:
    """Rebuild an undamaged container around a damaged part."""
    if isinstance(node, Packed):
        node.whole = node.content = builder.pack(node.kind, node.inside.content)
    elif isinstance(node, Tar):
        file, entries = io.BytesIO(), []
        with tarfile.open(fileobj=file, mode="w", format=node.form) as tar:
            for entry in node.entries:
                content = entry.node.content if entry.node else node.whole[entry.data : entry.data + entry.size]
                entries.append(_added(tar, entry.info, content, entry.node))
        node.whole = node.content = file.getvalue()
        node.entries = entries


def _edges(node: Node) -> list[int]:
    """Boundaries inside a container, where damage has special effects."""
    match node:
        case Tar(entries=entries):
            return [edge for entry in entries for edge in (entry.begin, entry.data, entry.end)]
        case Packed(kind="bz2", content=content):
            bits = f"{int.from_bytes(content, 'big'):0{len(content) * 8}b}"
            return [found.start() // 8 for magic in _BZ2_MAGICS for found in re.finditer(magic, bits)]
    return []


def _damaged(random: Random, content: bytes, edges: list[int], before: list[str]) -> tuple[bytes, str]:
    """Damage bytes: cut, flip, overwrite, remove, repeat or append; return them with a description."""
    at = random.choice([random.randrange(len(content)), len(content) - 1 - random.randrange(min(30, len(content)))])
    if edges and random.random() < 0.5:
        at = min(len(content) - 1, max(0, random.choice(edges) + random.choice([0, 0, random.randrange(-16, 16)])))
    size = random.choice([1, 2, 16, 100, 512, 3000])
    kind = random.choice(["cut", "cut", "flip", "flip", "flip", "overwrite", "remove", "repeat", "append"])
    match kind:
        case "cut":
            found, words = content[:at], f"cut at byte {at} of {len(content)}"
        case "flip":
            bit = random.randrange(8)
            found = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
            words = f"bit {bit} of byte {at} of {len(content)} flipped"
        case "overwrite":
            run = random.choice([random.randbytes(size), bytes(size), b"\xff" * size])[: len(content) - at]
            found, words = content[:at] + run + content[at + len(run) :], f"{len(run)} bytes overwritten at {at}"
        case "remove":
            found, words = content[:at] + content[at + size :], f"{size} bytes removed at {at}"
        case "repeat":
            found, words = content[: at + size] + content[at:], f"{size} bytes again at {at}"
        case _:
            found, words = content + random.choice([random.randbytes(size), b"garbage " * size]), "followed by garbage"
    return found, "; ".join(filter(None, [*before, words]))


# Expectations


@dataclass
class Expectations:
    """The records that must be found in a file, by source; the file itself is ''."""

    exactly: dict[str, list[Row]] = field(default_factory=dict)
    """Sources with exactly these records."""
    at_least: dict[str, list[Row]] = field(default_factory=dict)
    """Sources with at least these records."""
    cut: dict[str, tuple[list[Row], int, bytes]] = field(default_factory=dict)
    """Truncated sources: their records, then the offset and the rest of the truncated line."""
    skipped: list[str] = field(default_factory=list)
    junk: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Reasons why Python refuses the file; if there are any, an account must report damage."""
    doubted: list[str] = field(default_factory=list)
    """The same, where accounts need not report damage if nothing is lost: bzip2 streams with only sound blocks."""


def expect_records(archive: Archive) -> Expectations:
    """Determine the records that must be found in a file."""
    expectations = Expectations()
    _expect(archive.root, archive.root.content, "", expectations, exact=True, closed=True)
    return expectations


def _expect(node: Node, seen: bytes, name: str, found: Expectations, exact: bool, closed: bool) -> None:
    """Expect the records of a node from the bytes `seen` of it; unless `closed`, more may follow."""
    match node:
        case Leaf():
            if seen == node.whole and closed:
                (found.exactly if exact else found.at_least).setdefault(name, []).extend(node.stream.rows)
            else:
                found.at_least.setdefault(name, []).extend(_sound_rows(node.stream, seen, closed))
        case Junk():
            found.junk.append(name)
        case Packed():
            if seen == node.whole:
                _expect(node.inside, node.inside.content, name, found, exact, closed)
                return
            given, why = _patient(node.kind, seen, _first_difference(node.whole, seen))
            if why and seen.startswith(_MAGIC[node.kind]):  # else nobody knows it for what it was
                (found.doubted if node.kind == "bz2" else found.refused).append(f"{name}: {why}")
            if (
                exact
                and closed
                and node.kind != "bz2"
                and node.whole.startswith(seen)
                and seen.startswith(_MAGIC[node.kind])
            ):
                _expect_truncated(node.inside, given, name, found)
            inside = Expectations() if node.kind == "bz2" else found
            _expect(node.inside, given, name, inside, False, False)
            found.at_least |= inside.at_least
            found.junk += inside.junk if inside is not found else []
            found.doubted += inside.refused if inside is not found else []
        case Tar():
            _expect_tar(node, seen, name, found, exact, closed)


def _expect_truncated(node: Node, given: bytes, name: str, found: Expectations) -> None:
    """Expect the records of a truncated compressed stream from its decompressed part."""
    if isinstance(node, Leaf) and node.whole.startswith(given) and not node.stream.is_table:
        whole_lines = given[: given.rfind(b"\n") + 1]
        rows = [row for row in node.stream.rows if row.end <= len(whole_lines)]
        found.cut[name] = rows, len(whole_lines), given[len(whole_lines) :]


def _expect_tar(node: Tar, seen: bytes, name: str, found: Expectations, exact: bool, closed: bool) -> None:
    whole = node.whole
    if seen == whole:
        found.skipped += [f"{name}!{_printed(entry.name)}" for entry in node.entries if not entry.node]
        for entry in node.entries:
            if entry.node:
                _expect(entry.node, entry.node.content, f"{name}!{entry.name}", found, exact, True)
        if not node.entries and exact:
            found.exactly[name] = []
        return
    first = _first_difference(whole, seen)
    if first < 512:  # nobody knows it for a tar
        return
    in_place = len(seen) == len(whole)
    last = next(at for at in range(len(whole) - 1, -1, -1) if whole[at] != seen[at]) if in_place else len(whole)
    ends = node.entries[-1].end if node.entries else 0
    if closed and whole.startswith(seen) and len(seen) <= ends:
        found.refused.append(f"{name}: tar cut off")
    for entry in node.entries:
        header = entry.data - 512
        if in_place and first < entry.data and last >= header and _is_broken(seen[header : entry.data]):
            found.refused.append(f"{name}: tar header broken")
        if not entry.node:
            continue
        path = f"{name}!{entry.name}"
        data = entry.data + entry.size
        if first >= entry.end or (in_place and (last < entry.begin or data <= first <= last < entry.end)):
            _expect(entry.node, entry.node.content, path, found, False, True)
        elif first >= entry.data and (not in_place or last < data):
            part = seen[entry.data : data] if in_place else seen[entry.data : min(first, data)]
            _expect(entry.node, part, path, found, False, in_place)


def _printed(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def _is_broken(header: bytes) -> bool:
    """True for an invalid header; one of only zeros would be the end of the tar."""
    try:
        tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return any(header)
    return False


def _sound_rows(stream: Stream, seen: bytes, closed: bool) -> list[Row]:
    """The records of intact lines, line breaks included; of a table, only those before the damage."""
    whole = stream.content
    first = _first_difference(whole, seen)
    if stream.is_table:
        sound = [row for row in stream.rows if row.end <= first and stream.header_end <= first]
        return [row for row in sound if whole[row.end - 1 : row.end] == b"\n"]

    def is_sound(row: Row) -> bool:
        if whole[row.end - 1 : row.end] != b"\n" and not (closed and len(seen) == len(whole)):
            return False
        before = max(0, row.begin - 1)
        return seen[before : row.end] == whole[before : row.end]

    return [row for row in stream.rows if is_sound(row)]


def _first_difference(one: bytes, other: bytes) -> int:
    """The length of the common prefix."""
    alike, end = 0, min(len(one), len(other)) + 1
    while end - alike > 1:
        middle = (alike + end) // 2
        alike, end = (middle, end) if one[:middle] == other[:middle] else (alike, middle)
    return alike


def _patient(kind: str, seen: bytes, first: int) -> tuple[bytes, str]:
    """Decompress as far as possible; return the content and the reason why Python refuses the rest, if it does.

    Of bzip2, only the bytes before the first damaged one are used.
    """
    if kind == "bz2":
        given, _ = _fed(bz2.BZ2Decompressor, seen[:first], first, b"")
        try:
            bz2.decompress(seen)
        except _REFUSED as error:
            return given, str(error)
        return given, ""
    if kind == "gzip":
        return _fed(lambda: zlib.decompressobj(31), seen, first, b"\0")
    return _fed(zstd.ZstdDecompressor, seen, first, b"")


def _fed(start: Callable, seen: bytes, first: int, padding: bytes) -> tuple[bytes, str]:
    """Decompress member by member, feeding single bytes from the first damaged one on."""
    given, position = bytearray(), 0
    while position < len(seen):
        unpacked = start()
        try:
            while not unpacked.eof and position < len(seen):
                data = seen[position : max(first, position + 1)]
                position += len(data)
                given += unpacked.decompress(data)
        except _REFUSED as error:
            return bytes(given), f"at byte {position}: {error}"
        if not unpacked.eof:
            return bytes(given), "cut off"
        position -= len(unpacked.unused_data)
        while padding and seen[position : position + 1] == padding:
            position += 1
    return bytes(given), ""
