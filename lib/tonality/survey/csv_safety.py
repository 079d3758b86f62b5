"""Protection of pages and spreadsheets against hostile texts: control characters and CSV formula injection."""

import re
import unicodedata
from typing import Final

__all__ = ["escape_formulas", "printable"]

_BREAK: Final = re.compile(r"\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FORMULA_SIGNS: Final = frozenset("=+-@")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
"""Unicode categories that are invisible at the beginning of a cell and that some spreadsheets skip."""


def printable(text: str | None) -> str:
    """The text on one line, without invisible control characters or characters that change its direction.

    Line breaks and tabs become spaces. Other control characters, bidirectional embeddings, overrides and isolates
    (U+202A-202E, U+2066-2069) and lone surrogates are removed. None becomes the empty string.
    """
    return _UNPRINTABLE.sub("", _BREAK.sub(" ", text or ""))


def escape_formulas(text: str | None) -> str:
    """The printable text as a cell, with an apostrophe before anything a spreadsheet could run (OWASP, CSV Injection).

    Text after a semicolon is a cell of its own in countries with a decimal comma. Tab and carriage return, which OWASP
    also names as dangerous beginnings, are spaces in a printable text.
    """
    first, *rest = printable(text).split(";")
    # after a semicolon, a quote opens and closes an empty cell, and the text behind it counts
    return ";".join([_escape(first), *(_escape(part, part.lstrip('" ')) for part in rest)])


def _escape(part: str, visible: str | None = None) -> str:
    """The part, with an apostrophe if its visible text begins a formula in a spreadsheet."""
    # NFKC maps full-width and small forms of the signs to the signs.
    signs = unicodedata.normalize("NFKC", part if visible is None else visible)
    first = next((sign for sign in signs if unicodedata.category(sign) not in _INVISIBLE), "")
    return f"'{part}" if first in _FORMULA_SIGNS else part
