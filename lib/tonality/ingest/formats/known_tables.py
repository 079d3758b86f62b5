"""Tables of known layouts, recognised by their first line: RuTweetCorp, Sentiment140, twarc and twarc-csv."""

import csv
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import orjson

from tonality.ingest.formats.csv_rows import CsvRecords, Fields, Layout
from tonality.ingest.formats.decoding import parse_json
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import Records, Tweet
from tonality.ingest.formats.row_mapping import TweetMapper
from tonality.ingest.formats.rutweetcorp import ROW_START, RuTweetCorpRecords, rutweetcorp_tweet
from tonality.runtime.settings.sections import ColumnNames
from tonality.text.tweet_markup import is_retweet_text

__all__ = ["RUTWEETCORP", "SENTIMENT140", "SENTIMENT140_LAYOUT", "KnownTable", "known_table"]


class KnownTable(NamedTuple):
    """A published layout and the reader of its records."""

    name: str
    records: Callable[[Lines], Records[Tweet]]


def known_table(first_line: str) -> KnownTable | None:
    """The table that begins with this line, in any decoding that keeps ASCII; None if it is none of these."""
    line = first_line.removeprefix("\ufeff").rstrip("\r\n")
    if ROW_START.match(line):
        return RUTWEETCORP
    if _SENTIMENT140_START.match(line):
        return SENTIMENT140
    try:
        header = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    if set(header).issuperset(_TWARC1.named().values()):
        return _csv("twarc", Layout(), _TWARC1)
    if set(header).issuperset(("id", "created_at", "text")) and any(name.startswith(_OF_TWARC) for name in header):
        return _csv("twarc-csv", *_twarc(header))
    return None


def _csv(name: str, layout: Layout, columns: ColumnNames) -> KnownTable:
    return KnownTable(name, lambda lines: CsvRecords(lines, layout, TweetMapper(columns)))


# The CSV of twarc 1, of tweets of API v1.1.
_TWARC1: Final = ColumnNames(
    id="id", created_at="created_at", author="user_screen_name", text="text", lang="lang", retweet="tweet_type"
)

# twarc-csv writes tweets of API v2. Its columns differ from version to version and can be chosen; a retweet has the
# text of the tweet that it repeats. Line breaks are written as \n, and optionally every field, or in the first versions
# only the text, as JSON.
_OF_TWARC: Final = ("author.", "entities.", "public_metrics.", "referenced_tweets", "__twarc.")
_TWARC_RETWEETED: Final = "referenced_tweets.retweeted.id"
_TWARC_RETWEETS: Final = (_TWARC_RETWEETED, "referenced_tweets", "retweeted_user_id")
_TWARC_AUTHORS: Final = ("author.username", "author_id", "author.id")


def _twarc(header: Sequence[str]) -> tuple[Layout, ColumnNames]:
    columns = ColumnNames(
        id="id",
        created_at="created_at",
        author=next((name for name in _TWARC_AUTHORS if name in header), ""),
        text="text",
        lang="lang" if "lang" in header else "",
        retweet=next((name for name in _TWARC_RETWEETS if name in header), ""),
    )
    return Layout(mend=partial(_unescape_twarc, early="referenced_tweets" in header)), columns


def _unescape_twarc(fields: Fields, early: bool) -> Fields:
    number, created, author, text, lang, retweet = fields
    if created and created.startswith('"'):
        number, created, author, text, lang, retweet = (_from_json(field) for field in fields)
    elif early:
        text = _from_json(text)
    if text:
        text = text.replace("\\n", "\n")
    return _find_retweet((number, created, author, text, lang, retweet))


def _from_json(field: str | None) -> str | None:
    """The value of a JSON string; any other field as it is."""
    if field is None or not (len(field) > 1 and field.startswith('"') and field.endswith('"')):
        return field
    try:
        value = parse_json(field.encode())
    except orjson.JSONDecodeError:
        return field
    return value if isinstance(value, str) else field


def _find_retweet(fields: Fields) -> Fields:
    """The fields with the retweet field set by the text's prefix if no column holds it."""
    *others, text, lang, retweet = fields
    if retweet is None and text is not None and is_retweet_text(text):
        retweet = "yes"
    return (*others, text, lang, retweet)


# Sentiment140 as published (Go, Bhayani and Huang 2009), in Latin 1: training.1600000.processed.noemoticon.csv.
_SENTIMENT140_START: Final = re.compile(
    r'"?[024]"?,"?\d+"?,"?[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]{3} 2009"?,'
)

SENTIMENT140_LAYOUT: Final = Layout(
    header=("polarity", "id", "date", "query", "user", "text"), encoding="latin-1", mend=_find_retweet
)
SENTIMENT140: Final = _csv(
    "Sentiment140", SENTIMENT140_LAYOUT, ColumnNames(id="id", created_at="date", author="user", text="text")
)

RUTWEETCORP: Final = KnownTable("RuTweetCorp", lambda lines: RuTweetCorpRecords(lines, rutweetcorp_tweet))
