"""Markup in a tweet's text: links, mentions, the prefix of a retweet and HTML character references.

Each pattern is defined once, for Python and, through `in_java`, for Spark.
"""

import html
import re
from html.entities import html5
from typing import Final

__all__ = ["LINK", "MENTION", "RETWEET_PREFIX", "in_java", "is_retweet_text", "unescape_html", "without_retweet_prefix"]

# Both begin with a literal, so that a search skips to it, and neither matches a line break, so that the texts of a
# batch, joined by line breaks, stay apart.
LINK: Final = re.compile(r"[hH](?:[tT]{2}[pP][sS]?://\S+)|[wW](?<!\w[wW])(?:[wW]{2}\.\S+)")
MENTION: Final = re.compile(r"[@＠](?<!\w[@＠])\w+")

_RETWEET: Final = r"\s*RT\s+[@＠]"
_RETWEET_START: Final = re.compile(rf"(?i){_RETWEET}")
RETWEET_PREFIX: Final = re.compile(rf"(?i)^(?:{_RETWEET}\w*\s*:?\s)+")
"""`RT @name:` in any case, once or repeated, up to and including the white space after it. The name may be missing:
where mentions are dropped, it reads `RT @:`."""

_CHARACTER_REFERENCE: Final = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|([a-zA-Z][a-zA-Z0-9]*;))")


def in_java(pattern: re.Pattern[str]) -> str:
    r"""Return the pattern in Java's syntax, for Spark.

    Java's \w is ASCII only, and with (?U) it includes combining marks; Python's lies between the two.
    """
    return "(?U)" + pattern.pattern.replace(r"\w", r"[\p{L}\p{N}_]")


def is_retweet_text(text: str) -> bool:
    """True if the text begins as a retweet's does, with `RT @`: for known tables without a column that says so."""
    return _RETWEET_START.match(text) is not None


def without_retweet_prefix(text: str) -> str:
    """Return a retweet's text without its prefix, and any other text unchanged."""
    prefix = RETWEET_PREFIX.match(text)
    return text[prefix.end() :] if prefix else text


def unescape_html(text: str) -> str:
    """Replace HTML character references, which Twitter writes for & < >, by their characters, once.

    Named references count only with their semicolon: browsers also read the `&copy` of `?a=1&copy=2`, but no archive
    means that.
    """
    return _CHARACTER_REFERENCE.sub(_character, text) if "&" in text else text


def _character(reference: re.Match[str]) -> str:
    whole, name = reference.group(0, 1)
    try:
        return html5.get(name, whole) if name else html.unescape(whole)
    except ValueError:  # thousands of digits
        return whole
