"""When things happen: the days of the sample, how many tweets each hour has, and what people think on which day."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from math import pi, sin
from random import Random
from typing import Final

from tonality.ingest.synthetic.random_streams import stream

__all__ = ["DAYS", "day_of", "lines_by_day", "midnight", "positive_share", "time_of_day", "twitter_time"]

DAYS: Final = tuple(date(2015, 12, 10) + timedelta(days=n) for n in range(16))
"""From a week before the premiere to a week after it, UTC."""

_VOLUME: Final = (0.6, 0.62, 0.7, 0.72, 0.75, 0.9, 1.4, 3.2, 2.9, 2.6, 2.2, 1.4, 1.1, 0.95, 0.85, 0.8)
"""Tweets by day, relative; the premiere is the eighth."""

_HOURS: Final = (
    1.0,
    0.6,
    0.5,
    0.6,
    1.0,
    1.8,
    2.6,
    3.0,
    3.2,
    3.4,
    3.6,
    3.8,
    4.0,
    4.1,
    4.3,
    4.6,
    5.2,
    5.8,
    6.3,
    6.4,
    5.6,
)
_HOURS_OF_DAY: Final = (*_HOURS, 4.2, 2.8, 1.6)
"""Tweets by hour in UTC, relative: Moscow is three hours ahead and most awake in the evening."""

_HOUR_SUMS: Final = (0.0, *accumulate(_HOURS_OF_DAY))
_HOUR_MS: Final = 3_600_000

_LOW_SHARE: Final = 0.35
_HIGH_SHARE: Final = 0.75
_WIGGLE: Final = 0.025

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def lines_by_day(lines: int) -> list[int]:
    """How many of the archive's lines each of DAYS has; together exactly `lines`."""
    total = sum(_VOLUME)
    ends = [round(lines * volume / total) for volume in accumulate(_VOLUME)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def midnight(day: date) -> int:
    """The day's start in milliseconds since 1970, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000


def day_of(moment: int) -> date:
    """The day of a moment in milliseconds since 1970, UTC."""
    return datetime.fromtimestamp(moment // 1_000, UTC).date()


def time_of_day(quantile: float) -> int:
    """The milliseconds after midnight by which this share (below 1) of a day's tweets is written."""
    expected = quantile * _HOUR_SUMS[-1]
    hour = bisect_right(_HOUR_SUMS, expected) - 1
    return int((hour + (expected - _HOUR_SUMS[hour]) / _HOURS_OF_DAY[hour]) * _HOUR_MS)


def positive_share(seed: int, number: int) -> float:
    """The planted share of positive among positive and negative tweets on the day of this number in DAYS.

    It rises over the period for odd seeds and falls for even ones.
    """
    random: Random = stream(seed, "opinion")
    phase, waves = random.random() * 2 * pi, 2 + random.random() * 2
    way = number / (len(DAYS) - 1)
    smooth = way * way * (3 - 2 * way)
    rise = smooth if seed % 2 else 1 - smooth
    wiggle = _WIGGLE * sin(phase + waves * 2 * pi * way)
    return _LOW_SHARE + (_HIGH_SHARE - _LOW_SHARE) * rise + wiggle


def twitter_time(moment: int) -> str:
    """A moment in milliseconds since 1970 as Twitter wrote it: Thu Dec 10 08:01:02 +0000 2015."""
    # strftime would write the names in the machine's language.
    t = datetime.fromtimestamp(moment // 1_000, UTC)
    clock = f"{t.hour:02}:{t.minute:02}:{t.second:02}"
    return f"{_WEEKDAYS[t.weekday()]} {_MONTHS[t.month - 1]} {t.day:02} {clock} +0000 {t.year}"
