"""The filters of [archive], applied to each tweet as soon as its record has been parsed."""

from collections.abc import Iterable, Sequence
from datetime import date
from math import inf
from typing import Final

import regex

from tonality.ingest.formats.record import Tweet
from tonality.ingest.formats.timestamps import DAY_MICROSECONDS
from tonality.ingest.options import ReadOptions
from tonality.text.phrase_patterns import hashtag_pattern, longest_plain_run, phrase_pattern
from tonality.text.tweet_markup import LINK, in_java

__all__ = ["TopicFilter", "TweetFilter"]

_LINK: Final = regex.compile(in_java(LINK).removeprefix("(?U)"))
"""The links that a survey removes from texts. The flag (?U), Java's Unicode white space, is the default of `regex`."""


class TweetFilter:
    """Filter by language, day, retweets, hashtags and keywords."""

    def __init__(self, options: ReadOptions) -> None:
        self._languages = frozenset(language.casefold() for language in options.languages)
        self._start = _midnight(options.since) if options.since else -inf
        self._end = _midnight(options.until) + DAY_MICROSECONDS if options.until else inf
        self._drops_retweets = options.retweets == "drop"
        topic = (options.hashtags, options.keywords)
        self._topic = TopicFilter(*topic) if any(topic) else None

    def keeps(self, tweet: Tweet) -> bool:
        """Check if a tweet passes all filters."""
        if self._languages and (tweet.lang or "").casefold() not in self._languages:
            return False
        if tweet.is_retweet and self._drops_retweets:
            return False
        if not self._start <= tweet.created_at < self._end:
            return False
        return self._topic is None or self._topic.matches(tweet.text, tweet.hashtags)


class TopicFilter:
    """Filter for tweets with at least one of the hashtags or keywords; with neither given, all tweets match.

    Hashtags and keywords match exactly as in a survey (survey/filter.py), but without Spark. Raises ValueError if one
    of them is invalid.
    """

    def __init__(self, hashtags: Sequence[str] = (), keywords: Sequence[str] = ()) -> None:
        self._tag = regex.compile(hashtag_pattern(hashtags)).search if hashtags else None
        self._phrase = regex.compile(phrase_pattern(keywords)).search if keywords else None
        self._plain_runs = tuple({longest_plain_run(keyword) for keyword in keywords})

    def matches(self, text: str, hashtags: Iterable[str]) -> bool:
        """Check a tweet by its text and its hashtags, given without #."""
        if self._tag is not None and any(map(self._tag, hashtags)):
            return True
        if self._phrase is None:
            return self._tag is None
        # removing links is slow: only done for the few texts that match with their links
        return self._may_match(text) and bool(self._phrase(text)) and bool(self._phrase(_LINK.sub(" ", text)))

    def _may_match(self, text: str) -> bool:
        """Check for part of a keyword as a plain substring, a fast test that rejects most texts."""
        return any(map(text.casefold().__contains__, self._plain_runs))


def _midnight(day: date) -> int:
    """The start of a day, UTC, in microseconds since 1970."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MICROSECONDS
