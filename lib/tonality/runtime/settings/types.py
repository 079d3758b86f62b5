"""The types of the settings' keys: accepted input, its conversion, and the error message for anything else."""

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
    """Parse a date; numbers, which pydantic would take for seconds since 1970, are refused."""
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
    """The number of bytes of a Memory setting."""
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
    return _check_each(tags, lambda tag: hashtag_pattern((tag,)))


def _as_phrases(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return _check_each(phrases, lambda phrase: phrase_pattern((phrase,)))


def _as_day_names(locations: tuple[str, ...]) -> tuple[str, ...]:
    return _check_each(locations, has_day)


def _check_each(words: tuple[str, ...], check: Callable[[str], object]) -> tuple[str, ...]:
    """Return the words; raise an error of the type `each`, with the reason for each word that the check refuses."""
    if errors := list(_errors(words, check)):
        raise PydanticCustomError("each", "{errors}", {"errors": tuple(errors)})
    return words


def _errors(words: Iterable[str], check: Callable[[str], object]) -> Iterable[str]:
    for word in words:
        try:
            check(word)
        except (ValueError, SettingsError) as error:
            yield str(error)


_Name = Annotated[str, Field(min_length=1)]
WORDS: Final = (str, tuple[_Name, ...])
"""The types of text keys, for which a number keeps the form in which it was typed."""

Names = Annotated[tuple[_Name, ...], BeforeValidator(_as_list)]
"""One or several names: a bare string is a list of one, an empty string an empty list."""

DayNames = Annotated[Names, AfterValidator(_as_day_names)]
"""Locations that may contain {day}."""

Hashtags = Annotated[Names, AfterValidator(_as_hashtags)]
"""Hashtags, with or without #; `*` only at the end."""

Phrases = Annotated[Names, AfterValidator(_as_phrases)]
"""Words or phrases, each with a letter or a digit; `*` only at the end of a word."""

Day = Annotated[date | None, BeforeValidator(_as_day)]
"""A date as 2015-12-10; an empty string means no bound, since TOML has no null."""

Memory = Annotated[str, AfterValidator(_as_memory)]
"""A size in Java's notation: 4g."""

Folder = Annotated[str, Field(min_length=1), AfterValidator(_as_folder)]
"""The path or URL of one folder."""

Delimiter = Annotated[str, AfterValidator(_as_delimiter)]
"""The separator of CSV fields; the word tab is for command lines."""
