"""Tables as archives: a row's named fields to a tweet, by the settings' column names."""

import hashlib
import html
import re
from collections.abc import Mapping
from typing import Final

from tonality.archive.clock import microseconds
from tonality.archive.outcome import Rejected, Tweet
from tonality.archive.request import ColumnNames

__all__ = ["RowReader"]

_HASHTAG: Final = re.compile(r"#(?<![\w&]#)(\w+)")
_TRUE: Final = frozenset({"1", "1.0", "true", "t", "yes", "y"})


class RowReader:
    """Makes tweets of rows."""

    def __init__(self, columns: ColumnNames) -> None:
        self._columns = columns

    def tweet(self, row: Mapping[str, object]) -> Tweet:
        """The row's tweet. Raises Rejected where the text or the time is missing or wrong."""
        columns = self._columns
        text = _text(row.get(columns.text))
        created_at = microseconds(row.get(columns.created_at))
        author = _optional(row.get(columns.author)) if columns.author else None
        return Tweet(
            tweet_id=_identifier(row[columns.id]) if columns.id else _derived_id(author, created_at, text),
            created_at=created_at,
            author=author,
            lang=_optional(row.get(columns.lang)) if columns.lang else None,
            text=text,
            hashtags=[tag.lower() for tag in _HASHTAG.findall(text)],
            is_retweet=bool(columns.retweet) and str(row.get(columns.retweet)).strip().lower() in _TRUE,
        )


def _text(value: object) -> str:
    if value is None or value == "":
        raise Rejected("no-text")
    if not isinstance(value, str):
        raise Rejected("wrong-type", f"text is a {type(value).__name__}")
    return html.unescape(value) if "&" in value else value


def _optional(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _identifier(value: object) -> int:
    if value is None or value == "":
        raise Rejected("no-id")
    text = str(value).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 2**63):
        raise Rejected("wrong-type", f"id is {text[:100]!r}, not a positive 64-bit number")
    return int(text)


def _derived_id(author: str | None, created_at: int, text: str) -> int:
    """A number that the same author, time and text always have: two such rows are one tweet."""
    content = f"{author or ''}\0{created_at}\0{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1
