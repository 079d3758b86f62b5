"""Statuses and notices as version 1.1 of Twitter's streaming API sent them.

Texts are HTML-escaped as Twitter's are, and the indices of entities count characters of the escaped text. Longer tweets
than 140 characters came in 2016; they are here because archives of later years have them in all these forms.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import orjson

from tonality.ingest.synthetic.authors import Author
from tonality.ingest.synthetic.random_streams import Ranked, whole_number
from tonality.ingest.synthetic.timeline import twitter_time

__all__ = ["Stamp", "Tweet", "delete_notice", "encode", "limit_notice", "original", "retweet", "status_id"]

SHORT: Final = 140
"""Characters of a tweet before it needs an extension."""

_EXTENDED_MODE: Final = 0.05
"""The share of tweets recorded with tweet_mode=extended, which have `full_text` in the place of `text`."""

_TWITTER_EPOCH_MS: Final = 1_288_834_974_657
_SOURCES: Final = Ranked(
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
    """When a status was written, in milliseconds since 1970, and its id."""

    moment: int
    id: int


@dataclass(frozen=True, slots=True)
class Tweet:
    """A status and what a retweet of it needs: its text before escaping, and its author."""

    status: dict[str, Any]
    text: str
    author: Author


def status_id(moment: int, worker: int, number: int) -> int:
    """Twitter's id: milliseconds, then 10 bits of the worker and 12 of a running number."""
    return (moment - _TWITTER_EPOCH_MS) << 22 | worker << 12 | number & 4_095


def original(random: Random, stamp: Stamp, text: str, author: Author, language: str) -> Tweet:
    """A tweet that retweets nothing; `text` is not yet escaped."""
    if random.random() < _EXTENDED_MODE:
        body = _whole(text)
    elif len(text) > SHORT:
        body = _compatible(text, stamp)
    else:
        body = {"text": _escape(text), "truncated": False, "entities": _entities(_escape(text))}
    return Tweet(_status(random, stamp, body, author, language), text, author)


def retweet(random: Random, stamp: Stamp, tweet: Tweet, author: Author) -> dict[str, Any]:
    """A retweet: the whole original inside, and outside its text behind RT @name, cut at 140 characters."""
    tweet.status["retweet_count"] += 1
    text = f"RT @{tweet.author.screen_name}: {tweet.text}"
    if len(text) > SHORT:
        text = text[: SHORT - 1] + "…"
    escaped = _escape(text)
    body: dict[str, Any] = {"truncated": False, "entities": _entities(escaped)}
    if "full_text" in tweet.status:
        body |= {"full_text": escaped, "display_text_range": [0, len(escaped)]}
    else:
        body["text"] = escaped
    status = _status(random, stamp, body, author, tweet.status["lang"])
    return {**status, "retweeted_status": tweet.status, "retweet_count": tweet.status["retweet_count"]}


def encode(status: dict[str, Any], stamp: Stamp) -> bytes:
    """The line of a status that was delivered as it was written."""
    return orjson.dumps({**status, "timestamp_ms": str(stamp.moment)})


def delete_notice(random: Random, moment: int) -> bytes:
    """A notice that some older tweet is gone."""
    number = status_id(moment - 1_000 - whole_number(random, 90_000_000), 7, whole_number(random, 4_096))
    user = 10_000_000 + whole_number(random, 3_000_000_000)
    status = {"id": number, "id_str": str(number), "user_id": user, "user_id_str": str(user)}
    return orjson.dumps({"delete": {"status": status, "timestamp_ms": str(moment)}})


def limit_notice(random: Random, moment: int) -> bytes:
    """A notice that more tweets matched than were sent."""
    return orjson.dumps({"limit": {"track": 1 + whole_number(random, 5_000), "timestamp_ms": str(moment)}})


def _status(random: Random, stamp: Stamp, body: dict[str, Any], author: Author, language: str) -> dict[str, Any]:
    return {
        "created_at": twitter_time(stamp.moment),
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


def _whole(text: str) -> dict[str, Any]:
    escaped = _escape(text)
    shown = [0, len(escaped)]
    return {"full_text": escaped, "display_text_range": shown, "truncated": False, "entities": _entities(escaped)}


def _compatible(text: str, stamp: Stamp) -> dict[str, Any]:
    """A long tweet for programs that knew 140 characters: the start with a link, the whole under extended_tweet."""
    more = f"https://t.co/{stamp.id % 16**10:010x}"
    escaped = _escape(text[: SHORT - len(more) - 2] + "… " + more)
    extended = _whole(text)
    del extended["truncated"]
    return {"text": escaped, "truncated": True, "entities": _entities(escaped), "extended_tweet": extended}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _entities(text: str) -> dict[str, Sequence[dict[str, Any]]]:
    """Hashtags, names and links of an escaped text, but for what the cut at its end has left of one."""
    cut = len(text) - 1 if text.endswith("…") else -1
    return {
        "hashtags": [{"text": m[1], "indices": m.span()} for m in _HASHTAG.finditer(text) if m.end() != cut],
        "urls": [
            {
                "url": m[0],
                "expanded_url": f"http://{_SITES[len(m[1]) + ord(m[1][0]) & 7]}/{m[1]}",
                "display_url": f"{_SITES[len(m[1]) + ord(m[1][0]) & 7]}/{m[1]}",
                "indices": m.span(),
            }
            for m in _LINK.finditer(text)
            if m.end() != cut
        ],
        "user_mentions": [
            {"screen_name": m[1], "name": m[1], "indices": m.span()} for m in _MENTION.finditer(text) if m.end() != cut
        ],
        "symbols": [],
    }
