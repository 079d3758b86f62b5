"""How people really type: sentences joined carelessly, typos, lost capitals, е for ё."""

from collections.abc import Sequence
from random import Random
from typing import Final

from tonality.ingest.synthetic.random_streams import pick, whole_number

__all__ = ["roughen"]

_ENDINGS: Final = (". ", ". ", ". ", "! ", "... ", ", ", " ", ") ", "\n", ".\n")
_LAST_ENDINGS: Final = ("", "", "", ".", "!", "!!", "...", "?!")

_LOWER_CASE: Final = 0.4
_UPPER_CASE: Final = 0.02
_SHOUTED_WORD: Final = 0.05
_PLAIN_YE: Final = 0.6
_AMPERSAND: Final = 0.06
_STRAY_QUOTE: Final = 0.025
_TYPO: Final = 0.03
_TYPO_LENGTH: Final = 4
"""Shorter words are typed right."""


def roughen(random: Random, sentences: Sequence[str]) -> str:
    """One text from sentences, as a hurried person would type it."""
    text = _join(random, sentences)
    if random.random() < _PLAIN_YE:
        text = text.replace("ё", "е").replace("Ё", "Е")
    if random.random() < _AMPERSAND:
        text = text.replace(" и ", " & ")
    words = [_mistype(random, word) if random.random() < _TYPO else word for word in text.split(" ")]
    if random.random() < _SHOUTED_WORD:
        shouted = whole_number(random, len(words))
        words[shouted] = words[shouted].upper()
    if random.random() < _STRAY_QUOTE:
        quoted = whole_number(random, len(words))
        words[quoted] = '"' + words[quoted] + pick(random, ('"', ""))
    return _recase(random, " ".join(words))


def _join(random: Random, sentences: Sequence[str]) -> str:
    pieces = []
    for sentence in sentences[:-1]:
        pieces += [sentence, pick(random, _ENDINGS)]
    return "".join([*pieces, sentences[-1], pick(random, _LAST_ENDINGS)])


def _mistype(random: Random, word: str) -> str:
    if len(word) < _TYPO_LENGTH or not word.isalpha():
        return word
    at = 1 + whole_number(random, len(word) - 2)
    slip = whole_number(random, 3)
    if slip == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if slip == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def _recase(random: Random, text: str) -> str:
    number = random.random()
    if number < _UPPER_CASE:
        return text.upper()
    if number < _UPPER_CASE + _LOWER_CASE:
        return text.lower()
    return text[:1].upper() + text[1:]
