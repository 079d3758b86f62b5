"""The search of the tables for what must go: which rows, and what stands there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.privacy.erasure.match_rows import (
    PLACE,
    at,
    copies_of,
    digests_of_ids,
    located,
    marked,
    named,
    part_of,
    repeating,
    subtracted,
)
from tonality.privacy.erasure.requests import AUTHOR, TEXT
from tonality.privacy.erasure.scrub_rejects import showing
from tonality.runtime.storage.schema import DAY, WINDOW

__all__ = ["Search", "TweetRows", "unmatched"]

_OF_TWEET: Final = (DAY, "tweet_id", "created_at", "author", "text", "is_retweet", "run")
_OF_LABELLED: Final = (DAY, "tweet_id", "created_at", "text", "stems", "label")


@dataclass(frozen=True)
class TweetRows:
    """Rows of tables that name tweets and authors."""

    removed: Mapping[str, DataFrame]
    """By table: the rows with their places; `repeats` where one goes only as a retweet of what goes."""
    texts: DataFrame
    """The digests, `kind` and `mark`, of what the named ones say that are no retweets."""


@dataclass(frozen=True)
class Search:
    """A search for entries (rows of entries.ENTRIES). Tables are given as they are read from their files."""

    entries: DataFrame
    salt: str
    """Of the digests, in hex."""
    write: Callable[[DataFrame, str], DataFrame]
    """Computes a frame once: writes it under a name and returns it as it is read from there."""

    def tweets(self, tables: Mapping[str, DataFrame]) -> TweetRows:
        """The rows of tables like tweets/ and scored/ that are named, or repeat the text of one that is."""
        by_name = {table: self._details(table, rows, self._named(table, rows)) for table, rows in tables.items()}
        texts = self.write(self._texts(by_name.values()), "texts")
        alone = {table: rows.withColumn("repeats", F.lit(False)) for table, rows in by_name.items()}
        if texts.isEmpty():
            return TweetRows(alone, texts)
        repeats = {table: self._repeats(table, rows, by_name[table], texts) for table, rows in tables.items()}
        removed = {
            table: rows.unionByName(repeats[table].withColumn("repeats", F.lit(True))) for table, rows in alone.items()
        }
        return TweetRows(removed, texts)

    def labelled(self, table: DataFrame, removed: Iterable[DataFrame]) -> DataFrame:
        """The rows of labelled/, which knows no author, that are named, or are copies of removed tweets."""
        rows = located(table, part_of(DAY), *_OF_LABELLED)
        by_id = named(rows.drop("author"), self.entries)
        places = reduce(DataFrame.union, (copies_of(_on_days_of(rows, gone), gone) for gone in removed), by_id)
        return self.write(at(rows, self.write(places.distinct(), "places_labelled")), "rows_labelled")

    def dataset(self, part: str, rows: DataFrame, labelled: DataFrame) -> DataFrame:
        """The places of as many rows of a part of dataset/ as there are removed labelled ones of their words."""
        return self.write(subtracted(located(rows, F.lit(part), "stems", "label"), labelled), f"places_{part}")

    def rejects(self, table: DataFrame, texts: DataFrame, removed: Iterable[DataFrame]) -> DataFrame:
        """The places of rejects that show an entry, one of the marked texts, or the id of a removed row."""
        rows = located(table, part_of(WINDOW), "raw", "detail")
        ids = (digests_of_ids(of_table, self.salt) for of_table in removed)  # an author is listed without them
        digests = reduce(DataFrame.union, ids, self.digests(texts).select("mark"))
        return self.write(showing(rows, digests, self.salt), "showing")

    def digests(self, texts: DataFrame) -> DataFrame:
        """The digests of all that must not come back: `kind` and `mark`, each once."""
        return self.entries.select("kind", "mark").union(texts).distinct()

    def _named(self, table: str, rows: DataFrame) -> DataFrame:
        return self.write(named(located(rows, part_of(DAY), "tweet_id", "author"), self.entries), f"named_{table}")

    def _details(self, table: str, rows: DataFrame, places: DataFrame, why: str = "named") -> DataFrame:
        """What stands at the places: days that have none are not read for it."""
        source = ["source"] if "source" in rows.columns else []
        there = located(_on_days_of(rows, places), part_of(DAY), *_OF_TWEET, *source)
        return self.write(at(there, places), f"{why}_rows_{table}")

    def _texts(self, rows: Iterable[DataFrame]) -> DataFrame:
        originals = (of_table.where(~F.coalesce("is_retweet", F.lit(False))) for of_table in rows)
        texts = [marked(of_table, self.salt).select(F.lit(TEXT).alias("kind"), "mark") for of_table in originals]
        nothing = self.entries.where(F.lit(False)).select("kind", "mark")
        return reduce(DataFrame.union, texts, nothing).distinct()

    def _repeats(self, table: str, rows: DataFrame, by_name: DataFrame, texts: DataFrame) -> DataFrame:
        retweets = located(rows.where("is_retweet"), part_of(DAY), "text")
        places = repeating(marked(retweets, self.salt), texts).join(by_name, on=PLACE, how="left_anti")
        return self._details(table, rows, self.write(places, f"repeating_{table}"), "repeating")


def unmatched(entries: DataFrame, removed: Iterable[DataFrame]) -> int:
    """How many users are entered by a number that is the author of none of the removed tweets."""
    authors = entries.where(F.col("kind") == AUTHOR)
    numbers = authors.where(F.col("author").rlike("^[0-9]+$")).select("mark").distinct()
    for rows in removed:
        names = rows.select(F.lower("author").alias("author"))
        found = authors.join(names, on="author", how="left_semi").select("mark")
        numbers = numbers.join(found, on="mark", how="left_anti")
    return numbers.count()


def _on_days_of(rows: DataFrame, places: DataFrame) -> DataFrame:
    """The rows of the days that the places are of: no other day is read."""
    days = [row.part.removeprefix(f"{DAY}=") for row in places.select("part").distinct().collect()]
    return rows.where(F.col(DAY).cast("string").isin(*days)) if days else rows.where(F.lit(False))
