"""Twitter's JSON, API v1.1 and v2: parse an object to a tweet, a control message or a page of tweets.

The formats are Twitter's "Tweet object" and "Streaming message types" of API v1.1, with the extended tweets of 2017,
and the "Tweet object" and "Expansions" of API v2, as whole responses or flattened by twarc2.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, replace_lone_surrogates
from tonality.ingest.formats.record import CONTROL_MESSAGES, ControlMessage, RejectedRecord, Tweet, parse_id
from tonality.ingest.formats.timestamps import microseconds
from tonality.text.tweet_markup import unescape_html

__all__ = ["Page", "TweetText", "parse_line", "parse_tweet"]

_MESSAGE_KEYS: Final = CONTROL_MESSAGES | {"errors", "meta"}
"""Keys of control messages, and of responses without a tweet."""
_NO_HASHTAGS: Final = b'{"hashtags":[]'
"""Start of the entities of a tweet without hashtags, as Twitter writes them; most tweets have none."""
_BYTE_ORDER_MARKS: Final = re.compile(rb"(?:%b)+" % BYTE_ORDER_MARK)
"""At the start of a line there may be several: concatenated files have one each, even if they are empty."""

# Structs declare only the fields that are needed; the decoder skips all others, which makes it fast. `Raw` is for parts
# that may be malformed without the tweet being rejected.


class TweetText(msgspec.Struct, gc=False):
    """The fields that hold a tweet's text in any of the APIs' formats."""

    text: str | msgspec.UnsetType | None = UNSET
    full_text: str | msgspec.UnsetType | None = UNSET
    extended_tweet: msgspec.Raw | msgspec.UnsetType = UNSET
    note_tweet: msgspec.Raw | msgspec.UnsetType = UNSET
    entities: msgspec.Raw | msgspec.UnsetType = UNSET


class _User(msgspec.Struct, gc=False):
    screen_name: str | None = None
    username: str | None = None


class _Reference(TweetText, gc=False):
    """A reference to another tweet, which is included in full if twarc2 has flattened the tweet."""

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
    """The full text of a tweet whose `text` is truncated: v1.1's extended_tweet, v2's note_tweet."""

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
    """A response of API v2 as JSON: its tweets and the objects that they refer to."""

    content: bytes
    """The whole response without leading byte order marks."""
    data: msgspec.Raw
    includes: msgspec.Raw | msgspec.UnsetType


_object: Final = msgspec.json.Decoder(_Object).decode
_extension: Final = msgspec.json.Decoder(_Extension).decode
_entities: Final = msgspec.json.Decoder(_Entities).decode
_delete: Final = msgspec.json.Decoder(_Delete).decode
_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse_line(line: bytes) -> Tweet | ControlMessage | Page:
    """Parse a line of JSON. A blank line is a keep-alive of the stream.

    Raises RejectedRecord if it is neither a tweet nor a control message nor a page.
    """
    if not line or line.isspace():
        return ControlMessage("keep-alive")
    content, line = _decode(line)
    if content.data is not UNSET:
        return Page(line, content.data, content.includes)
    try:
        return _outcome(content, line, {}, {})
    except RecursionError as error:  # nested almost too deeply for the first decoder
        raise RejectedRecord("malformed-json", str(error)) from None


def parse_tweet(content: bytes, included: Mapping[str, TweetText], names: Mapping[str, str]) -> Tweet | ControlMessage:
    """Parse a tweet of a page, given the page's included tweets and user names by id.

    Raises RejectedRecord if it is neither a tweet nor a control message.
    """
    try:
        return _outcome(*_decode(content), included, names)
    except RecursionError as error:
        raise RejectedRecord("malformed-json", str(error)) from None


def _decode(line: bytes) -> tuple[_Object, bytes]:
    """Return the decoded line and its bytes, without byte order marks and lone surrogates if it had any."""
    try:
        content = _object(line)
    except msgspec.ValidationError as error:
        raise RejectedRecord(_reason(line, "wrong-type"), str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if prefix := _BYTE_ORDER_MARKS.match(line):
            return _decode(line[prefix.end() :])
        if (repaired := replace_lone_surrogates(line)) != line:
            return _decode(repaired)
        raise RejectedRecord(_reason(line, "malformed-json"), str(error)) from None
    if not line.isascii() and _reason(line, ""):  # the decoder does not check skipped fields
        raise RejectedRecord("invalid-utf8")
    return content, line


def _reason(line: bytes, default: str) -> str:
    """Return the reason to reject a line: its bytes, or else the default."""
    if b"\0" in line:
        return "nul-byte"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid-utf8"
    return default


def _outcome(
    content: _Object, raw: bytes, included: Mapping[str, TweetText], names: Mapping[str, str]
) -> Tweet | ControlMessage:
    if content.text is UNSET and content.full_text is UNSET and (message := _control_message(raw)):
        return message
    original = content.retweeted_status
    if content.referenced_tweets:
        original = _retweeted_tweet(content.referenced_tweets, included) or original
    full_text = (_full_text(original) if original else None) or _full_text(content)
    if full_text is None:
        raise RejectedRecord("no-text")
    text, entities = full_text
    return Tweet(
        parse_id(content.id, content.id_str),
        microseconds(content.created_at),
        _author(content, names),
        content.lang,
        unescape_html(text) if "&" in text else text,
        _hashtags(content.entities if entities is UNSET else entities),
        original is not None,
    )


def _control_message(raw: bytes) -> ControlMessage | None:
    content = _keys(raw)
    kind = next((key for key in content if key in _MESSAGE_KEYS), None)
    if kind == "delete":
        return ControlMessage(kind, _deleted_id(content["delete"]))
    return ControlMessage(kind) if kind else None


def _deleted_id(content: msgspec.Raw) -> int | None:
    try:
        message = _delete(content)
        tweet = message.status or message.tweet or _Deleted()
        return parse_id(tweet.id, tweet.id_str)
    except (msgspec.ValidationError, RejectedRecord):
        return None


def _retweeted_tweet(references: Iterable[_Reference], included: Mapping[str, TweetText]) -> TweetText | None:
    """Return the retweeted tweet included in the page, or else the reference, which may contain it."""
    reference = next((reference for reference in references if reference.type == "retweeted"), None)
    return included.get(str(reference.id), reference) if reference else None


def _full_text(content: TweetText) -> tuple[str, msgspec.Raw | msgspec.UnsetType] | None:
    """Return the untruncated text and its entities; None if there is no text."""
    if content.extended_tweet is not UNSET and (full := _extended_text(content.extended_tweet, content.entities)):
        return full
    if content.note_tweet is not UNSET and (full := _extended_text(content.note_tweet, content.entities)):
        return full
    text = content.full_text
    if text is None or text is UNSET:
        text = content.text
    return None if text is None or text is UNSET else (text, content.entities)


def _extended_text(
    extension: msgspec.Raw, entities: msgspec.Raw | msgspec.UnsetType
) -> tuple[str, msgspec.Raw | msgspec.UnsetType] | None:
    try:
        extended = _extension(extension)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None
    text = extended.text if extended.full_text is None else extended.full_text
    return None if text is None else (text, entities if extended.entities is UNSET else extended.entities)


def _author(content: _Object, names: Mapping[str, str]) -> str | None:
    """Return the author's name, or API v2's user id if the name is not known."""
    user = content.user or content.author
    name = (user.screen_name or user.username) if user else None
    if name or content.author_id is None:
        return name
    number = str(content.author_id)
    return names.get(number, number)


def _hashtags(entities: msgspec.Raw | msgspec.UnsetType) -> list[str]:
    """Return the hashtags in lower case, in the order of the text. Malformed entities are ignored."""
    if entities is UNSET or bytes(memoryview(entities)[: len(_NO_HASHTAGS)]) == _NO_HASHTAGS:
        return []
    try:
        found = _entities(entities).hashtags or []
    except (msgspec.ValidationError, UnicodeDecodeError):
        return []
    return [text.lower() for hashtag in found if (text := hashtag.text or hashtag.tag)]
