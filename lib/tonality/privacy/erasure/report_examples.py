"""Tweets that a report shows as examples."""

import csv
import io
import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["Example", "among", "examples_of", "says_the_same", "shows"]

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


def shows(examples: Collection[Example], entries: DataFrame, removed: Iterable[DataFrame]) -> bool:
    """Whether one of them is of an author among the entries (rows of entries.ENTRIES), or one of the removed rows."""
    authors = [(example.author.lower(),) for example in examples if example.author]
    shown = entries.sparkSession.createDataFrame(authors, "author string")  # a failing plan would tell literal names
    if not entries.join(shown, on="author", how="left_semi").isEmpty():
        return True
    return any(among(rows, examples) for rows in removed)


def among(rows: DataFrame, examples: Iterable[Example]) -> set[Example]:
    """Those of the examples that are among the rows, which have `created_at` and `text`."""
    by_time: dict[str, list[Example]] = {}
    for one in examples:
        by_time.setdefault(one.created_at, []).append(one)
    second = F.date_format("created_at", "yyyy-MM-dd'T'HH:mm:ss'Z'").alias("second")
    there = rows.select(second, "text").where(F.col("second").isin(*sorted(by_time)) if by_time else F.lit(False))
    return {
        one
        for row in there.toLocalIterator()
        for one in by_time[row.second]
        if says_the_same([one], row.second, row.text or "")
    }


def says_the_same(examples: Iterable[Example], created_at: str, text: str) -> bool:
    """Whether one of them is the tweet of this time and text, however its signs are shown."""
    said = _SIGN.sub("", text)
    return any(one.created_at == created_at and _SIGN.sub("", one.text) == said for one in examples)
