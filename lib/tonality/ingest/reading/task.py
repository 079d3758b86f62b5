"""One pass over files: every record counted where it goes, kept tweets cut into stems, all of it as Arrow batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import inf
from typing import Any, BinaryIO, Final

import pyarrow as pa

from tonality.ingest.formats.record import ControlMessage, Records, Tweet
from tonality.ingest.formats.timestamps import DAY_MICROSECONDS
from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.splits import Split
from tonality.ingest.reading.open_split import open_split
from tonality.ingest.reading.pseudonymize import Pseudonymizer
from tonality.ingest.reading.topic_filter import TopicFilter
from tonality.privacy.keys import Keys
from tonality.runtime.diagnostics.redaction import redacted
from tonality.runtime.storage.schema import STAGED
from tonality.runtime.storage.urls import filesystem
from tonality.text.html_entities import in_utf8
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules

__all__ = ["read_opened", "read_staged"]

_BATCH_ROWS: Final = 4096
_BATCH_CHARACTERS: Final = 2**24
"""Of text, in a batch: far more than so many tweets have, and an end to a batch of monsters."""
_RAW_BYTES: Final = 4096
_TWEET_COLUMNS: Final = ("source", "split", "entry", "offset", "line", *Tweet._fields, "digests")


@dataclass
class _Account:
    """Where a source's records went, each counted as it goes there."""

    source: str
    lines: int = 0
    kept: int = 0
    notices: int = 0
    filtered: int = 0
    rejects: int = 0
    damage: str = ""
    skipped: str = ""
    split: int = 0
    entry: int = 0
    span: int = 0
    breaks: int = 0


def read_staged(splits: Iterable[Split], options: ReadOptions, keys: Keys | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of schema.STAGED: the kept tweets with their stems, the rejects, and an account of each source.

    The keys are those of the options's policy, where it hides authors or ids.
    """
    task = _Pass(options, keys)
    for split in splits:
        system, path = filesystem(split.url)
        with system.open(path, "rb") as file:
            yield from task.read(split, file)
    yield from task.rest()


def read_opened(split: Split, file: BinaryIO, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """The same of one split of a file that is open."""
    task = _Pass(options)
    yield from task.read(split, file)
    yield from task.rest()


class _Pass:
    """The rows that wait for their batch to fill."""

    def __init__(self, options: ReadOptions, keys: Keys | None = None) -> None:
        self._options = options
        self._protection = Pseudonymizer(options.privacy, keys, options.erasure_salt)
        self._hides = options.privacy.hides
        self._cleaner = _cleaner(options.rules.model_dump_json())
        self._languages = frozenset(language.casefold() for language in options.languages)
        self._start = _midnight(options.since) if options.since else -inf
        self._end = _midnight(options.until) + DAY_MICROSECONDS if options.until else inf
        about = (options.hashtags, options.keywords)
        self._topic = TopicFilter(*about) if any(about) else None
        self._tweets: list[tuple[Any, ...]] = []
        self._characters = 0
        self._others: list[dict[str, Any]] = []

    def read(self, split: Split, file: BinaryIO) -> Iterator[pa.RecordBatch]:
        """The batches that fill up while a split is read."""
        for entry, opened in enumerate(open_split(split, file, self._options)):
            account = _Account(redacted(in_utf8(opened.name)), damage=opened.damage, skipped=in_utf8(opened.skipped))
            account.split, account.entry = split.number, entry
            if opened.records:
                yield from self._take(opened.records, account)
                account.damage = opened.records.damage
            if opened.lines:
                account.span, account.breaks = opened.lines.span, opened.lines.breaks
            self._others.append({"kind": "account", **vars(account)})

    def rest(self) -> Iterator[pa.RecordBatch]:
        """What is left when all splits are read."""
        if self._tweets:
            yield self._tweet_batch()
        if self._others:
            yield self._other_batch()

    def _take(self, records: Records, account: _Account) -> Iterator[pa.RecordBatch]:
        source, split, entry = account.source, account.split, account.entry
        protection = self._protection if self._protection.acts else None
        for offset, number, raw, outcome in records:
            account.lines += 1
            if isinstance(outcome, Tweet):
                if not self._expected(outcome):
                    account.filtered += 1
                    continue
                account.kept += 1
                digests = protection.digests(outcome) if protection else None
                shown = protection.shown(outcome) if protection else outcome
                self._tweets.append((source, split, entry, offset, number, *shown, digests))
                self._characters += len(shown.text)
                if len(self._tweets) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
                    yield self._tweet_batch()
            elif isinstance(outcome, ControlMessage):
                account.notices += 1
                if outcome.deleted and self._options.honour_deletes:
                    deleted = self._protection.tweet_id(outcome.deleted)
                    self._others.append({"kind": "delete", "source": source, "tweet_id": deleted})
            else:
                account.rejects += 1
                self._others.append(
                    {
                        "kind": "reject",
                        "source": source,
                        "split": split,
                        "offset": offset,
                        "line": number,
                        "reason": outcome.reason,
                        "detail": "" if self._hides else in_utf8(outcome.detail),
                        "raw": b"" if self._hides else raw[:_RAW_BYTES],
                    }
                )
            if len(self._others) >= _BATCH_ROWS:
                yield self._other_batch()

    def _expected(self, tweet: Tweet) -> bool:
        if self._languages and (tweet.lang or "").casefold() not in self._languages:
            return False
        if tweet.is_retweet and self._options.retweets == "drop":
            return False
        if not self._start <= tweet.created_at < self._end:
            return False
        return self._topic is None or self._topic.holds(tweet.text, tweet.hashtags)

    def _tweet_batch(self) -> pa.RecordBatch:
        rows, self._tweets, self._characters = self._tweets, [], 0
        columns = {
            name: pa.array(values, STAGED.field(name).type)
            for name, values in zip(_TWEET_COLUMNS, zip(*rows, strict=True), strict=True)
        }
        columns["kind"] = pa.array(["tweet"] * len(rows))
        columns["stems"] = self._cleaner.stem_array(columns["text"])
        return pa.RecordBatch.from_arrays(
            [columns.get(field.name, pa.nulls(len(rows), field.type)) for field in STAGED], schema=STAGED
        )

    def _other_batch(self) -> pa.RecordBatch:
        rows, self._others = self._others, []
        return pa.RecordBatch.from_pylist(rows, schema=STAGED)


@lru_cache(maxsize=1)
def _cleaner(rules: str) -> TextPreprocessor:
    """The cleaner of the rules, as JSON: one for all tasks of a worker, since it remembers the stems of words."""
    return TextPreprocessor(Rules.model_validate_json(rules))


def _midnight(day: date) -> int:
    """The start of a day, UTC, in microseconds since 1970."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MICROSECONDS
