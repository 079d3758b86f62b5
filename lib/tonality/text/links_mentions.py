"""Links and mentions: what a tweet points to rather than says. One pattern each, for whoever leaves them out."""

import re
from typing import Final

__all__ = ["LINK", "MENTION", "in_java"]

# Each begins with a literal, so that a search skips to it; neither ever matches a line break, which is what keeps the
# texts of a batch apart.
LINK: Final = re.compile(r"[hH](?:[tT]{2}[pP][sS]?://\S+)|[wW](?<!\w[wW])(?:[wW]{2}\.\S+)")
MENTION: Final = re.compile(r"[@＠](?<!\w[@＠])\w+")


def in_java(pattern: re.Pattern[str]) -> str:
    r"""A pattern for Spark, whose \w is ASCII alone, or with (?U) combining marks too: Python's is between them."""
    return "(?U)" + pattern.pattern.replace(r"\w", r"[\p{L}\p{N}_]")
