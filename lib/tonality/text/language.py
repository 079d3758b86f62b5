"""A language: its letters, its stemmer and its emoticons, read from a file of conf/languages/."""

import re
import tomllib
from pathlib import Path
from typing import Annotated

import Stemmer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from tonality.faults import SettingsFault

__all__ = ["Language", "load_language"]


def _is_character_class(letters: str) -> str:
    try:
        re.compile(f"[{letters}]")
    except re.error as error:
        raise ValueError(f"not the inside of a regular expression's [ ]: {error}") from error
    return letters


def _is_algorithm(name: str) -> str:
    if name not in Stemmer.algorithms():
        raise ValueError(f"no stemmer of PyStemmer, which has {', '.join(Stemmer.algorithms())}")
    return name


class Emoticons(BaseModel):
    """The signs that label a tweet, by the tone they stand for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    positive: tuple[str, ...]
    negative: tuple[str, ...]


class Language(BaseModel):
    """What the text rules must know of a language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    letters: Annotated[str, Field(min_length=1), AfterValidator(_is_character_class)]
    """The inside of a regular expression's [ ], of lower-case letters."""
    stemmer: Annotated[str, AfterValidator(_is_algorithm)]
    """PyStemmer's algorithm."""
    ignored: tuple[str, ...]
    """Characters deleted before words are cut."""
    lower: dict[str, str]
    """Lower-casing that differs from Unicode's, one character to a string."""
    emoticons: Emoticons


def load_language(name: str, directory: Path) -> Language:
    """The language of a file in the directory, by its name without `.toml`, or of any file by its path.

    Raises SettingsFault where there is no such file or it is not a language's.
    """
    file = Path(name) if name.endswith(".toml") else directory / f"{name}.toml"
    try:
        return Language.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in directory.glob("*.toml")))
        raise SettingsFault(f"text.language: no file {file}; there are {known}") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsFault(f"text.language: {file} cannot be read: {error}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise SettingsFault("\n".join(f"text.language: {file}: {fault}" for fault in faults)) from error
