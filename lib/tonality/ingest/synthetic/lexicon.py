"""The lexicon: word lists and sentences, loaded from lexicon.toml once and ranked by frequency."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tonality.ingest.synthetic.inflection import Adjective, Noun, Phrase, Verb, Word
from tonality.ingest.synthetic.random_streams import ZipfSampler

__all__ = ["SUBJECTS", "Lexicon", "foreign_words", "lexicon"]

SUBJECTS: Final = ("film", "everyday", "thing")
"""Subjects of sentences; the last only for sentences that name it."""

_NUMBERS: Final = 1_000


@dataclass(frozen=True)
class Lexicon:
    """Ranked words by list, ranked subjects of sentences, and sentences by figure of speech."""

    words: Mapping[str, ZipfSampler[Word]]
    subjects: Mapping[str, ZipfSampler[Noun]]
    sentences: Mapping[str, list[str]]


@cache
def lexicon() -> Lexicon:
    """The Russian lexicon."""
    tables = _tables()
    derived = tables["derived"]
    nouns = {name: [Noun.parse(entry) for entry in text.split()] for name, text in tables["nouns"].items()}
    nouns["thing"] += [Noun.parse(entry) for entry in _prefixed(derived["thing_prefixes"], tables["nouns"]["thing"])]
    subjects = {name: [Noun.parse(entry) for entry in text.split()] for name, text in tables["subjects"].items()}
    subjects["thing"] = nouns["thing"]

    words: dict[str, Iterable[Word]] = dict(nouns)
    words |= {name: _phrases(text) for name, text in tables["phrases"].items()}
    words |= _by_tone("adjective", tables["adjectives"], Adjective.parse, derived["boosters"])
    words |= _by_tone("verb", tables["verbs"], Verb.parse)
    words |= {name: map(Adjective.parse, tables["adjectives"][name].split()) for name in ("such", "quality")}
    words["surname"] = map(Phrase.parse, _surnames(derived["surname_roots"], derived["surname_endings"]))
    words["number"] = (Phrase.parse(str(number)) for number in range(2, _NUMBERS))
    words["price"] = (Phrase.parse(str(price)) for price in range(250, 1_500, 50))
    words["hour"] = (Phrase.parse(f"{hour}:{minute:02}") for minute in range(0, 60, 5) for hour in range(23, 8, -1))
    return Lexicon(
        {name: ZipfSampler(list(items)) for name, items in words.items()},
        {name: ZipfSampler(items) for name, items in subjects.items()},
        tables["sentences"],
    )


@cache
def foreign_words() -> dict[str, dict[str, list[str]]]:
    """Sentences and words of the other languages, by Twitter's language code."""
    return {
        code: {name: text if name == "sentences" else text.split() for name, text in lists.items()}
        for code, lists in _tables()["foreign"].items()
    }


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "lexicon.toml").read_text(encoding="utf-8"))


def _phrases(text: str) -> list[Phrase]:
    return [Phrase.parse(" ".join(entry.split())) for entry in text.split(";")]


def _by_tone(
    name: str, lists: Mapping[str, str], parse: Callable[[str], Word], prefixes: str = ""
) -> dict[str, Iterable[Word]]:
    """The lists `<name>_positive` and `<name>_negative`, prefixed words last."""
    return {
        f"{name}_{tone}": [parse(word) for word in [*lists[tone].split(), *_prefixed(prefixes, lists[tone])]]
        for tone in ("positive", "negative")
    }


def _prefixed(prefixes: str, words: str) -> list[str]:
    """Every word with every prefix, sorted by prefix."""
    return [
        "/".join(prefix + part.lower() for part in word.split("/"))
        for prefix in prefixes.split()
        for word in words.split()
    ]


def _surnames(roots: str, endings: str) -> list[str]:
    return [root + ending for ending in endings.split() for root in roots.split()]
