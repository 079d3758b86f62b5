"""Tables as archives: the fields of a row to a tweet, by what each of them holds."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Collection, Sequence
from typing import Final

from tonality.ingest.formats.record import RejectedRecord, Tweet
from tonality.ingest.formats.timestamps import microseconds
from tonality.ingest.options import ColumnNames
from tonality.text.html_entities import unescaped

__all__ = ["RowReader", "column_order", "missing_columns"]

_LINK_OR_HASHTAG: Final = re.compile(r"https?://\S+|[#＃](?<![\w&][#＃])(?![\d_]+\b)(\w+)")
_TRUE: Final = frozenset({"true", "t", "yes", "y", "retweet", "retweeted"})
_FLOATING: Final = re.compile(r"\d+(?=[.eE])(?:\.\d*)?(?:[eE][+-]?\d{1,4})?")
_EXACT: Final = 2**53
"""Whole numbers below it are the same as floating-point numbers; above, several share one."""


def column_order(columns: ColumnNames) -> tuple[str, ...]:
    """The names of the columns in the order in which RowReader takes their fields; empty where there is none."""
    return (columns.id, columns.created_at, columns.author, columns.text, columns.lang, columns.retweet)


def missing_columns(columns: ColumnNames, found: Collection[str], shown: bool = True) -> str:
    """What keeps a table that has the columns `found` from being read, or nothing. They may be those of a tweet, where
    a table has no header, and are not shown then."""
    missing = [name for name in columns.named().values() if name not in found]
    there = f"there are {', '.join(found) or 'none'}" if shown else f"there are {len(found)} others"
    return f"no column {', '.join(missing)}; {there}" if missing else ""


class RowReader:
    """Makes tweets of rows."""

    def __init__(self, columns: ColumnNames) -> None:
        self._derives_ids = not columns.id

    def tweet(self, fields: Sequence[object]) -> Tweet:
        """The tweet of a row's fields, in the order of `column_order`, None for a column that the table has not.

        Raises RejectedRecord where the text, the time or the id is missing, or a field holds what it cannot hold.
        """
        number, created, author, text, lang, retweet = fields
        whole = _text(text)
        created_at = microseconds(created)
        name = _optional(author, "author")
        identifier = _derived_id(name, created_at, whole) if self._derives_ids else _identifier(number)
        hashtags = _hashtags(whole) if "#" in whole or "＃" in whole else []
        return Tweet(identifier, created_at, name, _optional(lang, "lang"), whole, hashtags, _is_retweet(retweet))


def _text(value: object) -> str:
    text = _string(value)
    if text is None or text == "":
        raise RejectedRecord("no-text")
    if not isinstance(text, str):
        raise RejectedRecord("wrong-type", f"text is a {type(text).__name__}")
    return unescaped(text)


def _string(value: object) -> object:
    """Bytes, as some writers of Parquet leave text, as the text that they are."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RejectedRecord("invalid-utf8", str(error)) from None


def _hashtags(text: str) -> list[str]:
    """The hashtags as Twitter finds them, lower-case: not in links, and no bare numbers."""
    return [tag.lower() for tag in _LINK_OR_HASHTAG.findall(unicodedata.normalize("NFC", text)) if tag]


def _optional(value: object, role: str) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None or _is_nan(value):
        return None
    if isinstance(value, dict | list):
        raise RejectedRecord("wrong-type", f"{role} is a {type(value).__name__}")
    return str(_string(value)) or None


def _is_nan(value: object) -> bool:
    """Whether this is what pandas leaves where a number is missing."""
    return isinstance(value, float) and math.isnan(value)


def _is_retweet(value: object) -> bool:
    """Whether the field says so: yes, a number above zero such as the retweeted tweet's id, or that tweet itself."""
    if value is None or value in ("", "0"):
        return False
    if isinstance(value, dict):
        return bool(value)
    if isinstance(value, list):  # `referenced_tweets` of Twitter's API v2, which also holds replies and quotes
        return any(isinstance(tweet, dict) and tweet.get("type") == "retweeted" for tweet in value)
    word = str(_string(value)).strip().lower()
    if word.startswith("["):  # the same, as text
        return "retweeted" in word
    return word in _TRUE or _is_positive(word)


def _is_positive(word: str) -> bool:
    try:
        return 0 < float(word) < math.inf
    except ValueError:
        return False


def _identifier(value: object) -> int:
    if value is None or value == "" or _is_nan(value):
        raise RejectedRecord("no-id")
    text = str(_string(value)).strip()
    if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 2**63:
        return int(text)
    number = float(text) if _FLOATING.fullmatch(text) else 0.0
    if number.is_integer() and number >= _EXACT:
        raise RejectedRecord(
            "wrong-type", f"id is {text[:100]!r}: its last digits were lost in a floating-point number"
        )
    if number.is_integer() and number > 0:
        return int(number)
    raise RejectedRecord("wrong-type", f"id is {text[:100]!r}, not a positive 64-bit number")


def _derived_id(author: str | None, created_at: int, text: str) -> int:
    """A number that the same author, time and text always have: two such rows are one tweet."""
    content = f"{author or ''}\0{created_at}\0{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1
