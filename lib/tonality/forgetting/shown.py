"""Tweets that a report shows as examples."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["Example", "examples_of", "says_the_same"]

_SIGN: Final = re.compile(r"\W+")


class Example(NamedTuple):
    """A row of examples.csv."""

    created_at: str
    """ISO 8601, UTC, to the second."""
    author: str
    text: str


def examples_of(content: bytes) -> list[Example]:
    """The rows of an examples.csv; none of what is no such table."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace")))
    return [
        Example(row.get("created_at") or "", (row.get("author") or "").lstrip("'"), row.get("text") or "")
        for row in rows
    ]


def says_the_same(examples: Iterable[Example], created_at: str, text: str) -> bool:
    """Whether one of them is the tweet of this time and text, however its signs are shown."""
    said = _SIGN.sub("", text)
    return any(one.created_at == created_at and _SIGN.sub("", one.text) == said for one in examples)
