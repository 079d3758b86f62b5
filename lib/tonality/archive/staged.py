"""One pass over files: every record counted where it goes, kept tweets cut into stems, all of it as Arrow batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa

from tonality.archive.listing import ArchiveFile
from tonality.archive.outcome import Notice, Rejected, Tweet
from tonality.archive.records import Record, open_records
from tonality.archive.request import ReadRequest
from tonality.locations import filesystem
from tonality.schema import STAGED
from tonality.text.cleaning import Cleaner

__all__ = ["read_staged"]

_BATCH_ROWS: Final = 4096
_BATCH_CHARACTERS: Final = 2**24
"""Of text, in a batch: far more than so many tweets have, and an end to a batch of monsters."""
_RAW_BYTES: Final = 4096
_DAY: Final = 86_400_000_000
"""Microseconds."""
_TWEET_COLUMNS: Final = ("source", "offset", "line", *Tweet._fields)


@dataclass
class _Account:
    """Where a file's records went, each counted as it goes there."""

    source: str
    lines: int = 0
    kept: int = 0
    notices: int = 0
    filtered: int = 0
    rejects: int = 0
    damage: str = ""


def read_staged(files: Iterable[ArchiveFile], request: ReadRequest) -> Iterator[pa.RecordBatch]:
    """Batches of schema.STAGED: the kept tweets with their stems, the rejects, and an account of each file."""
    task = _Pass(request)
    for file in files:
        yield from task.read(file)
    yield from task.rest()


class _Pass:
    """The rows that wait for their batch to fill."""

    def __init__(self, request: ReadRequest) -> None:
        self._request = request
        self._cleaner = Cleaner(request.rules)
        self._rules = request.rules.fingerprint
        self._languages = frozenset(language.casefold() for language in request.languages)
        self._start = _midnight(request.since) if request.since else None
        self._end = _midnight(request.until) + _DAY if request.until else None
        self._tweets: list[tuple[Any, ...]] = []
        self._characters = 0
        self._others: list[dict[str, Any]] = []

    def read(self, file: ArchiveFile) -> Iterator[pa.RecordBatch]:
        """The batches that fill up while the file is read."""
        account = _Account(file.url)
        system, path = filesystem(file.url)
        with system.open(path, "rb") as stream:
            records = open_records(stream, self._request)
            for record in records:
                self._take(record, account)
                if len(self._tweets) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
                    yield self._tweet_batch()
                if len(self._others) >= _BATCH_ROWS:
                    yield self._other_batch()
            account.damage = records.damage
        self._others.append({"kind": "account", **vars(account)})

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is left when all files are read."""
        if self._tweets:
            yield self._tweet_batch()
        if self._others:
            yield self._other_batch()

    def _take(self, record: Record, account: _Account) -> None:
        account.lines += 1
        match record.outcome:
            case Tweet() as tweet if self._wanted(tweet):
                account.kept += 1
                self._tweets.append((account.source, record.offset, record.number, *tweet))
                self._characters += len(tweet.text)
            case Tweet():
                account.filtered += 1
            case Notice():
                account.notices += 1
            case Rejected() as rejected:
                account.rejects += 1
                self._others.append(_reject_row(account.source, record, rejected))

    def _wanted(self, tweet: Tweet) -> bool:
        if self._languages and (tweet.lang or "").casefold() not in self._languages:
            return False
        if tweet.is_retweet and self._request.retweets == "drop":
            return False
        if self._start is not None and tweet.created_at < self._start:
            return False
        return self._end is None or tweet.created_at < self._end

    def _tweet_batch(self) -> pa.RecordBatch:
        rows, self._tweets, self._characters = self._tweets, [], 0
        columns = {
            name: pa.array(values, STAGED.field(name).type)
            for name, values in zip(_TWEET_COLUMNS, zip(*rows, strict=True), strict=True)
        }
        columns["kind"] = pa.array(["tweet"] * len(rows))
        columns["stems"] = self._cleaner.stem_array(columns["text"])
        columns["rules"] = pa.array([self._rules] * len(rows))
        return pa.RecordBatch.from_arrays(
            [columns.get(field.name, pa.nulls(len(rows), field.type)) for field in STAGED], schema=STAGED
        )

    def _other_batch(self) -> pa.RecordBatch:
        rows, self._others = self._others, []
        return pa.RecordBatch.from_pylist(rows, schema=STAGED)


def _midnight(day: date) -> int:
    """The start of a day, UTC, in microseconds since 1970."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * _DAY


def _reject_row(source: str, record: Record, rejected: Rejected) -> dict[str, Any]:
    return {
        "kind": "reject",
        "source": source,
        "offset": record.offset,
        "line": record.number,
        "reason": rejected.reason,
        "detail": rejected.detail,
        "raw": record.raw[:_RAW_BYTES],
    }
