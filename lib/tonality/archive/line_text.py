"""Lines of a table as text."""

from collections.abc import Sequence
from typing import Literal

from tonality.archive.lines import Line
from tonality.archive.outcome import Rejected

__all__ = ["Encoding", "joined", "text_of"]

Encoding = Literal["utf-8", "latin-1"]


def text_of(line: Line, encoding: Encoding = "utf-8") -> str:
    """The line's text, without a byte order mark.

    Raises Rejected where the line is no text, or not there as a whole: cut-off, too-long, nul-byte, invalid-utf8.
    """
    content = line.content
    if line.damage:
        raise Rejected("cut-off", line.damage)
    if len(content) < line.bytes:
        raise Rejected("too-long", f"{line.bytes} bytes, at most {len(content)}")
    if b"\0" in content:
        raise Rejected("nul-byte")
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Rejected("invalid-utf8", str(error)) from None


def joined(lines: Sequence[Line], max_record: int) -> Line:
    """The lines of one row as one line, of which at most `max_record` bytes are kept."""
    if len(lines) == 1:
        return lines[0]
    first, last = lines[0], lines[-1]
    content = b"\n".join(line.content for line in lines)
    size = sum(line.bytes for line in lines) + len(lines) - 1
    return Line(first.offset, first.number, content[:max_record], size, last.damage)
