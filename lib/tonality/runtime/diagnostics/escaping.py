"""Characters that control a terminal or reorder a line: escaped in messages and names, removed from texts to display.

A name that somebody else chose, of a file, a member, a column or an author, must not act as a command or a line of its
own wherever it is shown. Names that open files stay as they are.
"""

import re
from typing import Final

__all__ = ["escaped", "escaped_name", "printable"]

_CONTROLS: Final = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 without tab and line feed: bells, colours, cursor movements
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embeddings, overrides and isolates
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # bytes of a file name that are not UTF-8
)
_DIRECTION: Final = "\u061c\u200e\u200f"
"""Hints of direction: out of place in a name, but part of the spelling of Arabic and Hebrew texts."""
_NOT_IN_MESSAGES: Final = re.compile(f"[{_DIRECTION}{_CONTROLS}]")
_NOT_IN_NAMES: Final = re.compile(f"[\t\n{_DIRECTION}{_CONTROLS}]")
_BREAK: Final = re.compile("\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_NOT_DISPLAYED: Final = re.compile(f"[{_CONTROLS}]")


def escaped(text: str) -> str:
    r"""The text with control characters as \uXXXX, as in JSON, except tabs and line feeds."""
    return _NOT_IN_MESSAGES.sub(_escape, text)


def escaped_name(name: str) -> str:
    r"""A name on one line, or a line that quotes some: tabs and line feeds are escaped too."""
    return _NOT_IN_NAMES.sub(_escape, name)


def printable(text: str | None) -> str:
    """A text to display on one line: tabs and line breaks are spaces, other control characters are removed.

    Hints of direction stay, since Arabic and Hebrew need them; embeddings, overrides and isolates do not. None becomes
    the empty string.
    """
    return _NOT_DISPLAYED.sub("", _BREAK.sub(" ", text or ""))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
