"""Locations with a {day} placeholder: one per day, so that a nightly run opens only the files of its night."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

from tonality.runtime.diagnostics.errors import SettingsError

__all__ = ["DayLocations", "day_locations", "fixed_part", "has_day"]

_DAY: Final = re.compile(r"\{day(?::([^{}]*))?\}")
_ATTEMPT: Final = re.compile(r"\{\s*(?:day|date)", re.IGNORECASE)
"""The start of a {day}, or of a probable misspelling of it; all other braces are literal."""
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DAY_DIRECTIVES: Final = "YymdjFGVuUWwbBaA"
"""The directives of strftime that depend on the day only; those of the time would always give 00."""
_EXPECTED: Final = "expected {day}, which is 2015-12-10, or another format as in {day:%Y/%m/%d}"


class DayLocations(NamedTuple):
    """The locations to read for a range of days, without duplicates."""

    required: tuple[str, ...]
    """Those of the days themselves and those without {day}: they must exist."""
    optional: tuple[str, ...]
    """Those of days before and after, which may be missing: they may not have been collected yet."""


def has_day(location: str) -> bool:
    """True if the location contains {day}. Raises SettingsError if its {day} is malformed."""
    if not _ATTEMPT.search(location):
        return False
    for found in _DAY.finditer(location):
        if found[1] is not None:
            _check_format(found[1], location)
    if set(_DAY.sub("", location)) & set("{}"):
        raise SettingsError(f"{location}: {_EXPECTED}, and no other braces beside it")
    return True


def day_locations(
    locations: Iterable[str], since: date | None, until: date | None, lookback: int = 0, lookahead: int = 0
) -> DayLocations:
    """The locations with {day} filled in for each day from `since` to `until`, both included, in order.

    `lookback` and `lookahead` are the numbers of extra days before and after. Raises SettingsError if a {day} is
    malformed or a bound of the days is missing.
    """
    required: dict[str, None] = {}
    optional: dict[str, None] = {}
    for location in locations:
        if not has_day(location):
            required[location] = None
            continue
        if since is None or until is None:
            raise SettingsError(f"{location}: {{day}} needs both archive.since and archive.until")
        first, last = since.toordinal(), until.toordinal()
        required |= _filled(location, first, last)
        optional |= _filled(location, first - lookback, last + lookahead)
    return DayLocations(tuple(required), tuple(location for location in optional if location not in required))


def fixed_part(location: str) -> str:
    """The folder of a location with {day} that is the same for every day."""
    prefix = location.partition("{day")[0]
    return prefix[: prefix.rfind("/") + 1] or "."


def _check_format(day_format: str, location: str) -> None:
    """Refuse a format that strftime does not know, or that does not depend on the day."""
    directives = _DIRECTIVE.findall(day_format)
    if unknown := [f"%{letter}" for letter in directives if letter not in (*_DAY_DIRECTIVES, "%")]:
        known = " ".join(f"%{letter}" for letter in _DAY_DIRECTIVES)
        raise SettingsError(
            f"{location}: {' '.join(unknown)} in {{day:{day_format}}} does not format a day; there are {known}"
        )
    if not set(directives) & set(_DAY_DIRECTIVES):
        raise SettingsError(f"{location}: {{day:{day_format}}} is the same on every day: {_EXPECTED}")


def _filled(location: str, first: int, last: int) -> dict[str, None]:
    """The location for each day of a range of ordinals, as far as the calendar goes."""
    days = map(date.fromordinal, range(max(first, 1), min(last, date.max.toordinal()) + 1))
    return {_fill(day, location): None for day in days}


def _fill(day: date, location: str) -> str:
    return _DAY.sub(lambda found: day.strftime(found[1]) if found[1] else day.isoformat(), location)
