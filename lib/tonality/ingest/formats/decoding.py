"""Lines as text: what stands before it, what is cut in it, and what it says of itself."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import orjson

from tonality.ingest.formats.lines import Line
from tonality.ingest.formats.record import RejectedRecord

__all__ = ["BYTE_ORDER_MARK", "Encoding", "is_retweet_text", "joined", "json_value", "text_of", "whole_characters"]

Encoding = Literal["utf-8", "latin-1"]

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Of UTF-8, which some programs write at the start of a file."""

_ESCAPE: Final = re.compile(
    rb"(\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""The first group is what may stand: an escaped character, so that no backslash is taken for another's, or a pair."""


def text_of(line: Line, encoding: Encoding = "utf-8") -> str:
    """The line's text, without a byte order mark.

    Raises RejectedRecord where the line is no text, or not there as a whole: cut-off, too-long, nul-byte, invalid-utf8.
    """
    content = line.content
    if line.damage:
        raise RejectedRecord("cut-off", line.damage)
    if len(content) < line.bytes:
        raise RejectedRecord("too-long", f"{line.bytes} bytes, at most {len(content)}")
    if b"\0" in content:
        raise RejectedRecord("nul-byte")
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise RejectedRecord("invalid-utf8", str(error)) from None


def joined(lines: Sequence[Line], max_record: int) -> Line:
    """The lines of one row as one line, of which at most `max_record` bytes are kept."""
    if len(lines) == 1:
        return lines[0]
    first, last = lines[0], lines[-1]
    content = b"\n".join(line.content for line in lines)
    size = sum(line.bytes for line in lines) + len(lines) - 1
    return Line(first.offset, first.number, content[:max_record], size, last.damage)


def whole_characters(json: bytes) -> bytes:
    """JSON with U+FFFD, just as long, for each escape of half a character that stands alone.

    No text can hold such a half, but Twitter wrote them where it cut a text, in descriptions of users above all.
    """
    return _ESCAPE.sub(_whole_escape, json) if b"\\ud" in json or b"\\uD" in json else json


def _whole_escape(escape: re.Match[bytes]) -> bytes:
    return escape[1] or rb"\ufffd"


def json_value(content: bytes) -> Any:
    """What JSON says, with whole characters. Raises orjson.JSONDecodeError where it is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        if (mended := whole_characters(content)) == content:
            raise
        return orjson.loads(mended)


def is_retweet_text(text: str) -> bool:
    """Whether the text begins as Twitter begins a retweet's, which tells it where no column does."""
    return text.startswith("RT @")
