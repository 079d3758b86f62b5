"""The overwrite guard: the days that a run of `clean` replaces, and the checks against losing tweets."""

from collections import Counter
from collections.abc import Container, Iterable
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.ingest.planning.files import source_name
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.settings.sections import ArchiveSettings
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, TWEETS

__all__ = ["DateRange", "refuse_to_drop_days", "refuse_to_lose_tweets"]


class DateRange:
    """The requested days, inclusive; the run replaces all of them."""

    def __init__(self, archive: ArchiveSettings) -> None:
        self.since, self.until = archive.since, archive.until
        self.name = f"{self.since or 'start'}..{self.until or 'end'}"

    @property
    def bounded(self) -> bool:
        """True if both ends are given."""
        return self.since is not None and self.until is not None

    def days(self) -> list[str]:
        """Every day of a bounded range, since days without tweets are published too; none of an open one."""
        if self.since is None or self.until is None:
            return []
        return [str(self.since + timedelta(days=n)) for n in range((self.until - self.since).days + 1)]

    def covers(self, first: str, last: str) -> bool:
        """Check if all days from the first to the last are in the range; `start` and `end` are open ends."""
        after = self.since is None or (first != "start" and date.fromisoformat(first) >= self.since)
        return after and (self.until is None or (last != "end" and date.fromisoformat(last) <= self.until))


def refuse_to_drop_days(published: list[str], found: Container[str], window: DateRange) -> None:
    """Refuse to replace published days of which the archive has no tweets, unless the range is bounded.

    An open range replaces every day that it covers.
    Raises SettingsError with the number of such days, the first and the last.
    """
    if window.bounded:
        return
    if lost := [day for day in published if day not in found and window.covers(day, day)]:
        raise SettingsError(
            f"tweets/ holds {len(lost)} day(s) without any tweet in this archive, from {lost[0]} to {lost[-1]}. "
            "Nothing was published. To add to the table or replace some of its days, set archive.since and "
            "archive.until. To start over, choose another paths.root or remove tweets/."
        )


def refuse_to_lose_tweets(
    spark: SparkSession, root: str, tweets: DataFrame, files: Iterable[str], window: DateRange
) -> None:
    """Refuse to replace a day by fewer tweets if one of its source files was not read this time.

    Both conditions must hold: other filters may leave fewer tweets, and files may have been moved. Checks bounded
    ranges only, since others cover the whole archive. Raises InputError with the first such day, its counts and the
    missing file.
    """
    if not window.bounded or not any(window.covers(day, day) for day in tables.days(spark, root, "tweets")):
        return
    read = {_file_of(source_name(file)) for file in files}
    before: Counter[str] = Counter()
    missing: dict[str, str] = {}
    published = tables.read(spark, root, "tweets", TWEETS, window.since, window.until)
    for row in published.groupBy(DAY, F.substring_index("source", "!", 1).alias("file")).count().collect():
        before[str(row[DAY])] += row["count"]
        if row.file not in read:
            missing[str(row[DAY])] = row.file
    after = {str(row[DAY]): row["count"] for row in tweets.groupBy(DAY).count().collect()} if missing else {}
    if lost := sorted(day for day in missing if after.get(day, 0) < before[day]):
        day = lost[0]
        raise InputError(
            f"{counted(len(lost), 'day')} would lose tweets: tweets/ has {before[day]:,} of {day}, this run "
            f"{after.get(day, 0):,}, without {missing[day]}. Nothing was published. Was that file removed, or skipped "
            "because of {day} in paths.archive (see archive.lookahead, lookback)? To replace such a day anyway, remove "
            f"tweets/{DAY}={day} first."
        )


def _file_of(source: str) -> str:
    """The file of a source, which may be a member of a tar."""
    return source.partition("!")[0]
