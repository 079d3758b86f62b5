"""HTML's character references, which Twitter writes for & < > in every text."""

import html
import re
from html.entities import html5
from typing import Final

__all__ = ["unescaped"]

_REFERENCE: Final = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|([a-zA-Z][a-zA-Z0-9]*;))")


def unescaped(text: str) -> str:
    """The text with its character references read, once.

    Names count only with their semicolon: browsers also read the `&copy` of `?a=1&copy=2`, but no archive means that.
    """
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(reference: re.Match[str]) -> str:
    whole, name = reference.group(0, 1)
    try:
        return html5.get(name, whole) if name else html.unescape(whole)
    except ValueError:  # thousands of digits
        return whole
