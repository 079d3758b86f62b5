"""Text rules: a language's letters, stemmer and emoticons, and the treatment of links and mentions."""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import Stemmer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

__all__ = ["Emoticons", "Language", "Rules", "load_language"]

_ALGORITHM: Final = 1
"""Version of preprocess.py: raised whenever it yields other stems for the same rules."""


def _check_letters(letters: str) -> str:
    if set(letters) & set("[]^"):
        raise ValueError("not the inside of a regular expression's [ ]: it holds one of [ ] ^")
    if letters != letters.lower():
        raise ValueError("capital letters never match, since words are cut from lower-case text")
    try:
        pattern = re.compile(_word_class(letters))
    except re.error as error:
        raise ValueError(f"not the inside of a regular expression's [ ]: {error}") from error
    if pattern.search(" \n"):
        raise ValueError("white space separates words, so it cannot be a letter")
    return letters


def _word_class(letters: str) -> str:
    return f"[0-9{letters}]"


def _check_stemmer(name: str) -> str:
    if name not in Stemmer.algorithms():
        raise ValueError(f"not a stemmer of PyStemmer, which has {', '.join(Stemmer.algorithms())}")
    return name


def _check_character(text: str) -> str:
    if len(text) != 1 or text.isspace():
        raise ValueError("must be one character, no white space")
    return text


def _check_one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("must not contain a line break")
    return text


def _check_emoticon(text: str) -> str:
    if not text or any(map(str.isspace, text)):
        raise ValueError("must be one character or more, no white space")
    return text


_Character = Annotated[str, AfterValidator(_check_character)]
_Emoticon = Annotated[str, AfterValidator(_check_emoticon)]


class Emoticons(BaseModel):
    """The emoticons that label a tweet, by tone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    positive: tuple[_Emoticon, ...]
    negative: tuple[_Emoticon, ...]


class Language(BaseModel):
    """Settings of a language, read from a file of conf/languages/."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    letters: Annotated[str, Field(min_length=1), AfterValidator(_check_letters)]
    """Lower-case letters, as the inside of a regular expression's [ ]."""
    stemmer: Annotated[str, AfterValidator(_check_stemmer)]
    """A PyStemmer algorithm."""
    ignored: tuple[_Character, ...]
    """Characters deleted before the text is split into words."""
    lower: dict[_Character, Annotated[str, AfterValidator(_check_one_line)]]
    """Exceptions to Unicode's lower-casing: a character and its replacement."""
    emoticons: Emoticons

    @property
    def word_class(self) -> str:
        """The characters of words, letters and digits, as a regular expression."""
        return _word_class(self.letters)


class Rules(BaseModel):
    """Everything that determines a text's stems: one value for the workers, the tables and the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The language as named in the settings, for people."""
    language: Language
    links: Literal["drop", "keep"]
    mentions: Literal["drop", "keep"]

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change with the rules, the algorithm or the stemmer's version."""
        facts = {"algorithm": _ALGORITHM, "stemmer": Stemmer.version(), **self.model_dump(exclude={"name"})}
        canonical = json.dumps(facts, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def load_language(name: str, directory: Path) -> Language:
    """Load a language: `name` is a file of the directory without its `.toml`, or the path of any `.toml` file.

    Raises ValueError if the file does not exist or is not a valid language file; each argument of it is an error.
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
        details = (f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        raise ValueError(*(f"text.language: {file}: {detail}" for detail in details)) from error
