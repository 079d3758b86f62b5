"""RuTweetCorp as published (Rubtsova 2014): twelve columns, no header, texts with line breaks and stray quotes.

The columns: id; unix time; author; text; label; replies; retweets; favourites; statuses; followers; friends; lists. A
row is recognised by its ends, since its text may hold anything: it starts with two numbers and closes with the label
and seven more. So one broken row costs no neighbour.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from tonality.ingest.formats.decoding import decode_line, join_lines
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord, Tweet
from tonality.ingest.formats.row_mapping import TweetMapper
from tonality.runtime.settings.sections import ColumnNames
from tonality.text.tweet_markup import is_retweet_text

__all__ = ["ROW_START", "RuTweetCorpRecords", "RuTweetCorpRow", "rutweetcorp_tweet"]

T = TypeVar("T")

ROW_START: Final = re.compile(r'"?(?P<id>\d+)"?;"?(?P<time>\d{9,10})"?;')
_ROW_END: Final = re.compile(r';"?(?P<label>-?1)"?(?:;"?\d*"?){7}\s*\Z')
_ROW: Final = re.compile(rf'{ROW_START.pattern}"?(?P<author>[^;]*?)"?;"?(?P<text>.*?)"?{_ROW_END.pattern}', re.DOTALL)
_MULTILINE: Final = 200
"""Lines that a row may have; without an end by then, each of them is a reject."""


class RuTweetCorpRow(NamedTuple):
    """The columns of a row that are read."""

    id: str
    time: str
    author: str
    text: str
    label: str
    """1 or -1."""


_TWEETS: Final = TweetMapper(ColumnNames(id="id", created_at="time", author="author", text="text", retweet="retweet"))


def rutweetcorp_tweet(row: RuTweetCorpRow) -> Tweet:
    """The row's tweet. No column marks retweets, so the text's prefix decides."""
    return _TWEETS.map_row((row.id, row.time, row.author, row.text, None, is_retweet_text(row.text)))


class RuTweetCorpRecords(Generic[T]):
    """Records of RuTweetCorp's files. A blank line between rows is a control message; a line that begins no row, a
    reject."""

    def __init__(self, lines: Lines, record_of: Callable[[RuTweetCorpRow], T]) -> None:
        self._lines = lines
        self._record_of = record_of
        self.damage = ""

    def __iter__(self) -> Iterator[Record[T]]:
        row: list[Line] = []
        for line in self._lines:
            text = line.content.decode("utf-8", "replace")  # only to find the ends: bad bytes cost their own row
            if ROW_START.match(text.removeprefix("\ufeff")):
                if row:
                    yield self._record(row)
                row = []
            elif not row:
                yield self._record([line])
                continue
            row.append(line)
            if line.damage or line.is_too_long or _ROW_END.search(text):
                yield self._record(row)
                row = []
            elif len(row) == _MULTILINE:
                yield from (self._record([given_up]) for given_up in row)
                row = []
        if row:
            yield self._record(row)
        self.damage = self._lines.damage

    def _record(self, lines: Sequence[Line]) -> Record[T]:
        line = join_lines(lines, self._lines.max_record)
        outcome: T | ControlMessage | RejectedRecord
        try:
            text = decode_line(line)
            outcome = ControlMessage("blank") if not text or text.isspace() else self._record_of(_parse_row(text))
        except RejectedRecord as rejected:
            outcome = rejected
        return Record(line.offset, line.number, line.content, outcome)


def _parse_row(row: str) -> RuTweetCorpRow:
    match = _ROW.fullmatch(row.replace("\r\n", "\n"))
    if not match:
        raise RejectedRecord("malformed-csv", "not the twelve columns of RuTweetCorp")
    number, time, author, text, label = match.group("id", "time", "author", "text", "label")
    return RuTweetCorpRow(number, time, author, text.replace('""', '"'), label)
