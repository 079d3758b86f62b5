"""The types of the settings' keys: what a person may type, what is made of it, and what is said to a slip."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.storage.day_paths import has_day
from tonality.text.phrase_patterns import hashtag_pattern, phrase_pattern

__all__ = ["WORDS", "Day", "DayNames", "Delimiter", "Folder", "Hashtags", "Memory", "Names", "Phrases", "in_bytes"]


def _as_list(value: object) -> object:
    if value == "":
        return ()
    return [value] if isinstance(value, str | int | float) and not isinstance(value, bool) else value


def _as_day(value: object) -> object:
    """A date from its text; numbers are refused, which pydantic would take for seconds since 1970."""
    if value == "":
        return None
    if isinstance(value, str):
        with suppress(ValueError):
            return date.fromisoformat(value.strip())
    elif value is None or type(value) is date:
        return value
    raise PydanticCustomError("day", "a date as 2015-12-10")


_UNITS: Final = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def in_bytes(memory: str) -> int:
    """A Memory as a number."""
    return int(memory[:-1]) * _UNITS[memory[-1]]


def _as_memory(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*[kmgt]", value):
        raise PydanticCustomError("memory", "a size as 4g or 512m")
    return value


def _as_folder(value: str) -> str:
    if set(value) & set("*?[]{}\\"):
        raise PydanticCustomError("folder", "one folder, without * ? [ ] { } or a backslash")
    return value


def _as_delimiter(value: str) -> str:
    delimiter = "\t" if value == "tab" else value
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise PydanticCustomError("delimiter", "one character, no quote or line break, or the word tab")
    return delimiter


def _as_hashtags(tags: tuple[str, ...]) -> tuple[str, ...]:
    return _each(tags, lambda tag: hashtag_pattern((tag,)))


def _as_phrases(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return _each(phrases, lambda phrase: phrase_pattern((phrase,)))


def _as_day_names(locations: tuple[str, ...]) -> tuple[str, ...]:
    return _each(locations, has_day)


def _each(words: tuple[str, ...], check: Callable[[str], object]) -> tuple[str, ...]:
    """The words, or a fault of a line for each that the check refuses."""
    if faults := list(_refusals(words, check)):
        raise PydanticCustomError("each", "{faults}", {"faults": "\n".join(faults)})
    return words


def _refusals(words: Iterable[str], check: Callable[[str], object]) -> Iterable[str]:
    for word in words:
        try:
            check(word)
        except (ValueError, SettingsError) as error:
            yield str(error)


_Name = Annotated[str, Field(min_length=1)]
WORDS: Final = (str, tuple[_Name, ...])
"""The types of keys that want words, so that a number given for one stays as it was typed."""

Names = Annotated[tuple[_Name, ...], BeforeValidator(_as_list)]
"""One or several: a bare string is a list of one, an empty one a list of none."""

DayNames = Annotated[Names, AfterValidator(_as_day_names)]
"""Locations, in which {day} may stand for a day."""

Hashtags = Annotated[Names, AfterValidator(_as_hashtags)]
"""Hashtags, # or none before them, `*` at the end alone."""

Phrases = Annotated[Names, AfterValidator(_as_phrases)]
"""Words or phrases, each with a letter or a digit, `*` at word ends alone."""

Day = Annotated[date | None, BeforeValidator(_as_day)]
"""A date as 2015-12-10; an empty string is no bound, since TOML has no null."""

Memory = Annotated[str, AfterValidator(_as_memory)]
"""Bytes as Java writes them: 4g."""

Folder = Annotated[str, Field(min_length=1), AfterValidator(_as_folder)]
"""One folder, or the URL of one."""

Delimiter = Annotated[str, AfterValidator(_as_delimiter)]
"""The character between the fields of CSV; the word tab is one that can be typed on a command line."""
