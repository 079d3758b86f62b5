"""Times as archives write them, to microseconds since 1970."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from tonality.archive.outcome import Rejected

__all__ = ["microseconds"]

_TWITTER: Final = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d) (\d{4})")
_MONTHS: Final = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_NUMBER: Final = re.compile(r"\d{1,19}(\.\d*)?")
_FIRST_YEAR: Final = 2006
"""Twitter's first year: an earlier date is a clock that was never set."""
_LAST_YEAR: Final = 2100


def microseconds(value: object) -> int:
    """A time as microseconds since 1970, UTC.

    Reads Twitter's own form (Thu Dec 10 08:01:02 +0000 2015), ISO 8601 (UTC where it names no offset), seconds or
    milliseconds since 1970, and datetimes. Raises Rejected where it is none of these or no time Twitter has seen.
    """
    if value is None or value == "":
        raise Rejected("no-date")
    try:
        moment = _moment(value)
        if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
            raise ValueError(f"year {moment.year}")
    except (ValueError, OverflowError, KeyError, OSError) as error:
        raise Rejected("bad-date", f"{str(value)[:100]}: {error}") from None
    return calendar.timegm(moment.utctimetuple()) * 1_000_000 + moment.microsecond


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a {type(value).__name__} is no time")
    return _read(str(value).strip())


@lru_cache(maxsize=4096)  # neighbours in an archive share their second
def _read(text: str) -> datetime:
    if match := _TWITTER.fullmatch(text):
        month, day, hour, minute, second, sign, east, past, year = match.groups()
        moment = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        offset = timedelta(hours=int(east), minutes=int(past))
        return moment - offset if sign == "+" else moment + offset
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= 1e11 else seconds, UTC)
    return _in_utc(datetime.fromisoformat(text))


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
