"""Rows of tables: the columns of a row to a tweet, by the role of each column."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from tonality.ingest.formats.record import RejectedRecord, Tweet, parse_id
from tonality.ingest.formats.timestamps import microseconds
from tonality.runtime.settings.sections import ColumnNames
from tonality.text.tweet_markup import unescape_html

__all__ = ["RowMapper", "TweetMapper", "missing_columns", "string_of"]

T_co = TypeVar("T_co", covariant=True)

_LINK_OR_HASHTAG: Final = re.compile(r"https?://\S+|[#＃](?<![\w&][#＃])(?![\d_]+\b)(\w+)")
_TRUE: Final = frozenset({"true", "t", "yes", "y", "retweet", "retweeted"})
_FLOATING: Final = re.compile(r"\d+(?=[.eE])(?:\.\d*)?(?:[eE][+-]?\d{1,4})?")
_EXACT: Final = 2**53
"""The bound below which floating-point numbers hold every whole number exactly."""


class RowMapper(Protocol[T_co]):
    """A mapping of table rows to records: which columns it reads, and the record of their fields."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The column names in the order of the fields of `map_row`; empty for a column that is not mapped."""
        ...

    def map_row(self, fields: Sequence[object]) -> T_co:
        """The record of a row's fields, None for a column that is not mapped or missing. Raises RejectedRecord."""
        ...


def missing_columns(columns: Iterable[str], existing: Collection[str], shown: bool = True) -> str:
    """The error message if a table lacks one of the columns; empty if it has all.

    Without `shown` the existing columns are only counted: the first row of a table without a header is a tweet's.
    """
    missing = [name for name in columns if name and name not in existing]
    others = f"there are {', '.join(existing) or 'none'}" if shown else f"there are {len(existing)} others"
    return f"no column {', '.join(missing)}; {others}" if missing else ""


class TweetMapper:
    """The mapping of rows to tweets."""

    def __init__(self, columns: ColumnNames) -> None:
        self._derives_ids = not columns.id
        self.columns = (columns.id, columns.created_at, columns.author, columns.text, columns.lang, columns.retweet)

    def map_row(self, fields: Sequence[object]) -> Tweet:
        """The tweet of a row's id, time, author, text, language and retweet field.

        Raises RejectedRecord if the text, the time or the id is missing, or a field has a value of a wrong type.
        """
        number, created, author, text, lang, retweet = fields
        whole = _text(text)
        created_at = microseconds(created)
        name = _optional(author, "author")
        identifier = _derived_id(name, created_at, whole) if self._derives_ids else _identifier(number)
        hashtags = _hashtags(whole) if "#" in whole or "＃" in whole else []
        return Tweet(identifier, created_at, name, _optional(lang, "lang"), whole, hashtags, _is_retweet(retweet))


def _text(value: object) -> str:
    text = string_of(value)
    if text is None or text == "":
        raise RejectedRecord("no-text")
    if not isinstance(text, str):
        raise RejectedRecord("wrong-type", f"text is a {type(text).__name__}")
    return unescape_html(text)


def string_of(value: object) -> object:
    """The value, decoded if it is bytes, as some Parquet writers store text. Raises RejectedRecord if not UTF-8."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RejectedRecord("invalid-utf8", str(error)) from None


def _hashtags(text: str) -> list[str]:
    """The hashtags by Twitter's rules, lower-case: none in links, no bare numbers."""
    return [tag.lower() for tag in _LINK_OR_HASHTAG.findall(unicodedata.normalize("NFC", text)) if tag]


def _optional(value: object, role: str) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None or _is_nan(value):
        return None
    if isinstance(value, dict | list):
        raise RejectedRecord("wrong-type", f"{role} is a {type(value).__name__}")
    return str(string_of(value)) or None


def _is_nan(value: object) -> bool:
    """True for pandas' form of a missing number."""
    return isinstance(value, float) and math.isnan(value)


def _is_retweet(value: object) -> bool:
    """True for a yes, for a number above zero such as the retweeted tweet's id, and for that tweet itself."""
    if value is None or value in ("", "0"):
        return False
    if isinstance(value, dict):
        return bool(value)
    if isinstance(value, list):  # `referenced_tweets` of Twitter's API v2, which also holds replies and quotes
        return any(isinstance(tweet, dict) and tweet.get("type") == "retweeted" for tweet in value)
    word = str(string_of(value)).strip().lower()
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
    text = str(string_of(value)).strip()
    number = float(text) if _FLOATING.fullmatch(text) else 0.0
    if number.is_integer() and number >= _EXACT:
        raise RejectedRecord(
            "wrong-type", f"id is {text[:100]!r}: its last digits were lost in a floating-point number"
        )
    if number.is_integer() and number > 0:
        return int(number)
    return parse_id(text)


def _derived_id(author: str | None, created_at: int, text: str) -> int:
    """A number derived from author, time and text: two rows with the same are one tweet."""
    content = f"{author or ''}\0{created_at}\0{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") >> 1
