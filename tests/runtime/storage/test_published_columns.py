"""The promise to readers of the tables: within a major version columns are added, never renamed, retyped or removed.

This is a copy of the published schemas. Columns are added here too; no other line may change before the next major
version.
"""

import pyarrow as pa
import pytest

from tonality.runtime.storage import schema

TIME = "timestamp[us, tz=UTC]"
PUBLISHED = {
    "tweets": {
        "tweet_id": "int64",
        "created_at": TIME,
        "author": "string",
        "lang": "string",
        "text": "string",
        "hashtags": "list<element: string>",
        "is_retweet": "bool",
        "stems": "string",
        "source": "string",
        "rules": "string",
        "run": "string",
        "day": "date32[day]",
    },
    "rejects": {
        "source": "string",
        "offset": "int64",
        "line": "int64",
        "reason": "string",
        "detail": "string",
        "raw": "binary",
        "run": "string",
        "window": "string",
    },
    "accounts": {
        "source": "string",
        "lines": "int64",
        "tweets": "int64",
        "notices": "int64",
        "filtered": "int64",
        "duplicates": "int64",
        "rejects": "int64",
        "deleted": "int64",
        "damage": "string",
        "skipped": "string",
        "run": "string",
        "window": "string",
    },
    "labelled": {
        "tweet_id": "int64",
        "created_at": TIME,
        "text": "string",
        "stems": "string",
        "label": "float",
        "rules": "string",
        "run": "string",
        "day": "date32[day]",
    },
    "vocabulary": {"id": "int32", "stem": "string", "count": "int64"},
    "dataset": {"tokens": "list<element: int32>", "length": "int32", "label": "float", "stems": "string"},
    "scored": {
        "tweet_id": "int64",
        "created_at": TIME,
        "author": "string",
        "text": "string",
        "hashtags": "list<element: string>",
        "is_retweet": "bool",
        "probability": "float",
        "tonality": "string",
        "model": "string",
        "tweets_run": "string",
        "run": "string",
        "day": "date32[day]",
    },
}
TONES = {"positive", "neutral", "negative", "none"}


def columns(table: str) -> dict[str, str]:
    found: pa.Schema = getattr(schema, table.upper())
    return {field.name: str(field.type).replace("<item: ", "<element: ") for field in found}


@pytest.mark.parametrize("table", PUBLISHED)
def test_no_published_column_is_renamed_retyped_or_removed(table):
    assert {name: columns(table).get(name) for name in PUBLISHED[table]} == PUBLISHED[table]


@pytest.mark.parametrize("table", PUBLISHED)
def test_an_added_column_is_listed_here(table):
    assert [name for name in columns(table) if name not in PUBLISHED[table]] == []


@pytest.mark.parametrize("table", PUBLISHED)
def test_every_column_may_be_null_so_that_days_of_older_versions_can_be_read(table):
    assert all(field.nullable for field in getattr(schema, table.upper()))


def test_the_tones_keep_their_names():
    assert set(schema.TONES) == TONES
