"""The timeline of the sample: its days, the tweets of each day and hour, and the planted opinion of each day."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from math import pi, sin
from random import Random
from typing import Final

from tonality.ingest.synthetic.random_streams import random_stream

__all__ = ["DAYS", "day_of", "lines_by_day", "midnight", "positive_share", "time_of_day", "twitter_time"]

DAYS: Final = tuple(date(2015, 12, 10) + timedelta(days=n) for n in range(16))
"""From a week before the premiere to a week after it (UTC)."""

_DAILY_VOLUME: Final = (0.6, 0.62, 0.7, 0.72, 0.75, 0.9, 1.4, 3.2, 2.9, 2.6, 2.2, 1.4, 1.1, 0.95, 0.85, 0.8)
"""Relative tweets by day; the premiere is on the eighth."""

_HOURLY_VOLUME: Final = (
    *(1.0, 0.6, 0.5, 0.6, 1.0, 1.8, 2.6, 3.0, 3.2, 3.4, 3.6, 3.8),
    *(4.0, 4.1, 4.3, 4.6, 5.2, 5.8, 6.3, 6.4, 5.6, 4.2, 2.8, 1.6),
)
"""Relative tweets by hour (UTC); Moscow is three hours ahead and busiest in the evening."""

_HOUR_SUMS: Final = (0.0, *accumulate(_HOURLY_VOLUME))
_HOUR_MS: Final = 3_600_000

_LOW_SHARE: Final = 0.35
_HIGH_SHARE: Final = 0.75
_RIPPLE: Final = 0.025

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def lines_by_day(lines: int) -> list[int]:
    """The number of lines of each of DAYS, `lines` in total."""
    total = sum(_DAILY_VOLUME)
    ends = [round(lines * volume / total) for volume in accumulate(_DAILY_VOLUME)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def midnight(day: date) -> int:
    """The start of a day (UTC) in milliseconds since 1970."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000


def day_of(time_ms: int) -> date:
    """The day (UTC) of a time in milliseconds since 1970."""
    return datetime.fromtimestamp(time_ms // 1_000, UTC).date()


def time_of_day(quantile: float) -> int:
    """The time by which a share (below 1) of a day's tweets is written, in milliseconds after midnight."""
    target = quantile * _HOUR_SUMS[-1]
    hour = bisect_right(_HOUR_SUMS, target) - 1
    return int((hour + (target - _HOUR_SUMS[hour]) / _HOURLY_VOLUME[hour]) * _HOUR_MS)


def positive_share(seed: int, number: int) -> float:
    """The planted share of positive tweets among positive and negative ones on DAYS[number].

    It rises over the period for odd seeds and falls for even ones.
    """
    random: Random = random_stream(seed, "opinion")
    phase, waves = random.random() * 2 * pi, 2 + random.random() * 2
    progress = number / (len(DAYS) - 1)
    smooth = progress * progress * (3 - 2 * progress)
    rise = smooth if seed % 2 else 1 - smooth
    ripple = _RIPPLE * sin(phase + waves * 2 * pi * progress)
    return _LOW_SHARE + (_HIGH_SHARE - _LOW_SHARE) * rise + ripple


def twitter_time(time_ms: int) -> str:
    """A time in milliseconds since 1970 in Twitter's format: Thu Dec 10 08:01:02 +0000 2015."""
    # strftime would use the names of the machine's locale
    t = datetime.fromtimestamp(time_ms // 1_000, UTC)
    clock = f"{t.hour:02}:{t.minute:02}:{t.second:02}"
    return f"{_WEEKDAYS[t.weekday()]} {_MONTHS[t.month - 1]} {t.day:02} {clock} +0000 {t.year}"
