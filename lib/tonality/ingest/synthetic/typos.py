"""Careless typing: missing punctuation and capitals, typos, е for ё."""

from collections.abc import Sequence
from random import Random
from typing import Final

from tonality.ingest.synthetic.random_streams import pick, random_below

__all__ = ["add_typos"]

_ENDINGS: Final = (". ", ". ", ". ", "! ", "... ", ", ", " ", ") ", "\n", ".\n")
_LAST_ENDINGS: Final = ("", "", "", ".", "!", "!!", "...", "?!")

_LOWER_CASE: Final = 0.4
_UPPER_CASE: Final = 0.02
_SHOUTED_WORD: Final = 0.05
_YE_FOR_YO: Final = 0.6
_AMPERSAND: Final = 0.06
_STRAY_QUOTE: Final = 0.025
_TYPO: Final = 0.03
_MIN_TYPO_LENGTH: Final = 4
"""The length of the shortest words with typos."""


def add_typos(random: Random, sentences: Sequence[str]) -> str:
    """Join sentences to a text as a hurried person would type it."""
    text = _join(random, sentences)
    if random.random() < _YE_FOR_YO:
        text = text.replace("ё", "е").replace("Ё", "Е")
    if random.random() < _AMPERSAND:
        text = text.replace(" и ", " & ")
    words = [_mistype(random, word) if random.random() < _TYPO else word for word in text.split(" ")]
    if random.random() < _SHOUTED_WORD:
        shouted = random_below(random, len(words))
        words[shouted] = words[shouted].upper()
    if random.random() < _STRAY_QUOTE:
        quoted = random_below(random, len(words))
        words[quoted] = '"' + words[quoted] + pick(random, ('"', ""))
    return _recase(random, " ".join(words))


def _join(random: Random, sentences: Sequence[str]) -> str:
    parts = []
    for sentence in sentences[:-1]:
        parts += [sentence, pick(random, _ENDINGS)]
    return "".join([*parts, sentences[-1], pick(random, _LAST_ENDINGS)])


def _mistype(random: Random, word: str) -> str:
    if len(word) < _MIN_TYPO_LENGTH or not word.isalpha():
        return word
    at = 1 + random_below(random, len(word) - 2)
    kind = random_below(random, 3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def _recase(random: Random, text: str) -> str:
    number = random.random()
    if number < _UPPER_CASE:
        return text.upper()
    if number < _UPPER_CASE + _LOWER_CASE:
        return text.lower()
    return text[:1].upper() + text[1:]
