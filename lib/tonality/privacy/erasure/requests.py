"""What must go, as a table that Spark joins: a list may be longer than the driver's memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.privacy.digests import SaltedDigests
from tonality.privacy.pseudonyms import Pseudonyms
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["AUTHOR", "ENTRIES", "TEXT", "TWEET", "write_entries"]

TWEET: Final = "tweet"
AUTHOR: Final = "author"
TEXT: Final = "text"
"""Kinds of what is forgotten."""

ENTRIES: Final = pa.schema(
    [
        pa.field("kind", pa.string()),
        pa.field("tweet_id", pa.int64()),
        pa.field("author", pa.string()),
        pa.field("mark", pa.binary()),
    ]
)
"""One `tweet_id` or one `author`, lower-case, as the tables may have it, and the mark of what the list says."""

_BATCH: Final = 100_000


def write_entries(
    deletions: Iterable[tuple[int | None, str | None]],
    folder: str,
    digests: SaltedDigests,
    pseudonyms: Pseudonyms | None,
) -> None:
    """Write rows of ENTRIES to a folder that is there: for each tweet's id, or author, one as the list says it and one
    by its pseudonym, where there are any: tables may hold either, while they change from one to the other.
    """
    rows = (row for tweet_id, author in deletions for row in _rows(tweet_id, author, digests, pseudonyms))
    system, path = filesystem(join(folder, "entries.parquet"))
    with system.open(path, "wb") as file, pq.ParquetWriter(file, ENTRIES, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, ENTRIES))


def _rows(
    tweet_id: int | None, author: str | None, digests: SaltedDigests, pseudonyms: Pseudonyms | None
) -> Iterator[dict[str, Any]]:
    if tweet_id is not None:
        row = {"kind": TWEET, "mark": digests.tweet(tweet_id)}
        yield {**row, "tweet_id": tweet_id}
        if pseudonyms:
            yield {**row, "tweet_id": pseudonyms.tweet_id(tweet_id)}
    elif author is not None:
        row = {"kind": AUTHOR, "mark": digests.author(author)}
        yield {**row, "author": author.lower()}
        if pseudonyms:
            yield {**row, "author": pseudonyms.author(author)}
