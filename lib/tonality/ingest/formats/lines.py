"""Blocks of bytes to lines, each of which belongs to exactly one range of its file."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tonality.ingest.containers.streams import Block

__all__ = ["Line", "Lines"]

_TOLD_DAMAGE: Final = 20
"""Breaks of a stream that are told one by one: of thousands, an account needs no more than their number."""


class Line(NamedTuple):
    """A line of a stream."""

    offset: int
    """Bytes of the uncompressed stream before it."""
    number: int
    """Its number, from 1."""
    content: bytes
    """The bytes, without the line break; of a line that is too long, its start."""
    bytes: int
    """How long the line really is."""
    damage: str = ""
    """What broke the stream inside it, so that its end is unknown; empty where it is whole."""

    @property
    def is_too_long(self) -> bool:
        """Whether only its start was kept."""
        return len(self.content) < self.bytes


class Lines:
    """The lines of a stream: `\\n` ends one, a last one may lack it.

    Of a range of a file, the lines are those whose preceding line break stands in the range; where the range begins the
    file, the first line too. So a range that does not begin the file leaves out what stands before its first line
    break, and reads on behind its end to finish its last line. Behind a gap, reading goes on with the next line.

    After the iteration `damage` says what broke the stream, if anything did, `span` how many bytes the range has and
    `breaks` how many line breaks.
    """

    def __init__(self, blocks: Iterator[Block], max_record: int, begins_file: bool = True) -> None:
        self._blocks = blocks
        self._begins_file = begins_file
        self.max_record = max_record
        """Bytes of a line that are kept."""
        self.span = 0
        self.breaks = 0
        self._damage: list[str] = []
        self._more_damage = 0

    @property
    def damage(self) -> str:
        """What broke the stream, so far."""
        more = [f"and {self._more_damage:,} more"] if self._more_damage else []
        return "; ".join(self._damage + more)

    def __iter__(self) -> Iterator[Line]:
        limit = self.max_record
        offset, number = 0, 1  # of the unfinished line
        rest, skipped = bytearray(), 0  # its start, and how many bytes of it were let go
        in_line = self._begins_file  # else the line that is read belongs to nobody
        for block in self._blocks:
            if block.damage:
                self._tell(block)
                if in_line and rest:
                    yield self._line(offset, number, rest, skipped, block.damage)
                offset += len(rest) + skipped
                rest, skipped, in_line = bytearray(), 0, False
                continue
            if not block.own:
                if in_line and (line := self._last(block, offset, number, rest, skipped)):
                    yield line
                    return
                if not in_line:
                    return
                rest += block.content
            else:
                self.span += len(block.content)
                *ended, tail = block.content.split(b"\n")
                self.breaks += len(ended)
                if ended and (rest or skipped or not in_line):
                    first = rest + ended[0] if rest else ended[0]
                    if in_line:
                        yield self._line(offset, number, first, skipped)
                    offset += len(first) + skipped + 1
                    number += 1
                    rest, skipped, in_line = bytearray(), 0, True
                    del ended[0]
                for content in ended:
                    size = len(content)
                    yield Line(offset, number, content if size <= limit else content[:limit], size)
                    offset += size + 1
                    number += 1
                rest += tail
            if len(rest) > limit:
                skipped += len(rest) - limit
                del rest[limit:]
        if in_line and (rest or skipped):
            yield self._line(offset, number, rest, skipped)

    def _tell(self, block: Block) -> None:
        if not block.own:  # the range that it belongs to tells of it
            return
        if len(self._damage) < _TOLD_DAMAGE:
            self._damage.append(block.damage)
        else:
            self._more_damage += 1

    def _last(self, block: Block, offset: int, number: int, rest: bytearray, skipped: int) -> Line | None:
        """The range's last line, if it ends in a block behind the range."""
        end = block.content.find(b"\n")
        return self._line(offset, number, rest + block.content[:end], skipped) if end >= 0 else None

    def _line(self, offset: int, number: int, content: bytes | bytearray, skipped: int, damage: str = "") -> Line:
        return Line(offset, number, bytes(content[: self.max_record]), len(content) + skipped, damage)
