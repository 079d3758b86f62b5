"""Deletion lists: plain text, CSV or Twitter's messages, compressed or in tars as archives are.

A list may be a stream as it was collected, with tweets among its messages. Its first line determines its format.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import orjson

from tonality.ingest.compliance.events import ComplianceEvent, IdKind, parse_message
from tonality.ingest.containers.compression import ExpansionLimit
from tonality.ingest.containers.streams import FileStream, Stream
from tonality.ingest.containers.walk import walk_stream
from tonality.ingest.formats.csv_rows import CsvReader
from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, decode_line, parse_json
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import RejectedRecord, parse_id
from tonality.ingest.planning.files import find_files
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.urls import filesystem

__all__ = ["DeletionLists"]

_MAX_RECORD: Final = 2**20
_MAX_EXPANSION: Final = 250
_PEEK_BYTES: Final = 2**16
_SHOWN: Final = 20
"""Maximum number of columns in a message."""
_DELIMITER: Final = re.compile(r"[,;\t|]")
_FILLERS: Final = re.compile(r"[\s_-]+")
"""Characters in which spellings of a column name differ, besides their case."""
_TWEET_COLUMNS: Final = ("tweetid", "tweetids", "statusid", "statusids")
_ID_COLUMNS: Final = ("id", "ids", "idstr")
"""Columns of tweet ids or user ids."""
_AUTHOR_COLUMNS: Final = ("author", "username", "screenname", "userscreenname", "userid", "authorid")
_KNOWN_COLUMNS: Final = (*_TWEET_COLUMNS, *_ID_COLUMNS, *_AUTHOR_COLUMNS)
"""In order of precedence: a row with a tweet and its author lists only the tweet."""


class DeletionLists:
    """Tweets and authors listed for removal, with counts. The files can be read once."""

    def __init__(self, locations: Iterable[str], ids: IdKind) -> None:
        self._files = find_files(locations)
        self._ids = ids
        self.events: Counter[str] = Counter()
        """Lines that require a removal, by event."""
        self.no_action: Counter[str] = Counter()
        """Lines that require no removal, by event."""
        self.unknown = 0
        """Lines of no known form."""

    def __iter__(self) -> Iterator[ComplianceEvent]:
        """Yield the events that require a removal, including repeated ones.

        Raises InputError if a list is broken or cannot be opened, since the rest of it may list more.
        """
        for file in self._files:
            system, path = filesystem(file.url)
            with system.open(path, "rb") as opened:
                for member in walk_stream(file.url, FileStream(opened), ExpansionLimit(_MAX_EXPANSION)):
                    if reason := member.damage or member.skipped:
                        raise InputError(_unreadable(member.name, reason))
                    if member.stream:
                        yield from self._read(member.name, member.stream)

    def _read(self, name: str, stream: Stream) -> Iterator[ComplianceEvent]:
        first = _first_line(stream.peek(_PEEK_BYTES))
        lines = Lines(stream.blocks(), _MAX_RECORD)
        if first.startswith("{"):
            yield from self._read_lines(lines, self._parse_json)
        elif _is_header(first):
            yield from self._read_table(name, lines, _delimiter(first))
        else:
            yield from self._read_lines(lines, self._parse_plain)
        if lines.damage:
            raise InputError(_unreadable(name, lines.damage))

    def _read_lines(self, lines: Lines, parse: Callable[[str], ComplianceEvent]) -> Iterator[ComplianceEvent]:
        for line in lines:
            try:
                text = decode_line(line).strip()
            except RejectedRecord:
                self.unknown += 1
                continue
            if text:
                yield from self._count(parse, text)

    def _read_table(self, name: str, lines: Lines, delimiter: str) -> Iterator[ComplianceEvent]:
        reader = CsvReader(lines, delimiter, "utf-8")
        rows = ((line, fields) for line, fields in reader.rows() if fields)
        _, first = next(rows)
        columns = [] if isinstance(first, RejectedRecord) else first
        header = _normalize(columns)
        column = next((known for known in _KNOWN_COLUMNS if known in header), None)
        if column is None:
            raise InputError(_unreadable(name, "its header is not a CSV row"))
        if column in _AUTHOR_COLUMNS and not set(header).issubset(_AUTHOR_COLUMNS):
            raise InputError(_ambiguous(name, columns))
        reader.width = len(header)
        index = header.index(column)
        for _, fields in rows:
            if isinstance(fields, RejectedRecord) or len(fields) != len(header) or fields == columns:
                self.unknown += 1
            else:
                yield from self._count(lambda text: self._parse_field(column, text), fields[index].strip())

    def _count(self, parse: Callable[[str], ComplianceEvent], text: str) -> Iterator[ComplianceEvent]:
        try:
            event = parse(text)
        except RejectedRecord:
            self.unknown += 1
            return
        if event.requires_removal:
            self.events[event.name] += 1
            yield event
        else:
            self.no_action[event.name] += 1

    def _parse_json(self, text: str) -> ComplianceEvent:
        try:
            content = parse_json(text.encode())
        except orjson.JSONDecodeError as error:
            raise RejectedRecord("malformed-json", str(error)) from None
        if not isinstance(content, dict):
            raise RejectedRecord("unknown-message")
        return parse_message(content, self._ids)

    def _parse_plain(self, text: str) -> ComplianceEvent:
        return self._parse_field(_AUTHOR_COLUMNS[0] if text.startswith("@") else _ID_COLUMNS[0], text)

    def _parse_field(self, column: str, text: str) -> ComplianceEvent:
        if column in _AUTHOR_COLUMNS:
            if name := text.removeprefix("@").strip():
                return ComplianceEvent("author", author=name)
            raise RejectedRecord("no-author")
        number = parse_id(text)
        if column in _ID_COLUMNS and self._ids == "users":
            return ComplianceEvent("author", author=str(number))
        return ComplianceEvent("tweet", tweet_id=number)


def _first_line(start: bytes) -> str:
    return start.removeprefix(BYTE_ORDER_MARK).lstrip().partition(b"\n")[0].decode("utf-8", "replace").strip()


def _delimiter(header: str) -> str:
    found = _DELIMITER.search(header)
    return found[0] if found else ","


def _normalize(fields: Sequence[str]) -> list[str]:
    return [_FILLERS.sub("", field.strip().strip('"')).lower() for field in fields]


def _is_header(first: str) -> bool:
    """True if a list that begins with this line is a table."""
    return not set(_KNOWN_COLUMNS).isdisjoint(_normalize(first.split(_delimiter(first))))


def _unreadable(name: str, reason: str) -> str:
    return (
        f"{name} cannot be read to its end ({reason}): nothing was removed, since the rest may list more. Get the list "
        "again"
    )


def _ambiguous(name: str, columns: Sequence[str]) -> str:
    return (
        f"{name} has author columns beside others ({', '.join(columns[:_SHOWN])}): nothing was removed, since another "
        "column may identify single tweets, and removing an author removes all of their tweets. Expected: a column "
        "tweet_id, status_id or id; or only author columns: author, username, screen_name, user_screen_name, "
        "author_id, user_id"
    )
