"""Tweets of other languages: plain sentences, enough to be filtered out."""

from random import Random
from string import Formatter
from typing import Final

from tonality.ingest.synthetic.lexicon import foreign_words
from tonality.ingest.synthetic.random_streams import Ranked, pick

__all__ = ["LANGUAGES", "foreign_text"]

LANGUAGES: Final = Ranked(("en", "uk", "es", "de", "und"))
"""Languages as Twitter names them, from frequent to rare; `und` is a text that has none."""

_HASHTAGS: Final = Ranked(("#StarWars", "#TheForceAwakens", "#starwars", "#StarWarsTheForceAwakens", "#movie"))
_WORDLESS: Final = ("😂😂😂", "👍", "😍 😍", "!!!", "<3 <3 <3", "7!", "♥")


def foreign_text(random: Random, language: str) -> str:
    """The text of one tweet in a language of LANGUAGES."""
    if language == "und":
        return f"{pick(random, _WORDLESS)} {_HASHTAGS.draw(random)}"
    words = foreign_words()[language]
    pieces = []
    for literal, slot, _, _ in Formatter().parse(pick(random, words["sentences"])):
        pieces.append(literal)
        if slot:
            pieces.append(pick(random, words[slot]).replace("_", " "))
    return f"{''.join(pieces)} {_HASHTAGS.draw(random)}"
