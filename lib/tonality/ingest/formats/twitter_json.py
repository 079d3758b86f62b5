"""Twitter's JSON, API v1.1 and v2: an object to a tweet or a notice, or to the page of tweets that it is.

The formats are Twitter's "Tweet object" and "Streaming message types" of API v1.1, with the extended tweets of 2017,
and the "Tweet object" and "Expansions" of API v2, whole as responses or flattened as twarc2 does.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, whole_characters
from tonality.ingest.formats.record import ControlMessage, RejectedRecord, Tweet
from tonality.ingest.formats.timestamps import microseconds
from tonality.text.html_entities import unescaped

__all__ = ["Page", "TweetText", "parse_line", "parse_tweet"]

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
        "meta",
    ]
)
"""Keys of objects that are messages of a stream, or responses without a tweet."""
_NO_HASHTAGS: Final = b'{"hashtags":[]'
"""How most tweets' entities begin, as Twitter writes them."""
_BYTE_ORDER_MARKS: Final = re.compile(rb"(?:%b)+" % BYTE_ORDER_MARK)
"""At the start of a line: files put one behind the other have one of each that was empty, too."""

# Structs name what is expected of an object: all else is skipped, which is what makes reading fast. `Raw` is for parts
# that may be odd without making the tweet worthless.


class TweetText(msgspec.Struct, gc=False):
    """The parts of an object that hold a tweet's text, in any of the APIs' forms."""

    text: str | msgspec.UnsetType | None = UNSET
    full_text: str | msgspec.UnsetType | None = UNSET
    extended_tweet: msgspec.Raw | msgspec.UnsetType = UNSET
    note_tweet: msgspec.Raw | msgspec.UnsetType = UNSET
    entities: msgspec.Raw | msgspec.UnsetType = UNSET


class _User(msgspec.Struct, gc=False):
    screen_name: str | None = None
    username: str | None = None


class _Reference(TweetText, gc=False):
    """A tweet that another refers to; twarc2's flattened ones hold it whole."""

    type: str | None = None
    id: Any = None


class _Object(TweetText, gc=False):
    id: Any = None
    id_str: Any = None
    created_at: Any = None
    user: _User | None = None
    lang: str | None = None
    retweeted_status: TweetText | None = None
    author: _User | None = None
    author_id: Any = None
    referenced_tweets: list[_Reference] | None = None
    data: msgspec.Raw | msgspec.UnsetType = UNSET
    includes: msgspec.Raw | msgspec.UnsetType = UNSET


class _Extension(msgspec.Struct, gc=False):
    """The whole text of a tweet that was cut where old clients look: v1.1's extended_tweet, v2's note_tweet."""

    full_text: str | None = None
    text: str | None = None
    entities: msgspec.Raw | msgspec.UnsetType = UNSET


class _Hashtag(msgspec.Struct, gc=False):
    text: str | None = None
    tag: str | None = None


class _Entities(msgspec.Struct, gc=False):
    hashtags: list[_Hashtag] | None = None


class _Deleted(msgspec.Struct, gc=False):
    id: Any = None
    id_str: Any = None


class _Delete(msgspec.Struct, gc=False):
    status: _Deleted | None = None
    tweet: _Deleted | None = None


class Page(msgspec.Struct):
    """A response of API v2: the tweets it holds, each as JSON, and what they refer to."""

    content: bytes
    """All of it, without byte order marks before it."""
    data: msgspec.Raw
    includes: msgspec.Raw | msgspec.UnsetType


_object: Final = msgspec.json.Decoder(_Object).decode
_extension: Final = msgspec.json.Decoder(_Extension).decode
_entities: Final = msgspec.json.Decoder(_Entities).decode
_delete: Final = msgspec.json.Decoder(_Delete).decode
_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse_line(line: bytes) -> Tweet | ControlMessage | Page:
    """A line of JSON as a tweet, a notice or a page of tweets. A blank line is the stream's keep-alive.

    Raises RejectedRecord where it is none.
    """
    if not line or line.isspace():
        return ControlMessage("keep-alive")
    content, line = _decoded(line)
    if content.data is not UNSET:
        return Page(line, content.data, content.includes)
    try:
        return _outcome(content, line, {}, {})
    except RecursionError as error:  # nested just so deep that the first look at it got through
        raise RejectedRecord("malformed-json", str(error)) from None


def parse_tweet(content: bytes, included: Mapping[str, TweetText], names: Mapping[str, str]) -> Tweet | ControlMessage:
    """A tweet of a page, with the tweets and the users' names that its page includes, by their ids.

    Raises RejectedRecord where it is neither tweet nor notice.
    """
    try:
        return _outcome(*_decoded(content), included, names)
    except RecursionError as error:
        raise RejectedRecord("malformed-json", str(error)) from None


def _decoded(line: bytes) -> tuple[_Object, bytes]:
    """What a line says, and the line as it was read: without byte order marks, with whole characters."""
    try:
        content = _object(line)
    except msgspec.ValidationError as error:
        raise RejectedRecord(_reason(line, "wrong-type"), str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if marks := _BYTE_ORDER_MARKS.match(line):
            return _decoded(line[marks.end() :])
        if (mended := whole_characters(line)) != line:
            return _decoded(mended)
        raise RejectedRecord(_reason(line, "malformed-json"), str(error)) from None
    if not line.isascii() and _reason(line, ""):  # what is skipped is not decoded
        raise RejectedRecord("invalid-utf8")
    return content, line


def _reason(line: bytes, otherwise: str) -> str:
    """Why a line is no JSON, as far as its bytes tell."""
    if b"\0" in line:
        return "nul-byte"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid-utf8"
    return otherwise


def _outcome(
    content: _Object, raw: bytes, included: Mapping[str, TweetText], names: Mapping[str, str]
) -> Tweet | ControlMessage:
    if content.text is UNSET and content.full_text is UNSET and (notice := _notice(raw)):
        return notice
    original = content.retweeted_status
    if content.referenced_tweets:
        original = _retweeted(content.referenced_tweets, included) or original
    whole = (_whole_text(original) if original else None) or _whole_text(content)
    if whole is None:
        raise RejectedRecord("no-text")
    text, entities = whole
    return Tweet(
        _identifier(content),
        microseconds(content.created_at),
        _author(content, names),
        content.lang,
        unescaped(text) if "&" in text else text,
        _hashtags(content.entities if entities is UNSET else entities),
        original is not None,
    )


def _notice(raw: bytes) -> ControlMessage | None:
    content = _keys(raw)
    kind = next((key for key in content if key in _NOTICES), None)
    if kind == "delete":
        return ControlMessage(kind, _deleted(content["delete"]))
    return ControlMessage(kind) if kind else None


def _deleted(content: msgspec.Raw) -> int | None:
    try:
        notice = _delete(content)
        return _identifier(notice.status or notice.tweet or _Deleted())
    except (msgspec.ValidationError, RejectedRecord):
        return None


def _retweeted(references: Iterable[_Reference], included: Mapping[str, TweetText]) -> TweetText | None:
    """The retweeted tweet as the page includes it; else the reference, which may hold it or not."""
    reference = next((reference for reference in references if reference.type == "retweeted"), None)
    return included.get(str(reference.id), reference) if reference else None


def _whole_text(content: TweetText) -> tuple[str, msgspec.Raw | msgspec.UnsetType] | None:
    """The untruncated text and the entities that go with it; None where there is no text."""
    if content.extended_tweet is not UNSET and (whole := _extended(content.extended_tweet, content.entities)):
        return whole
    if content.note_tweet is not UNSET and (whole := _extended(content.note_tweet, content.entities)):
        return whole
    text = content.full_text
    if text is None or text is UNSET:
        text = content.text
    return None if text is None or text is UNSET else (text, content.entities)


def _extended(
    extension: msgspec.Raw, entities: msgspec.Raw | msgspec.UnsetType
) -> tuple[str, msgspec.Raw | msgspec.UnsetType] | None:
    try:
        whole = _extension(extension)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None
    text = whole.text if whole.full_text is None else whole.full_text
    return None if text is None else (text, entities if whole.entities is UNSET else whole.entities)


def _identifier(content: _Object | _Deleted) -> int:
    value = content.id
    if type(value) is not int:  # JavaScript's numbers lose its last digits; the string has them all
        value = content.id_str or value
        if value is None:
            raise RejectedRecord("no-id")
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
    if type(value) is not int or not 0 < value < 2**63:
        raise RejectedRecord("wrong-type", f"id is {str(value)[:100]!r}, not a positive 64-bit number")
    return value


def _author(content: _Object, names: Mapping[str, str]) -> str | None:
    """The name; where only API v2's number is known, that."""
    user = content.user or content.author
    name = (user.screen_name or user.username) if user else None
    if name or content.author_id is None:
        return name
    number = str(content.author_id)
    return names.get(number, number)


def _hashtags(entities: msgspec.Raw | msgspec.UnsetType) -> list[str]:
    """The hashtags, lower-case, in the order of the text. Odd entities are no reason to lose a tweet."""
    if entities is UNSET or bytes(memoryview(entities)[: len(_NO_HASHTAGS)]) == _NO_HASHTAGS:
        return []
    try:
        found = _entities(entities).hashtags or []
    except (msgspec.ValidationError, UnicodeDecodeError):
        return []
    return [text.lower() for hashtag in found if (text := hashtag.text or hashtag.tag)]
