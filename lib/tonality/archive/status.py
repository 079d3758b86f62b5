"""Twitter API v1.1: a JSON object to a tweet or a notice.

The format is Twitter's "Tweet object" and "Streaming message types" of API v1.1, with the extended tweets of 2017.
"""

from typing import Any, Final

import orjson

from tonality.archive.clock import microseconds
from tonality.archive.outcome import Notice, Rejected, Tweet
from tonality.text.escapes import unescaped

__all__ = ["parse_status"]

_NOTICES: Final = frozenset(
    [
        "delete",
        "limit",
        "scrub_geo",
        "status_withheld",
        "user_withheld",
        "disconnect",
        "warning",
        "friends",
        "friends_str",
        "event",
        "user_update",
        "control",
        "for_user",
        "user_delete",
        "user_undelete",
        "user_protect",
        "user_unprotect",
        "user_suspend",
        "user_unsuspend",
        "errors",
    ]
)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def parse_status(line: bytes) -> Tweet | Notice:
    """A line of JSON as a tweet or a notice. A blank line is the stream's keep-alive.

    Raises Rejected where it is neither.
    """
    if not line.strip():
        return Notice("keep-alive")
    status = _load(line)
    if "text" not in status and "full_text" not in status:
        kind = next((key for key in status if key in _NOTICES), None)
        if kind:
            return Notice(kind)
    original = status.get("retweeted_status")
    shown = _object(original, "retweeted_status") if original is not None else status
    text, entities = _whole_text(shown)
    return Tweet(
        tweet_id=_identifier(status),
        created_at=microseconds(status.get("created_at")),
        author=_author(status),
        lang=_optional_text(status, "lang"),
        text=unescaped(text),
        hashtags=_hashtags(entities),
        is_retweet=original is not None,
    )


def _load(line: bytes) -> dict[str, Any]:
    try:
        status = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if line.startswith(_BYTE_ORDER_MARK):
            return _load(line.removeprefix(_BYTE_ORDER_MARK))
        raise Rejected(_reason(line), str(error)) from None
    return _object(status, "the record")


def _reason(line: bytes) -> str:
    """Why a line is no JSON, as far as its bytes tell."""
    if b"\0" in line:
        return "nul-byte"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid-utf8"
    return "malformed-json"


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected("wrong-type", f"{name} is a {type(value).__name__}, not an object")
    return value


def _whole_text(status: dict[str, Any]) -> tuple[str, Any]:
    """The untruncated text and the entities that go with it."""
    extended = status.get("extended_tweet")
    if isinstance(extended, dict) and isinstance(extended.get("full_text"), str):
        return extended["full_text"], extended.get("entities") or status.get("entities")
    text = status.get("full_text")
    if text is None:
        text = status.get("text")
    if text is None:
        raise Rejected("no-text")
    if not isinstance(text, str):
        raise Rejected("wrong-type", f"text is a {type(text).__name__}")
    return text, status.get("entities")


def _identifier(status: dict[str, Any]) -> int:
    value = status.get("id")
    if not isinstance(value, int):  # JavaScript's numbers lose its last digits; the string has them all
        value = status.get("id_str") or value
    if value is None:
        raise Rejected("no-id")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise Rejected("wrong-type", f"id is {str(value)[:100]!r}, not a positive 64-bit number")
    return value


def _author(status: dict[str, Any]) -> str | None:
    user = status.get("user")
    return _optional_text(_object(user, "user"), "screen_name") if user is not None else None


def _optional_text(holder: dict[str, Any], key: str) -> str | None:
    value = holder.get(key)
    if value is not None and not isinstance(value, str):
        raise Rejected("wrong-type", f"{key} is a {type(value).__name__}")
    return value


def _hashtags(entities: object) -> list[str]:
    """The hashtags, lower-case, in the order of the text. Odd entities are no reason to lose a tweet."""
    tags = entities.get("hashtags") if isinstance(entities, dict) else None
    if not isinstance(tags, list):
        return []
    texts = (tag.get("text") for tag in tags if isinstance(tag, dict))
    return [text.lower() for text in texts if isinstance(text, str)]
