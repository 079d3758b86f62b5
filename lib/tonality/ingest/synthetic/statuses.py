"""Statuses and notices in the format of Twitter's streaming API v1.1.

Texts are HTML-escaped, as Twitter's are, and the indices of entities count characters of the escaped text. Tweets of
more than 140 characters only appeared in 2016; they are included since archives of later years have them in all these
forms.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import orjson

from tonality.ingest.synthetic.authors import Author
from tonality.ingest.synthetic.random_streams import ZipfSampler, random_below
from tonality.ingest.synthetic.timeline import twitter_time

__all__ = ["Stamp", "Tweet", "delete_notice", "encode", "limit_notice", "original", "retweet", "status_id"]

_CLASSIC_LENGTH: Final = 140
"""The most characters of a tweet without an extension."""

_EXTENDED_MODE: Final = 0.05
"""The share of tweets recorded with tweet_mode=extended, which have `full_text` instead of `text`."""

_TWITTER_EPOCH_MS: Final = 1_288_834_974_657
_SOURCES: Final = ZipfSampler(
    [
        f'<a href="{address}" rel="nofollow">{client}</a>'
        for address, client in (
            ("http://twitter.com", "Twitter Web Client"),
            ("http://twitter.com/download/iphone", "Twitter for iPhone"),
            ("http://twitter.com/download/android", "Twitter for Android"),
            ("https://mobile.twitter.com", "Mobile Web (M5)"),
            ("http://twitter.com/#!/download/ipad", "Twitter for iPad"),
            ("https://about.twitter.com/products/tweetdeck", "TweetDeck"),
            ("http://instagram.com", "Instagram"),
            ("http://ifttt.com", "IFTTT"),
        )
    ]
)
_SITES: Final = ("vk.com", "youtu.be", "kinopoisk.ru", "instagram.com", "fb.me", "lenta.ru", "ria.ru", "afisha.ru")

_HASHTAG: Final = re.compile(r"(?<!\w)#(\w+)")
_MENTION: Final = re.compile(r"(?<!\w)@(\w+)")
_LINK: Final = re.compile(r"https://t\.co/(\w+)")


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time of a status, in milliseconds since 1970, and its id."""

    time_ms: int
    id: int


@dataclass(frozen=True, slots=True)
class Tweet:
    """A status with the data for retweets of it: the unescaped text and the author."""

    status: dict[str, Any]
    text: str
    author: Author


def status_id(time_ms: int, worker: int, number: int) -> int:
    """A Snowflake id: milliseconds, 10 bits of the worker, 12 bits of a sequence number."""
    return (time_ms - _TWITTER_EPOCH_MS) << 22 | worker << 12 | number & 4_095


def original(random: Random, stamp: Stamp, text: str, author: Author, language: str) -> Tweet:
    """An original tweet; `text` is not escaped."""
    if random.random() < _EXTENDED_MODE:
        body = _extended_body(text)
    elif len(text) > _CLASSIC_LENGTH:
        body = _truncated_body(text, stamp)
    else:
        body = {"text": _escape(text), "truncated": False, "entities": _entities(_escape(text))}
    return Tweet(_status(random, stamp, body, author, language), text, author)


def retweet(random: Random, stamp: Stamp, tweet: Tweet, author: Author) -> dict[str, Any]:
    """A retweet: the complete original nested inside, and its text after RT @name, truncated to 140 characters."""
    tweet.status["retweet_count"] += 1
    text = f"RT @{tweet.author.screen_name}: {tweet.text}"
    if len(text) > _CLASSIC_LENGTH:
        text = text[: _CLASSIC_LENGTH - 1] + "…"
    escaped = _escape(text)
    body: dict[str, Any] = {"truncated": False, "entities": _entities(escaped)}
    if "full_text" in tweet.status:
        body |= {"full_text": escaped, "display_text_range": [0, len(escaped)]}
    else:
        body["text"] = escaped
    status = _status(random, stamp, body, author, tweet.status["lang"])
    return {**status, "retweeted_status": tweet.status, "retweet_count": tweet.status["retweet_count"]}


def encode(status: dict[str, Any], stamp: Stamp) -> bytes:
    """A status as a line, delivered at the time it was written."""
    return orjson.dumps({**status, "timestamp_ms": str(stamp.time_ms)})


def delete_notice(random: Random, time_ms: int) -> bytes:
    """A notice of an older tweet's deletion."""
    number = status_id(time_ms - 1_000 - random_below(random, 90_000_000), 7, random_below(random, 4_096))
    user = 10_000_000 + random_below(random, 3_000_000_000)
    status = {"id": number, "id_str": str(number), "user_id": user, "user_id_str": str(user)}
    return orjson.dumps({"delete": {"status": status, "timestamp_ms": str(time_ms)}})


def limit_notice(random: Random, time_ms: int) -> bytes:
    """A notice that more tweets matched than were delivered."""
    return orjson.dumps({"limit": {"track": 1 + random_below(random, 5_000), "timestamp_ms": str(time_ms)}})


def _status(random: Random, stamp: Stamp, body: dict[str, Any], author: Author, language: str) -> dict[str, Any]:
    return {
        "created_at": twitter_time(stamp.time_ms),
        "id": stamp.id,
        "id_str": str(stamp.id),
        **body,
        "source": _SOURCES.draw(random),
        "in_reply_to_status_id": None,
        "in_reply_to_status_id_str": None,
        "in_reply_to_user_id": None,
        "in_reply_to_user_id_str": None,
        "in_reply_to_screen_name": None,
        "user": author.json,
        "geo": None,
        "coordinates": None,
        "place": None,
        "contributors": None,
        "is_quote_status": False,
        "retweet_count": 0,
        "favorite_count": 0,
        "favorited": False,
        "retweeted": False,
        "filter_level": "low",
        "lang": language,
    }


def _extended_body(text: str) -> dict[str, Any]:
    escaped = _escape(text)
    displayed = [0, len(escaped)]
    return {"full_text": escaped, "display_text_range": displayed, "truncated": False, "entities": _entities(escaped)}


def _truncated_body(text: str, stamp: Stamp) -> dict[str, Any]:
    """A long tweet in compatibility mode: its start with a link to it, the full text under extended_tweet."""
    more = f"https://t.co/{stamp.id % 16**10:010x}"
    escaped = _escape(text[: _CLASSIC_LENGTH - len(more) - 2] + "… " + more)
    extended = _extended_body(text)
    del extended["truncated"]
    return {"text": escaped, "truncated": True, "entities": _entities(escaped), "extended_tweet": extended}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _entities(text: str) -> dict[str, Sequence[dict[str, Any]]]:
    """Hashtags, mentions and links of an escaped text, without one that is truncated at its end."""
    truncated_at = len(text) - 1 if text.endswith("…") else -1
    return {
        "hashtags": [{"text": m[1], "indices": m.span()} for m in _HASHTAG.finditer(text) if m.end() != truncated_at],
        "urls": [
            {
                "url": m[0],
                "expanded_url": f"http://{_SITES[len(m[1]) + ord(m[1][0]) & 7]}/{m[1]}",
                "display_url": f"{_SITES[len(m[1]) + ord(m[1][0]) & 7]}/{m[1]}",
                "indices": m.span(),
            }
            for m in _LINK.finditer(text)
            if m.end() != truncated_at
        ],
        "user_mentions": [
            {"screen_name": m[1], "name": m[1], "indices": m.span()}
            for m in _MENTION.finditer(text)
            if m.end() != truncated_at
        ],
        "symbols": [],
    }
