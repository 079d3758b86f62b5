"""Tables as archives: the fields of a row to a tweet, by what each of them holds."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from tonality.archive.clock import microseconds
from tonality.archive.outcome import Rejected, Tweet
from tonality.archive.request import ColumnNames
from tonality.text.escapes import unescaped

__all__ = ["RowReader"]

_LINK_OR_HASHTAG: Final = re.compile(r"https?://\S+|[#＃](?<![\w&][#＃])(?![\d_]+\b)(\w+)")
_TRUE: Final = frozenset({"1", "1.0", "true", "t", "yes", "y"})


class RowReader:
    """Makes tweets of rows."""

    def __init__(self, columns: ColumnNames) -> None:
        self._derives_ids = not columns.id

    def tweet(self, fields: Sequence[object]) -> Tweet:
        """The tweet of a row's fields, in the order of ColumnNames, None for a column that the table has not.

        Raises Rejected where the text, the time or the id is missing or wrong.
        """
        number, created, author, text, lang, retweet = fields
        whole = _text(text)
        created_at = microseconds(created)
        name = _optional(author)
        return Tweet(
            tweet_id=_derived_id(name, created_at, whole) if self._derives_ids else _identifier(number),
            created_at=created_at,
            author=name,
            lang=_optional(lang),
            text=whole,
            hashtags=_hashtags(whole) if "#" in whole or "＃" in whole else [],
            is_retweet=retweet is not None and str(retweet).strip().lower() in _TRUE,
        )


def _text(value: object) -> str:
    text = _string(value)
    if text is None or text == "":
        raise Rejected("no-text")
    if not isinstance(text, str):
        raise Rejected("wrong-type", f"text is a {type(text).__name__}")
    return unescaped(text)


def _string(value: object) -> object:
    """Bytes, as some writers of Parquet leave text, as the text that they are."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("invalid-utf8", str(error)) from None


def _hashtags(text: str) -> list[str]:
    """The hashtags as Twitter finds them, lower-case: not in links, and no bare numbers."""
    return [tag.lower() for tag in _LINK_OR_HASHTAG.findall(unicodedata.normalize("NFC", text)) if tag]


def _optional(value: object) -> str | None:
    return None if value is None or value == "" else str(_string(value))


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
