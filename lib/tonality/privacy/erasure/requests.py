"""Erasure requests as a table that Spark joins: lists may exceed the driver's memory."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tonality.privacy.digests import SaltedDigests
from tonality.privacy.pseudonyms import Pseudonyms
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["AUTHOR", "REQUESTS", "TEXT", "TWEET", "write_requests"]

TWEET: Final = "tweet"
AUTHOR: Final = "author"
TEXT: Final = "text"
"""Kinds of digests in forgotten/."""

REQUESTS: Final = pa.schema(
    [
        pa.field("kind", pa.string()),
        pa.field("tweet_id", pa.int64()),
        pa.field("author", pa.string()),
        pa.field("mark", pa.binary()),
    ]
)
"""Either `tweet_id` or `author`, in lower case, as the tables may hold it; `mark` is the digest of the listed value."""

_BATCH_ROWS: Final = 100_000


def write_requests(
    deletions: Iterable[tuple[int | None, str | None]],
    folder: str,
    digests: SaltedDigests,
    pseudonyms: Pseudonyms | None,
) -> None:
    """Write rows of REQUESTS to an existing folder.

    Each tweet id or author gets a row with the listed value and, if there are pseudonyms, another with its pseudonym:
    tables may hold either while they change from one to the other.
    """
    rows = (row for tweet_id, author in deletions for row in _rows(tweet_id, author, digests, pseudonyms))
    system, path = filesystem(join(folder, "requests.parquet"))
    with system.open(path, "wb") as file, pq.ParquetWriter(file, REQUESTS, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, REQUESTS))


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
