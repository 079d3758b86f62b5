"""The work of a task: open its splits, count every record, yield Arrow batches of tweets, rejects and accounts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, Final, NamedTuple

import pyarrow as pa

from tonality.ingest.containers.compression import ExpansionLimit, decompress, detect_compression
from tonality.ingest.containers.streams import Block, FileStream
from tonality.ingest.containers.walk import Member, walk_stream, walk_tar
from tonality.ingest.formats.detect import detect_format, json_lines, json_records, open_parquet, open_records
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import ControlMessage, Records, Tweet
from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import source_name
from tonality.ingest.planning.splits import Split
from tonality.ingest.reading.pseudonymize import Pseudonymizer
from tonality.ingest.reading.tweet_filter import TweetFilter
from tonality.privacy.keys import Keys
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.storage.schema import STAGED
from tonality.runtime.storage.urls import filesystem
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules

__all__ = ["read_split", "read_splits"]

_PEEK_BYTES: Final = 512
_BATCH_ROWS: Final = 4096
_BATCH_CHARACTERS: Final = 2**24
"""The most text in a batch: far more than in usual tweets, a limit for extremely long ones."""
_RAW_BYTES: Final = 4096
_TWEET_COLUMNS: Final = ("source", "split", "entry", "offset", "line", *Tweet._fields, "digests")


def read_splits(splits: Iterable[Split], options: ReadOptions, keys: Keys | None = None) -> Iterator[pa.RecordBatch]:
    """Read splits as batches of schema.STAGED: kept tweets with their stems, rejects, deletes, an account per source.

    The keys are required if the policy hides authors or ids.
    """
    reader = _TaskReader(options, keys)
    for split in splits:
        system, path = filesystem(split.url)
        with system.open(path, "rb") as file:
            yield from reader.read(split, file)
    yield from reader.flush()


def read_split(split: Split, file: BinaryIO, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Read one split of an open file, as `read_splits` does, without keys."""
    reader = _TaskReader(options)
    yield from reader.read(split, file)
    yield from reader.flush()


@dataclass
class _Account:
    """The counts of a source's records by outcome, as one row of the task manifest."""

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


class _TaskReader:
    """The reader of a task's splits, with the rows of the batches that are not yet full."""

    def __init__(self, options: ReadOptions, keys: Keys | None = None) -> None:
        self._options = options
        self._filter = TweetFilter(options)
        self._pseudonymizer = Pseudonymizer(options.privacy, keys, options.erasure_salt)
        self._hides = options.privacy.hides
        self._preprocessor = _preprocessor(options.rules.model_dump_json())
        self._tweets: list[tuple[Any, ...]] = []
        self._characters = 0
        self._manifest: list[dict[str, Any]] = []

    def read(self, split: Split, file: BinaryIO) -> Iterator[pa.RecordBatch]:
        """Read a split and yield the batches that fill up meanwhile."""
        for entry, source in enumerate(_open_split(split, file, self._options)):
            account = _Account(source_name(source.name), split=split.number, entry=entry)
            if source.records:
                yield from self._read_records(source.records, account)
            damage = source.records.damage if source.records else source.damage
            account.damage, account.skipped = escaped_name(damage), escaped_name(source.skipped)
            if source.lines:
                account.span, account.breaks = source.lines.span, source.lines.breaks
            self._manifest.append({"kind": "account", **vars(account)})

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Yield the remaining rows, after all splits have been read."""
        if self._tweets:
            yield self._tweet_batch()
        if self._manifest:
            yield self._manifest_batch()

    def _read_records(self, records: Records[Tweet], account: _Account) -> Iterator[pa.RecordBatch]:
        source, split, entry = account.source, account.split, account.entry
        keeps = self._filter.keeps
        pseudonymizer = self._pseudonymizer if self._pseudonymizer.enabled else None
        for offset, number, raw, outcome in records:
            account.lines += 1
            if isinstance(outcome, Tweet):
                if not keeps(outcome):
                    account.filtered += 1
                    continue
                account.kept += 1
                digests = pseudonymizer.digests(outcome) if pseudonymizer else None
                tweet = pseudonymizer.pseudonymize(outcome) if pseudonymizer else outcome
                self._tweets.append((source, split, entry, offset, number, *tweet, digests))
                self._characters += len(tweet.text)
                if len(self._tweets) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
                    yield self._tweet_batch()
            elif isinstance(outcome, ControlMessage):
                account.notices += 1
                if outcome.deleted and self._options.honour_deletes:
                    deleted = self._pseudonymizer.tweet_id(outcome.deleted)
                    self._manifest.append({"kind": "delete", "source": source, "tweet_id": deleted})
            else:
                account.rejects += 1
                self._manifest.append(
                    {
                        "kind": "reject",
                        "source": source,
                        "split": split,
                        "offset": offset,
                        "line": number,
                        "reason": outcome.reason,
                        "detail": "" if self._hides else escaped_name(outcome.detail),
                        "raw": b"" if self._hides else raw[:_RAW_BYTES],
                    }
                )
            if len(self._manifest) >= _BATCH_ROWS:
                yield self._manifest_batch()

    def _tweet_batch(self) -> pa.RecordBatch:
        rows, self._tweets, self._characters = self._tweets, [], 0
        columns = {
            name: pa.array(values, STAGED.field(name).type)
            for name, values in zip(_TWEET_COLUMNS, zip(*rows, strict=True), strict=True)
        }
        columns["kind"] = pa.array(["tweet"] * len(rows))
        columns["stems"] = self._preprocessor.stem_array(columns["text"])
        return pa.RecordBatch.from_arrays(
            [columns.get(field.name, pa.nulls(len(rows), field.type)) for field in STAGED], schema=STAGED
        )

    def _manifest_batch(self) -> pa.RecordBatch:
        rows, self._manifest = self._manifest, []
        return pa.RecordBatch.from_pylist(rows, schema=STAGED)


@lru_cache(maxsize=1)
def _preprocessor(rules: str) -> TextPreprocessor:
    """The preprocessor of rules in JSON, shared by all tasks of a worker since it caches the stems of words."""
    return TextPreprocessor(Rules.model_validate_json(rules))


class _Source(NamedTuple):
    """A source of records, to be read before the next one is opened; without records, the reason."""

    name: str
    records: Records[Tweet] | None = None
    skipped: str = ""
    damage: str = ""
    lines: Lines | None = None
    """The lines of a range; once read, they know its length."""


def _open_split(split: Split, file: BinaryIO, options: ReadOptions) -> Iterator[_Source]:
    """Open the sources of a split, one after the other."""
    match split.part:
        case "lines":
            lines = json_lines(_range_blocks(file, split, options.max_expansion), options, split.start == 0)
            yield _Source(split.url, json_records(lines, options), lines=lines)
        case "row groups":
            yield _Source(split.url, open_parquet(file, options, split.start, split.end))
        case "members":
            stream = FileStream(file, 0, split.end)
            stream.seek(split.start)
            members = walk_tar(split.url, stream, ExpansionLimit(options.max_expansion), complete=split.end is None)
            yield from (_open_member(member, options) for member in members)
        case "all":
            stream = FileStream(file)
            if detect_format(stream.peek(_PEEK_BYTES), options) == "parquet":
                yield _Source(split.url, open_parquet(file, options))
            else:
                members = walk_stream(split.url, stream, ExpansionLimit(options.max_expansion))
                yield from (_open_member(member, options) for member in members)


def _open_member(member: Member, options: ReadOptions) -> _Source:
    records = open_records(member.stream, options) if member.stream else None
    return _Source(member.name, records, member.skipped, member.damage)


def _range_blocks(file: BinaryIO, split: Split, max_expansion: int) -> Iterator[Block]:
    """The bytes of a range of lines, decompressed if bzip2, then those behind it, marked as not its own."""
    stream = FileStream(file)
    compression = detect_compression(stream.peek(_PEEK_BYTES))
    if compression:
        yield from decompress(stream, compression, ExpansionLimit(max_expansion), split.start, split.end)
        return
    yield from FileStream(file, split.start, split.end).blocks()
    if split.end is not None:
        yield from (block._replace(in_range=False) for block in FileStream(file, split.end).blocks())
