"""The days that a run of `clean` replaces, and what it must not lose in doing so."""

from collections import Counter
from collections.abc import Container, Iterable
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.diagnostics.redaction import redacted
from tonality.runtime.settings.sections import ArchiveSettings
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, TWEETS
from tonality.text.html_entities import in_utf8

__all__ = ["DateRange", "refuse_to_drop_days", "refuse_to_lose_tweets"]


class DateRange:
    """The days that the run was asked for: what it replaces."""

    def __init__(self, archive: ArchiveSettings) -> None:
        self.since, self.until = archive.since, archive.until
        self.name = f"{self.since or 'start'}..{self.until or 'end'}"

    @property
    def bounded(self) -> bool:
        """Whether both ends are given."""
        return self.since is not None and self.until is not None

    def days(self) -> list[str]:
        """Every day of a window with both ends; a day without tweets is published too, empty."""
        if self.since is None or self.until is None:
            return []
        return [str(self.since + timedelta(days=n)) for n in range((self.until - self.since).days + 1)]

    def holds(self, first: str, last: str) -> bool:
        """Whether it includes the days from the first to the last; `start` and `end` are no days but bounds."""
        after = self.since is None or (first != "start" and date.fromisoformat(first) >= self.since)
        return after and (self.until is None or (last != "end" and date.fromisoformat(last) <= self.until))


def refuse_to_drop_days(published: list[str], found: Container[str], window: DateRange) -> None:
    """A run without both ends replaces every day that it covers; it must not lose those that it has not read."""
    if window.bounded:
        return
    if lost := [day for day in published if day not in found and window.holds(day, day)]:
        raise SettingsError(
            f"tweets/ holds {len(lost)} day(s) that this archive has no tweet of, from {lost[0]} to {lost[-1]}. "
            "Nothing was published. To add to the table or replace some of its days, name them: archive.since and "
            "archive.until. To begin again, take another paths.root or remove tweets/."
        )


def refuse_to_lose_tweets(
    spark: SparkSession, root: str, tweets: DataFrame, files: Iterable[str], window: DateRange
) -> None:
    """A run with both ends replaces days that may be old; one that shrinks since its files are gone must stay.

    Other filters may leave fewer tweets, and files may have moved, so that both must have happened.
    """
    if not window.bounded or not any(window.holds(day, day) for day in tables.days(spark, root, "tweets")):
        return
    there = {_file_of(in_utf8(redacted(file))) for file in files}
    before: Counter[str] = Counter()
    gone: dict[str, str] = {}
    published = tables.read(spark, root, "tweets", TWEETS, window.since, window.until)
    for row in published.groupBy(DAY, F.substring_index("source", "!", 1).alias("file")).count().collect():
        before[str(row[DAY])] += row["count"]
        if row.file not in there:
            gone[str(row[DAY])] = row.file
    after = {str(row[DAY]): row["count"] for row in tweets.groupBy(DAY).count().collect()} if gone else {}
    if lost := sorted(day for day in gone if after.get(day, 0) < before[day]):
        day = lost[0]
        raise InputError(
            f"{counted(len(lost), 'day')} would lose tweets: of {day}, tweets/ has {before[day]:,} and what was read "
            f"now {after.get(day, 0):,}, without {gone[day]}. Nothing was published. Is that file gone, or left out by "
            "{day} in paths.archive (see archive.lookahead, lookback)? To replace such a day all the same, remove "
            f"tweets/{DAY}={day} first."
        )


def _file_of(source: str) -> str:
    """The file of a source, which may be a member of a tar."""
    return source.partition("!")[0]
