"""Lists of tweets and authors that must go: plain text, CSV, and the messages of Twitter, packed as archives are.

A list may be a stream as it was collected, tweets among its messages. Its form is told by its first line.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import orjson

from tonality.ingest.compliance.events import Deletion, Meant, Unknown, as_id, deletion
from tonality.ingest.containers.compression import Expansion
from tonality.ingest.containers.streams import FileStream, Stream
from tonality.ingest.containers.walk import find_members_in
from tonality.ingest.formats.csv_rows import CsvReader
from tonality.ingest.formats.decoding import BYTE_ORDER_MARK, json_value, text_of
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import RejectedRecord
from tonality.ingest.planning.files import find_files
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.urls import filesystem

__all__ = ["DeletionLists"]

_MAX_RECORD: Final = 2**20
_MAX_EXPANSION: Final = 250
_PEEK_BYTES: Final = 2**16
_SHOWN: Final = 20
"""Columns that a message shows."""
_DELIMITER: Final = re.compile(r"[,;\t|]")
_FILLING: Final = re.compile(r"[\s_-]+")
"""What spellings of one name differ by, besides their case."""
_TWEET_COLUMNS: Final = ("tweetid", "tweetids", "statusid", "statusids")
_ID_COLUMNS: Final = ("id", "ids", "idstr")
"""Columns of tweets or of users, as is meant."""
_AUTHOR_COLUMNS: Final = ("author", "username", "screenname", "userscreenname", "userid", "authorid")
_EXPECTED: Final = (*_TWEET_COLUMNS, *_ID_COLUMNS, *_AUTHOR_COLUMNS)
"""Of a row that names a tweet and its author, the tweet alone has to go."""


class DeletionLists:
    """What lists ask for, read once; counted as it is read."""

    def __init__(self, locations: Iterable[str], meant: Meant) -> None:
        self._files = find_files(locations)
        self._meant = meant
        self.events: Counter[str] = Counter()
        """Lines that ask for a removal, by what they are."""
        self.nothing_goes: Counter[str] = Counter()
        """Lines that do not."""
        self.unknown = 0
        """Lines of no form that is known."""

    def __iter__(self) -> Iterator[Deletion]:
        """What has to go, as often as it is said.

        Raises InputError where a list is broken or holds what cannot be opened: more may stand in it.
        """
        for file in self._files:
            system, path = filesystem(file.url)
            with system.open(path, "rb") as opened:
                for source in find_members_in(file.url, FileStream(opened), Expansion(_MAX_EXPANSION)):
                    if fault := source.damage or source.skipped:
                        raise InputError(_broken(source.name, fault))
                    if source.stream:
                        yield from self._list(source.name, source.stream)

    def _list(self, name: str, stream: Stream) -> Iterator[Deletion]:
        first = _first_line(stream.peek(_PEEK_BYTES))
        lines = Lines(stream.blocks(), _MAX_RECORD)
        if first.startswith("{"):
            found = self._each(lines, self._message)
        elif _is_header(first):
            found = self._rows(name, lines, _delimiter(first))
        else:
            found = self._each(lines, self._plain)
        yield from found
        if lines.damage:
            raise InputError(_broken(name, lines.damage))

    def _each(self, lines: Lines, read: Callable[[str], Deletion]) -> Iterator[Deletion]:
        for line in lines:
            try:
                text = text_of(line).strip()
            except RejectedRecord:
                self.unknown += 1
                continue
            if text:
                yield from self._counted(read, text)

    def _rows(self, name: str, lines: Lines, delimiter: str) -> Iterator[Deletion]:
        reader = CsvReader(lines, delimiter, "utf-8")
        rows = ((line, fields) for line, fields in reader.rows() if fields)
        _, first = next(rows)
        columns = [] if isinstance(first, RejectedRecord) else first
        header = _names(columns)
        column = next((expected for expected in _EXPECTED if expected in header), None)
        if column is None:
            raise InputError(_broken(name, "its header is no row of CSV"))
        if column in _AUTHOR_COLUMNS and not set(header).issubset(_AUTHOR_COLUMNS):
            raise InputError(_ambiguous(name, columns))
        reader.width = len(header)
        place = header.index(column)
        for _, fields in rows:
            if isinstance(fields, RejectedRecord) or len(fields) != len(header) or fields == columns:
                self.unknown += 1
            else:
                yield from self._counted(lambda text: self._of_column(column, text), fields[place].strip())

    def _counted(self, read: Callable[[str], Deletion], text: str) -> Iterator[Deletion]:
        try:
            found = read(text)
        except Unknown:
            self.unknown += 1
            return
        if found.is_one:
            self.events[found.event] += 1
            yield found
        else:
            self.nothing_goes[found.event] += 1

    def _message(self, text: str) -> Deletion:
        try:
            content = json_value(text.encode())
        except orjson.JSONDecodeError:
            raise Unknown from None
        if not isinstance(content, dict):
            raise Unknown
        return deletion(content, self._meant)

    def _plain(self, text: str) -> Deletion:
        return self._of_column(_AUTHOR_COLUMNS[0] if text.startswith("@") else _ID_COLUMNS[0], text)

    def _of_column(self, column: str, text: str) -> Deletion:
        if column in _AUTHOR_COLUMNS:
            if name := text.removeprefix("@").strip():
                return Deletion("author", author=name)
            raise Unknown
        number = as_id(text)
        if column in _ID_COLUMNS and self._meant == "users":
            return Deletion("author", author=str(number))
        return Deletion("tweet", tweet_id=number)


def _first_line(start: bytes) -> str:
    return start.removeprefix(BYTE_ORDER_MARK).lstrip().partition(b"\n")[0].decode("utf-8", "replace").strip()


def _delimiter(header: str) -> str:
    found = _DELIMITER.search(header)
    return found[0] if found else ","


def _names(fields: Sequence[str]) -> list[str]:
    return [_FILLING.sub("", field.strip().strip('"')).lower() for field in fields]


def _is_header(first: str) -> bool:
    """Whether a list that begins with this line is a table."""
    return not set(_EXPECTED).isdisjoint(_names(first.split(_delimiter(first))))


def _broken(name: str, fault: str) -> str:
    return f"{name} cannot be read to its end ({fault}): nothing was removed, since more may stand in it. Get it again"


def _ambiguous(name: str, columns: Sequence[str]) -> str:
    return (
        f"{name} has columns of authors beside others ({', '.join(columns[:_SHOWN])}): nothing was removed, since one "
        "of the others may name single tweets, and with an author all tweets go. Wanted: a column tweet_id, status_id "
        "or id; or columns of authors alone: author, username, screen_name, user_screen_name, author_id, user_id"
    )
