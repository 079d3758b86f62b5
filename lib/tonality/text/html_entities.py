"""What stands for a character that is not written itself: HTML's references, which Twitter writes for & < >."""

import html
import re
from html.entities import html5
from typing import Final

__all__ = ["in_utf8", "unescaped"]

_REFERENCE: Final = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|([a-zA-Z][a-zA-Z0-9]*;))")


def unescaped(text: str) -> str:
    """The text with its character references read, once.

    Names count only with their semicolon: browsers also read the `&copy` of `?a=1&copy=2`, but no archive means that.
    """
    return _REFERENCE.sub(_character, text) if "&" in text else text


def in_utf8(words: str) -> str:
    r"""The words with bytes that are no UTF-8, as names of files may have them, written as \udcff: Arrow takes none."""
    return words if words.isascii() else words.encode("utf-8", "backslashreplace").decode()


def _character(reference: re.Match[str]) -> str:
    whole, name = reference.group(0, 1)
    try:
        return html5.get(name, whole) if name else html.unescape(whole)
    except ValueError:  # thousands of digits
        return whole
