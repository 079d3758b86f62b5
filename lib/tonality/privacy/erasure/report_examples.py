"""Erased tweets among the examples of a report."""

import csv
import io
import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["Example", "examples_among", "matches_tweet", "parse_examples", "shows_erased"]

_PUNCTUATION: Final = re.compile(r"\W+")


class Example(NamedTuple):
    """A row of examples.csv."""

    created_at: str
    """ISO 8601, UTC, to the second."""
    author: str
    text: str


def parse_examples(content: bytes) -> list[Example]:
    """Parse an examples.csv; content in another form yields no rows."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig", "replace")))
    return [
        Example(row.get("created_at") or "", (row.get("author") or "").lstrip("'"), row.get("text") or "")
        for row in rows
    ]


def shows_erased(examples: Collection[Example], requests: DataFrame, removed: Iterable[DataFrame]) -> bool:
    """True if an example is by a requested author (rows of requests.REQUESTS) or is among the removed rows."""
    authors = [(example.author.lower(),) for example in examples if example.author]
    # a frame and not literals, which the message of a failing plan would reveal
    shown = requests.sparkSession.createDataFrame(authors, "author string")
    if not requests.join(shown, on="author", how="left_semi").isEmpty():
        return True
    return any(examples_among(rows, examples) for rows in removed)


def examples_among(rows: DataFrame, examples: Iterable[Example]) -> set[Example]:
    """Return the examples that are among the rows, which have `created_at` and `text`."""
    by_time: dict[str, list[Example]] = {}
    for example in examples:
        by_time.setdefault(example.created_at, []).append(example)
    second = F.date_format("created_at", "yyyy-MM-dd'T'HH:mm:ss'Z'").alias("second")
    candidates = rows.select(second, "text").where(F.col("second").isin(*sorted(by_time)) if by_time else F.lit(False))
    return {
        example
        for row in candidates.toLocalIterator()
        for example in by_time[row.second]
        if matches_tweet([example], row.second, row.text or "")
    }


def matches_tweet(examples: Iterable[Example], created_at: str, text: str) -> bool:
    """True if an example has this time and text, apart from punctuation, which reports may alter."""
    words = _PUNCTUATION.sub("", text)
    return any(example.created_at == created_at and _PUNCTUATION.sub("", example.text) == words for example in examples)
