"""RuTweetCorp as an archive: its rows are told by their ends."""

from collections.abc import Iterator, Sequence
from typing import Final

from tonality.ingest.formats.decoding import is_retweet_text, joined, text_of
from tonality.ingest.formats.lines import Line, Lines
from tonality.ingest.formats.record import ControlMessage, Record, RejectedRecord, Tweet
from tonality.ingest.formats.row_mapping import RowReader
from tonality.ingest.formats.rutweetcorp_patterns import ROW, ROW_END, ROW_START
from tonality.ingest.options import ColumnNames

__all__ = ["RuTweetCorpRecords"]

_MULTILINE: Final = 200
"""Lines that a row may have; where its end has not come by then, each of them is a reject."""
_COLUMNS: Final = ColumnNames(id="id", created_at="time", author="author", text="text", retweet="retweet")


class RuTweetCorpRecords:
    """Rows of RuTweetCorp's files. A blank line between rows is a notice; what begins no row is a reject.

    No column says what a retweet is, so a text that begins as Twitter's own retweets do is one.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._reader = RowReader(_COLUMNS)
        self.damage = ""

    def __iter__(self) -> Iterator[Record]:
        row: list[Line] = []
        for line in self._lines:
            text = line.content.decode("utf-8", "replace")  # for its ends alone: bad bytes cost their own row
            if ROW_START.match(text.removeprefix("\ufeff")):
                if row:
                    yield self._record(row)
                row = []
            elif not row:
                yield self._record([line])
                continue
            row.append(line)
            if line.damage or line.is_too_long or ROW_END.search(text):
                yield self._record(row)
                row = []
            elif len(row) == _MULTILINE:
                yield from (self._record([given_up]) for given_up in row)
                row = []
        if row:
            yield self._record(row)
        self.damage = self._lines.damage

    def _record(self, lines: Sequence[Line]) -> Record:
        line = joined(lines, self._lines.max_record)
        outcome: Tweet | ControlMessage | RejectedRecord
        try:
            text = text_of(line)
            outcome = (
                self._tweet(text.replace("\r\n", "\n")) if text and not text.isspace() else ControlMessage("blank")
            )
        except RejectedRecord as rejected:
            outcome = rejected
        return Record(line.offset, line.number, line.content, outcome)

    def _tweet(self, row: str) -> Tweet:
        match = ROW.fullmatch(row)
        if not match:
            raise RejectedRecord("malformed-csv", "not the twelve columns of RuTweetCorp")
        number, time, author, quoted = match.group("id", "time", "author", "text")
        text = quoted.replace('""', '"')
        return self._reader.tweet((number, time, author, text, None, is_retweet_text(text)))
