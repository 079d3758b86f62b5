"""The search of all tables for the rows to erase."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.privacy.erasure.match_rows import (
    LOCATION,
    copies_of,
    id_digests,
    match_requests,
    match_texts,
    match_words,
    partition_name,
    rows_at,
    text_digests,
    with_location,
)
from tonality.privacy.erasure.requests import AUTHOR, TEXT
from tonality.privacy.erasure.scrub_rejects import find_rejects
from tonality.runtime.storage.schema import DAY, WINDOW

__all__ = ["Search", "TweetMatches", "count_unmatched_user_ids"]

_TWEET_COLUMNS: Final = (DAY, "tweet_id", "created_at", "author", "text", "is_retweet", "run")
_LABELLED_COLUMNS: Final = (DAY, "tweet_id", "created_at", "text", "stems", "label")


@dataclass(frozen=True)
class TweetMatches:
    """Rows to erase from tables that hold tweet ids and authors."""

    removed: Mapping[str, DataFrame]
    """By table: rows with their locations; `repeats` is true for those that match only as retweets of erased tweets."""
    texts: DataFrame
    """The digests, `kind` and `mark`, of the requested tweets' texts, other than retweets."""


@dataclass(frozen=True)
class Search:
    """A search for erasure requests (rows of requests.REQUESTS) in tables that are read from their files."""

    requests: DataFrame
    salt: str
    """The salt of the digests, in hex."""
    write: Callable[[DataFrame, str], DataFrame]
    """Materialise a frame: write it under a name, and return it as read from there."""

    def tweets(self, tables: Mapping[str, DataFrame]) -> TweetMatches:
        """Find the rows of tables such as tweets/ and scored/ that are requested, or are retweets of such rows."""
        requested = {
            table: self._details(table, rows, self._requested(table, rows), "requested")
            for table, rows in tables.items()
        }
        texts = self.write(self._texts(requested.values()), "texts")
        removed = {table: rows.withColumn("repeats", F.lit(False)) for table, rows in requested.items()}
        if texts.isEmpty():
            return TweetMatches(removed, texts)
        retweets = {table: self._retweets(table, rows, requested[table], texts) for table, rows in tables.items()}
        return TweetMatches(
            {
                table: rows.unionByName(retweets[table].withColumn("repeats", F.lit(True)))
                for table, rows in removed.items()
            },
            texts,
        )

    def labelled(self, table: DataFrame, removed: Iterable[DataFrame]) -> DataFrame:
        """Find the rows of labelled/, which has no authors, that are requested or copies of removed tweets."""
        rows = with_location(table, partition_name(DAY), *_LABELLED_COLUMNS)
        by_id = match_requests(rows, self.requests)
        copies = (copies_of(_on_days_of(rows, tweets), tweets) for tweets in removed)
        locations = reduce(DataFrame.union, copies, by_id)
        return self.write(rows_at(rows, self.write(locations.distinct(), "locations_labelled")), "rows_labelled")

    def dataset(self, part: str, rows: DataFrame, labelled: DataFrame) -> DataFrame:
        """Locate as many rows of a partition of dataset/ as labelled rows with their words were removed."""
        located = with_location(rows, F.lit(part), "stems", "label")
        return self.write(match_words(located, labelled), f"locations_{part}")

    def rejects(self, table: DataFrame, texts: DataFrame, removed: Iterable[DataFrame]) -> DataFrame:
        """Locate the rejects that reveal a request, one of the texts (by digest), or the id of a removed row."""
        rows = with_location(table, partition_name(WINDOW), "raw", "detail")
        ids = (id_digests(tweets, self.salt) for tweets in removed)  # an author's tweets are not listed by id
        digests = reduce(DataFrame.union, ids, self.digests(texts).select("mark"))
        return self.write(find_rejects(rows, digests, self.salt), "matching_rejects")

    def digests(self, texts: DataFrame) -> DataFrame:
        """Return the distinct digests, `kind` and `mark`, of everything that must not return."""
        return self.requests.select("kind", "mark").union(texts).distinct()

    def _requested(self, table: str, rows: DataFrame) -> DataFrame:
        located = with_location(rows, partition_name(DAY), "tweet_id", "author")
        return self.write(match_requests(located, self.requests), f"requested_{table}")

    def _details(self, table: str, rows: DataFrame, locations: DataFrame, reason: str) -> DataFrame:
        """Read the rows at the locations; days without any are not read."""
        source = ["source"] if "source" in rows.columns else []
        located = with_location(_on_days_of(rows, locations), partition_name(DAY), *_TWEET_COLUMNS, *source)
        return self.write(rows_at(located, locations), f"{reason}_rows_{table}")

    def _texts(self, rows: Iterable[DataFrame]) -> DataFrame:
        originals = (tweets.where(~F.coalesce("is_retweet", F.lit(False))) for tweets in rows)
        texts = [text_digests(tweets, self.salt).select(F.lit(TEXT).alias("kind"), "mark") for tweets in originals]
        no_digests = self.requests.where(F.lit(False)).select("kind", "mark")
        return reduce(DataFrame.union, texts, no_digests).distinct()

    def _retweets(self, table: str, rows: DataFrame, requested: DataFrame, texts: DataFrame) -> DataFrame:
        retweets = with_location(rows.where("is_retweet"), partition_name(DAY), "text")
        matches = match_texts(text_digests(retweets, self.salt), texts)
        locations = self.write(matches.join(requested, on=LOCATION, how="left_anti"), f"retweets_{table}")
        return self._details(table, rows, locations, "retweets")


def count_unmatched_user_ids(requests: DataFrame, removed: Iterable[DataFrame]) -> int:
    """Count the requests of users by number that match the author of no removed tweet."""
    authors = requests.where(F.col("kind") == AUTHOR)
    unmatched = authors.where(F.col("author").rlike("^[0-9]+$")).select("mark").distinct()
    for rows in removed:
        names = rows.select(F.lower("author").alias("author"))
        matched = authors.join(names, on="author", how="left_semi").select("mark")
        unmatched = unmatched.join(matched, on="mark", how="left_anti")
    return unmatched.count()


def _on_days_of(rows: DataFrame, locations: DataFrame) -> DataFrame:
    """Restrict the rows to the days of the locations, so that no other day is read."""
    days = [row.part.removeprefix(f"{DAY}=") for row in locations.select("part").distinct().collect()]
    return rows.where(F.col(DAY).cast("string").isin(*days)) if days else rows.where(F.lit(False))
