"""Parse the timestamps of archives to microseconds since 1970."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from tonality.ingest.formats.record import RejectedRecord

__all__ = ["DAY_MICROSECONDS", "microseconds"]

DAY_MICROSECONDS: Final = 86_400_000_000

_TWITTER: Final = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) ([+-]\d\d\d\d|[A-Z]{3}) (\d{4})"
)
_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_ZONES: Final = {"UTC": 0, "GMT": 0, "PDT": -7, "PST": -8}
"""Offsets from UTC, in hours, of the time zones that appear in Twitter's first years."""
_NUMBER: Final = re.compile(r"\d{1,19}(\.\d*)?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECONDS: Final = {f"{second:02}": second * 1_000_000 for second in range(60)}
"""Microseconds by the two digits of the second, which are at the same position in Twitter's format and ISO 8601."""
_FIRST_YEAR: Final = 2006
"""Twitter's first year; an earlier date comes from a clock that was never set."""
_LAST_YEAR: Final = 2100
_MAX_LENGTH: Final = 64
"""Maximum length of a date in characters, well above any real one: it bounds the size of the cache."""


def microseconds(value: object) -> int:
    """Return a timestamp in microseconds since 1970, UTC.

    Accepts Twitter's own format (Thu Dec 10 08:01:02 +0000 2015, or with UTC, GMT, PDT or PST), ISO 8601 (UTC if it has
    no offset), seconds or milliseconds since 1970, datetimes and dates. Raises RejectedRecord if the value is missing
    (no-date), in another format or not in Twitter's lifetime (bad-date).
    """
    if value is None or value == "":
        raise RejectedRecord("no-date")
    try:
        return _parse_cached(value) if isinstance(value, str) else _since_1970(_to_datetime(value))
    except (ValueError, OverflowError, KeyError, OSError) as error:
        raise RejectedRecord("bad-date", f"{str(value)[:100]}: {error}") from None


def _parse_cached(text: str) -> int:
    """Parse a string; the result is cached for its minute, since tweets of a minute are neighbours in an archive."""
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"{len(text)} characters are too long for a date")
    if text[13:14] == ":" == text[16:17] and (seconds := _SECONDS.get(text[17:19])) is not None:
        return _cached_microseconds(f"{text[:17]}00{text[19:]}") + seconds
    return _cached_microseconds(text)


@lru_cache(maxsize=4096)
def _cached_microseconds(text: str) -> int:
    return _since_1970(_parse(text.strip()))


def _since_1970(moment: datetime) -> int:
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise ValueError(f"year {moment.year}")
    return (moment - _EPOCH) // _MICROSECOND


def _to_datetime(value: object) -> datetime:
    if isinstance(value, datetime):
        return _to_utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a {type(value).__name__} is not a time")
    return _parse(str(value))


def _parse(text: str) -> datetime:
    if match := _TWITTER.fullmatch(text):
        month, day, hour, minute, second, zone, year = match.groups()
        moment = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return moment if zone == "+0000" else moment - _offset(zone)
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= 1e11 else seconds, UTC)
    return _to_utc(datetime.fromisoformat(text))


def _offset(zone: str) -> timedelta:
    """Return the offset of a time zone from UTC."""
    if zone in _ZONES:
        return timedelta(hours=_ZONES[zone])
    if zone.isalpha():
        raise ValueError(f"zone {zone} is not known")
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    return -offset if zone.startswith("-") else offset


def _to_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
