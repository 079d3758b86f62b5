"""Records of Twitter's JSON lines: one per line, or one per tweet of a page of API v2."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord, Tweet
from tonality.ingest.formats.twitter_json import Page, TweetText, parse_line, parse_tweet

__all__ = ["PAGE_RECORDS", "TwitterRecords"]

PAGE_RECORDS: Final = 16
"""Length limit of a page, in multiples of that of a record."""


class _IncludedTweet(TweetText, gc=False):
    id: Any = None


class _IncludedUser(msgspec.Struct, gc=False):
    id: Any = None
    username: str | None = None


class _Includes(msgspec.Struct, gc=False):
    tweets: list[_IncludedTweet] | None = None
    users: list[_IncludedUser] | None = None


_includes: Final = msgspec.json.Decoder(_Includes).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class TwitterRecords:
    """The records of JSON lines in the formats of Twitter's APIs v1.1 and v2 and of collectors."""

    def __init__(self, lines: Lines, max_record: int) -> None:
        self._lines = lines
        self._max_record = max_record

    @property
    def damage(self) -> str:
        """Damage of the file; empty if there is none."""
        return self._lines.damage

    def __iter__(self) -> Iterator[Record[Tweet]]:
        limit = self._max_record
        for line in self._lines:
            outcome: Tweet | ControlMessage | Page | RejectedRecord
            if line.damage:
                outcome = RejectedRecord("cut-off", line.damage)
            elif line.is_too_long:
                outcome = _too_long(line.bytes, limit)
            else:
                try:
                    outcome = parse_line(line.content)
                except RejectedRecord as rejected:
                    outcome = rejected
                if isinstance(outcome, Page):
                    yield from self._page(line, outcome)
                    continue
                if line.bytes > limit:
                    outcome = _too_long(line.bytes, limit)
            yield Record(line.offset, line.number, line.content, outcome)

    def _page(self, line: Line, page: Page) -> Iterator[Record[Tweet]]:
        """Yield a page's tweets, each a record at the position of its JSON."""
        data = bytes(page.data)
        elements = [bytes(element) for element in _elements(data)] if data.startswith(b"[") else [data]
        if not elements or data == b"null":
            yield Record(line.offset, line.number, line.content, ControlMessage("empty-page"))
            return
        included, names = _included(page)
        content = page.content
        start = content.find(data, max(0, content.find(b'"data"')))
        if start < 0:  # the key is written with escapes, and "data" occurs only later
            start = content.find(data)
        # searching from the end of the previous element is exact: no element begins with a comma or white space
        before = len(line.content) - len(content) + start
        end = 0
        for element in elements:
            begin = data.index(element, end)
            end = begin + len(element)
            raw = line.content[before + begin : before + end]
            yield Record(line.offset + before + begin, line.number, raw, self._element(element, included, names))

    def _element(
        self, element: bytes, included: dict[str, TweetText], names: dict[str, str]
    ) -> Tweet | ControlMessage | RejectedRecord:
        try:
            if len(element) > self._max_record:
                raise _too_long(len(element), self._max_record)
            return parse_tweet(element, included, names)
        except RejectedRecord as rejected:
            return rejected


def _too_long(size: int, limit: int) -> RejectedRecord:
    return RejectedRecord("too-long", f"{size} bytes, at most {limit}")


def _included(page: Page) -> tuple[dict[str, TweetText], dict[str, str]]:
    """Return a page's included tweets and user names by id. Malformed ones are ignored."""
    try:
        includes = _Includes() if page.includes is msgspec.UNSET else _includes(page.includes)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        includes = _Includes()
    tweets: dict[str, TweetText] = {str(tweet.id): tweet for tweet in includes.tweets or []}
    return tweets, {str(user.id): user.username for user in includes.users or [] if user.username}
