"""The Arrow schema of every table, and the names of the partition columns."""

from typing import Final

import pyarrow as pa

_TIMESTAMP: Final = pa.timestamp("us", tz="UTC")

DAY: Final = "day"
WINDOW: Final = "window"

ORIGIN_FILE: Final = "_origin.json"
"""The file in a scored day's folder that describes its inputs; the underscore hides it from readers of the table."""

_READ_FIELDS: Final = [
    pa.field("tweet_id", pa.int64()),
    pa.field("created_at", _TIMESTAMP),
    pa.field("author", pa.string()),
    pa.field("lang", pa.string()),
    pa.field("text", pa.string()),
    pa.field("hashtags", pa.list_(pa.string())),
    pa.field("is_retweet", pa.bool_()),
    pa.field("stems", pa.string()),
    pa.field("source", pa.string()),
]

TWEETS: Final = pa.schema(
    [*_READ_FIELDS, pa.field("rules", pa.string()), pa.field("run", pa.string()), pa.field(DAY, pa.date32())]
)
"""Clean tweets. `source` is the archive file, `rules` the fingerprint of the text rules, `stems` joined by spaces."""

_REJECT_FIELDS: Final = [
    pa.field("source", pa.string()),
    pa.field("offset", pa.int64()),
    pa.field("line", pa.int64()),
    pa.field("reason", pa.string()),
    pa.field("detail", pa.string()),
    pa.field("raw", pa.binary()),
]

REJECTS: Final = pa.schema([*_REJECT_FIELDS, pa.field("run", pa.string()), pa.field(WINDOW, pa.string())])
"""Rejected records: `offset` in bytes of the uncompressed stream, `line` from 1, `raw` the first 4 KiB."""

ACCOUNTS: Final = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("lines", pa.int64()),
        pa.field("tweets", pa.int64()),
        pa.field("notices", pa.int64()),
        pa.field("filtered", pa.int64()),
        pa.field("duplicates", pa.int64()),
        pa.field("rejects", pa.int64()),
        pa.field("deleted", pa.int64()),
        pa.field("damage", pa.string()),
        pa.field("skipped", pa.string()),
        pa.field("run", pa.string()),
        pa.field(WINDOW, pa.string()),
    ]
)
"""Reconciled counts of each file's records: lines = tweets + notices + filtered + duplicates + rejects.

`deleted` is the part of `filtered` that a delete notice withdrew or `forget` removed, `damage` whatever is broken in
the file, `skipped` the reason why an entry of a tar was not read."""

_MANIFEST_FIELDS: Final = [
    pa.field("kind", pa.string()),
    pa.field("tweet_id", pa.int64()),
    *_REJECT_FIELDS,
    pa.field("split", pa.int32()),
    pa.field("entry", pa.int32()),
    pa.field("lines", pa.int64()),
    pa.field("kept", pa.int64()),
    pa.field("notices", pa.int64()),
    pa.field("filtered", pa.int64()),
    pa.field("rejects", pa.int64()),
    pa.field("damage", pa.string()),
    pa.field("skipped", pa.string()),
    pa.field("span", pa.int64()),
    pa.field("breaks", pa.int64()),
]

_DIGESTS: Final = pa.field("digests", pa.list_(pa.binary()))

STAGED: Final = pa.unify_schemas([pa.schema(_MANIFEST_FIELDS), pa.schema(_READ_FIELDS), pa.schema([_DIGESTS])])
"""Task output: rows of the kinds `tweet`, `delete`, `reject` and `account`, distinguished by `kind`."""

TASK_MANIFEST: Final = pa.schema(
    [
        *_MANIFEST_FIELDS,
        pa.field("path", pa.string()),
        pa.field("group", pa.int32()),
        pa.field("first", pa.int64()),
        pa.field("days", pa.list_(pa.int32())),
        pa.field("counts", pa.list_(pa.int64())),
        pa.field("bytes", pa.int64()),
    ]
)
"""The tasks' report on an archive: all rows except tweets, and rows of the kind `group`, one per row group of a tweet
file.

A `group` row has the file's name, the group's number, its earliest time (microseconds since 1970), its days (counted
from 1970) with their row counts, and its size in bytes. If a file is read in splits, offsets and lines are relative to
the split, whose account has its size in bytes (`span`) and its number of line breaks (`breaks`). `entry` numbers the
sources of a split, since their names need not be unique."""

KEPT: Final = pa.schema(
    [
        *_READ_FIELDS,
        pa.field("split", pa.int32()),
        pa.field("entry", pa.int32()),
        pa.field("offset", pa.int64()),
        _DIGESTS,
    ]
)
"""Tweets as tasks write them, each with its position (source, split, entry and offset) and `digests` for recognising
erased tweets, null if nothing was ever erased."""

LABELLED: Final = pa.schema(
    [
        pa.field("tweet_id", pa.int64()),
        pa.field("created_at", _TIMESTAMP),
        pa.field("text", pa.string()),
        pa.field("stems", pa.string()),
        pa.field("label", pa.float32()),
        pa.field("rules", pa.string()),
        pa.field("run", pa.string()),
        pa.field(DAY, pa.date32()),
    ]
)
"""Tweets labelled by their own emoticons: 1.0 positive, 0.0 negative."""

VOCABULARY: Final = pa.schema(
    [pa.field("id", pa.int32()), pa.field("stem", pa.string()), pa.field("count", pa.int64())]
)
"""Stems and their ids, from 2 by descending count in the training split. 0 is padding and 1 the unknown stem."""

PADDING_ID: Final = 0
FIRST_STEM_ID: Final = 2

DATASET: Final = pa.schema(
    [
        pa.field("tokens", pa.list_(pa.int32())),
        pa.field("length", pa.int32()),
        pa.field("label", pa.float32()),
        pa.field("stems", pa.string()),
    ]
)
"""Training rows: `tokens` padded with 0 to max_length, `length` the number of tokens before the padding."""

SCORED: Final = pa.schema(
    [
        pa.field("tweet_id", pa.int64()),
        pa.field("created_at", _TIMESTAMP),
        pa.field("author", pa.string()),
        pa.field("text", pa.string()),
        pa.field("hashtags", pa.list_(pa.string())),
        pa.field("is_retweet", pa.bool_()),
        pa.field("probability", pa.float32()),
        pa.field("tonality", pa.string()),
        pa.field("model", pa.string()),
        pa.field("tweets_run", pa.string()),
        pa.field("run", pa.string()),
        pa.field(DAY, pa.date32()),
    ]
)
"""Tweets with their probability of being positive; null, and `tonality` none, for a tweet without stems."""

FORGOTTEN: Final = pa.schema(
    [pa.field("kind", pa.string()), pa.field("mark", pa.binary()), pa.field("run", pa.string())]
)
"""Erased data that must not be ingested again: `kind` is tweet, author or text, `mark` a salted digest of it."""

POSITIVE: Final = "positive"
NEUTRAL: Final = "neutral"
NEGATIVE: Final = "negative"
NONE: Final = "none"
TONES: Final = (POSITIVE, NEUTRAL, NEGATIVE, NONE)
