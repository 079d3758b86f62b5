"""Locations that hold {day}: one for each day of a run, so that a night's run opens the files of its night alone."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

from tonality.runtime.diagnostics.errors import SettingsError

__all__ = ["DayLocations", "day_locations", "fixed_part", "has_day"]

_DAY: Final = re.compile(r"\{day(?::([^{}]*))?\}")
_MEANT: Final = re.compile(r"\{\s*(?:day|date)", re.IGNORECASE)
"""What begins a {day}, or is near enough to be meant for one: in any other location braces are braces."""
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_OF_DAYS: Final = "YymdjFGVuUWwbBaA"
"""The directives of strftime that tell days; those of hours would say 00 of each."""
_EXPECTED: Final = "expected {day}, which is 2015-12-10, or another form as in {day:%Y/%m/%d}"


class DayLocations(NamedTuple):
    """What to read for a range of days, each location once."""

    expected: tuple[str, ...]
    """Those of the days themselves, and all that are of no day: they must be found."""
    besides: tuple[str, ...]
    """Those of days before and after, which may be missing: they may not have been collected yet."""


def has_day(location: str) -> bool:
    """Whether a location holds {day}. Raises SettingsError where it has one that is not written as it should be."""
    if not _MEANT.search(location):
        return False
    for found in _DAY.finditer(location):
        if found[1] is not None:
            _check_form(found[1], location)
    if set(_DAY.sub("", location)) & set("{}"):
        raise SettingsError(f"{location}: {_EXPECTED}, and no other braces beside it")
    return True


def day_locations(
    locations: Iterable[str], since: date | None, until: date | None, lookback: int = 0, lookahead: int = 0
) -> DayLocations:
    """The locations with {day} filled in for each day from `since` to `until`, both included, in their order.

    `lookback` and `lookahead` are the days before and after whose files are read besides. Raises SettingsError where a
    {day} is not written as it should be, or a bound of the days is not known.
    """
    expected: dict[str, None] = {}
    besides: dict[str, None] = {}
    for location in locations:
        if not has_day(location):
            expected[location] = None
            continue
        if since is None or until is None:
            raise SettingsError(f"{location}: {{day}} needs both archive.since and archive.until")
        first, last = since.toordinal(), until.toordinal()
        expected |= _filled(location, first, last)
        besides |= _filled(location, first - lookback, last + lookahead)
    return DayLocations(tuple(expected), tuple(location for location in besides if location not in expected))


def fixed_part(location: str) -> str:
    """The folder of a location with {day} that is the same on every day."""
    same = location.partition("{day")[0]
    return same[: same.rfind("/") + 1] or "."


def _check_form(form: str, location: str) -> None:
    """Refuse a form that strftime does not know, or that is the same on every day."""
    directives = _DIRECTIVE.findall(form)
    if unknown := [f"%{letter}" for letter in directives if letter not in (*_OF_DAYS, "%")]:
        known = " ".join(f"%{letter}" for letter in _OF_DAYS)
        raise SettingsError(f"{location}: {' '.join(unknown)} tells no day in {{day:{form}}}; there are {known}")
    if not set(directives) & set(_OF_DAYS):
        raise SettingsError(f"{location}: {{day:{form}}} is the same on every day: {_EXPECTED}")


def _filled(location: str, first: int, last: int) -> dict[str, None]:
    """The location on each of the days, as ordinals, that a calendar has."""
    days = map(date.fromordinal, range(max(first, 1), min(last, date.max.toordinal()) + 1))
    return {_on(day, location): None for day in days}


def _on(day: date, location: str) -> str:
    return _DAY.sub(lambda found: day.strftime(found[1]) if found[1] else day.isoformat(), location)
