"""Lines of a stream, each of which belongs to exactly one range of its file."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tonality.ingest.containers.streams import Block

__all__ = ["Line", "Lines"]

_LISTED_DAMAGE: Final = 20
"""Breaks of a stream listed one by one; of the others only the number is reported."""


class Line(NamedTuple):
    """A line of a stream."""

    offset: int
    """Position in the uncompressed stream, in bytes."""
    number: int
    """Line number, from 1."""
    content: bytes
    """The bytes without the line break, truncated to the size limit."""
    bytes: int
    """Length of the whole line."""
    damage: str = ""
    """Description of the break that cut the line off; empty if the line is complete."""

    @property
    def is_too_long(self) -> bool:
        """True if the content is truncated."""
        return len(self.content) < self.bytes


class Lines:
    """The lines of a stream, ended by `\\n`; the last one may lack it.

    A range of a file owns the lines whose preceding line break lies in the range; a range at the start of the file also
    owns the first line. Such a range therefore skips everything up to its first line break and reads past its end to
    complete its last line. After a gap in the stream, reading resumes with the next line.

    After the iteration `damage` describes the breaks of the stream, `span` is the size of the range in bytes and
    `breaks` its number of line breaks.
    """

    def __init__(self, blocks: Iterator[Block], max_record: int, begins_file: bool = True) -> None:
        self._blocks = blocks
        self._begins_file = begins_file
        self.max_record = max_record
        """Size limit of a line's content in bytes."""
        self.span = 0
        self.breaks = 0
        self._damage: list[str] = []
        self._unlisted_damage = 0

    @property
    def damage(self) -> str:
        """Breaks of the stream so far."""
        more = [f"and {self._unlisted_damage:,} more"] if self._unlisted_damage else []
        return "; ".join(self._damage + more)

    def __iter__(self) -> Iterator[Line]:
        line, limit = _OpenLine(self.max_record, self._begins_file), self.max_record
        for block in self._blocks:
            if block.damage:
                self._add_damage(block)
                yield from line.cut_off(block.damage)
            elif block.in_range:
                *ended, remainder = self._split(block.content)
                if ended:
                    yield from line.end(ended.pop(0))
                offset, number = line.offset, line.number
                for content in ended:
                    size = len(content)
                    yield Line(offset, number, content if size <= limit else content[:limit], size)
                    offset += size + 1
                    number += 1
                line.offset, line.number = offset, number
                line.extend(remainder)
            elif line.owned:
                content, line_break, _ = block.content.partition(b"\n")
                if line_break:
                    yield from line.end(content)
                    return
                line.extend(content)
            else:
                return
        yield from line.cut_off()

    def _split(self, content: bytes) -> list[bytes]:
        parts = content.split(b"\n")
        self.span += len(content)
        self.breaks += len(parts) - 1
        return parts

    def _add_damage(self, block: Block) -> None:
        if not block.in_range:  # reported by the range that owns the block
            return
        if len(self._damage) < _LISTED_DAMAGE:
            self._damage.append(block.damage)
        else:
            self._unlisted_damage += 1


class _OpenLine:
    """The line that the blocks read so far have begun but not ended."""

    def __init__(self, limit: int, owned: bool) -> None:
        self.owned = owned
        """False for the line of another range and for the remainder after a gap, which are skipped."""
        self.offset = 0
        self.number = 1
        self._limit = limit
        self._content = bytearray()
        self._size = 0

    def extend(self, content: bytes) -> None:
        """Add bytes; those beyond the size limit are only counted."""
        self._content += content
        self._size += len(content)
        del self._content[self._limit :]

    def end(self, content: bytes) -> list[Line]:
        """Add the last bytes and start the next line. Return the line if it is owned."""
        self.extend(content)
        ended = [self._line()] if self.owned else []
        self._restart(self.offset + self._size + 1, owned=True)
        self.number += 1
        return ended

    def cut_off(self, damage: str = "") -> list[Line]:
        """Stop within the line and skip its remainder. Return the line if it is owned and not empty."""
        partial = [self._line(damage)] if self.owned and self._size else []
        self._restart(self.offset + self._size, owned=False)
        return partial

    def _line(self, damage: str = "") -> Line:
        return Line(self.offset, self.number, bytes(self._content), self._size, damage)

    def _restart(self, offset: int, owned: bool) -> None:
        self.offset, self.owned = offset, owned
        self._content, self._size = bytearray(), 0
