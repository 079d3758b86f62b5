"""Escaping of characters that control a terminal or reorder a line, in everything that is printed or logged."""

import re
from typing import Final

__all__ = ["escaped", "escaped_name"]

_CONTROLS: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 without tab and line feed: bells, colours, cursor movements
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, embeddings, overrides and isolates
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # bytes of a file name that are not UTF-8
)
_CONTROL: Final = re.compile(f"[{_CONTROLS}]")
_CONTROL_OR_SPACE: Final = re.compile(f"[\t\n{_CONTROLS}]")


def escaped(text: str) -> str:
    r"""The text with control characters as \uXXXX, as in JSON, except tabs and line feeds."""
    return _CONTROL.sub(_escape, text)


def escaped_name(name: str) -> str:
    r"""A name on one line, of a file, a member, an author or a model: tabs and line feeds are escaped too."""
    return _CONTROL_OR_SPACE.sub(_escape, name)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
