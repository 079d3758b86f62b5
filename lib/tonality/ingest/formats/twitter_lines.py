"""Lines of Twitter's JSON as records: a line is one, a page of API v2 is as many as it has tweets."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord, Tweet
from tonality.ingest.formats.twitter_json import Page, TweetText, parse_line, parse_tweet

__all__ = ["PAGE_RECORDS", "JsonRecords"]

PAGE_RECORDS: Final = 16
"""How many times longer than the longest record a page may be."""


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


class JsonRecords:
    """The records of lines of JSON, as Twitter's APIs v1.1 and v2 give them and collectors write them."""

    def __init__(self, lines: Lines, max_record: int) -> None:
        self._lines = lines
        self._max_record = max_record

    @property
    def damage(self) -> str:
        """What broke the file, or nothing."""
        return self._lines.damage

    def __iter__(self) -> Iterator[Record]:
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

    def _page(self, line: Line, page: Page) -> Iterator[Record]:
        """A page's tweets, each a record that stands where its JSON begins."""
        data = bytes(page.data)
        elements = [bytes(element) for element in _elements(data)] if data.startswith(b"[") else [data]
        if not elements or data == b"null":
            yield Record(line.offset, line.number, line.content, ControlMessage("empty-page"))
            return
        included, names = _included(page)
        content = page.content
        start = content.find(data, max(0, content.find(b'"data"')))
        if start < 0:  # the key is written with escapes, and the word stands further on
            start = content.find(data)
        # each element is found at its place: what stands between them, commas and blanks, begins none
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
    """The tweets that a page's tweets refer to, and its users' names, by id. Odd ones are no reason to lose a tweet."""
    try:
        found = _Includes() if page.includes is msgspec.UNSET else _includes(page.includes)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        found = _Includes()
    tweets: dict[str, TweetText] = {str(tweet.id): tweet for tweet in found.tweets or []}
    return tweets, {str(user.id): user.username for user in found.users or [] if user.username}
