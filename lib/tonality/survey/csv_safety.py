"""Protection of spreadsheets against texts that they would run as formulas."""

import unicodedata
from typing import Final

from tonality.runtime.diagnostics.escaping import printable

__all__ = ["escape_formulas"]

_FORMULA_SIGNS: Final = frozenset("=+-@")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
"""Unicode categories that are invisible at the beginning of a cell and that some spreadsheets skip."""


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
