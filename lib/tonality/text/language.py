"""A language: its letters, its stemmer and its emoticons, read from a file of conf/languages/."""

import re
import tomllib
from pathlib import Path
from typing import Annotated

import Stemmer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

__all__ = ["Language", "load_language"]


def _is_character_class(letters: str) -> str:
    if set(letters) & set("[]^"):
        raise ValueError("not the inside of a regular expression's [ ]: it holds one of [ ] ^")
    if letters != letters.lower():
        raise ValueError("capitals are never found, since words are cut from lower-case text")
    try:
        pattern = re.compile(_word_class(letters))
    except re.error as error:
        raise ValueError(f"not the inside of a regular expression's [ ]: {error}") from error
    if pattern.search(" \n"):
        raise ValueError("white space parts words, so it cannot be a letter")
    return letters


def _word_class(letters: str) -> str:
    return f"[0-9{letters}]"


def _is_algorithm(name: str) -> str:
    if name not in Stemmer.algorithms():
        raise ValueError(f"no stemmer of PyStemmer, which has {', '.join(Stemmer.algorithms())}")
    return name


def _is_character(text: str) -> str:
    if len(text) != 1 or text.isspace():
        raise ValueError("must be one character, no white space")
    return text


def _is_one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("must not hold a line break")
    return text


def _is_sign(text: str) -> str:
    if not text or any(map(str.isspace, text)):
        raise ValueError("must be one character or more, no white space")
    return text


_Character = Annotated[str, AfterValidator(_is_character)]
_Sign = Annotated[str, AfterValidator(_is_sign)]


class Emoticons(BaseModel):
    """The signs that label a tweet, by the tone they stand for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    positive: tuple[_Sign, ...]
    negative: tuple[_Sign, ...]


class Language(BaseModel):
    """What the text rules must know of a language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    letters: Annotated[str, Field(min_length=1), AfterValidator(_is_character_class)]
    """The inside of a regular expression's [ ], of lower-case letters."""
    stemmer: Annotated[str, AfterValidator(_is_algorithm)]
    """PyStemmer's algorithm."""
    ignored: tuple[_Character, ...]
    """Characters deleted before words are cut."""
    lower: dict[_Character, Annotated[str, AfterValidator(_is_one_line)]]
    """Lower-casing that differs from Unicode's, one character to a string."""
    emoticons: Emoticons

    @property
    def word_class(self) -> str:
        """The characters of words, letters and digits, as a regular expression."""
        return _word_class(self.letters)


def load_language(name: str, directory: Path) -> Language:
    """The language of a file in the directory, by its name without `.toml`, or of any file by its path.

    Raises ValueError where there is no such file or it is not a language's.
    """
    file = Path(name) if name.endswith(".toml") else directory / f"{name}.toml"
    try:
        return Language.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        known = ", ".join(sorted(path.stem for path in directory.glob("*.toml")))
        raise ValueError(f"text.language: no file {file}; there are {known}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"text.language: {file} cannot be read: {error}") from error
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise ValueError("\n".join(f"text.language: {file}: {fault}" for fault in faults)) from error
