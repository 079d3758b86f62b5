"""Tweets in other languages: simple sentences, to be filtered out."""

from random import Random
from string import Formatter
from typing import Final

from tonality.ingest.synthetic.lexicon import foreign_words
from tonality.ingest.synthetic.random_streams import ZipfSampler, pick

__all__ = ["LANGUAGES", "foreign_text"]

LANGUAGES: Final = ZipfSampler(("en", "uk", "es", "de", "und"))
"""Twitter's language codes, from frequent to rare; `und` (undetermined) is for texts without words."""

_HASHTAGS: Final = ZipfSampler(("#StarWars", "#TheForceAwakens", "#starwars", "#StarWarsTheForceAwakens", "#movie"))
_WORDLESS: Final = ("😂😂😂", "👍", "😍 😍", "!!!", "<3 <3 <3", "7!", "♥")


def foreign_text(random: Random, language: str) -> str:
    """Generate the text of a tweet in one of LANGUAGES."""
    if language == "und":
        return f"{pick(random, _WORDLESS)} {_HASHTAGS.draw(random)}"
    words = foreign_words()[language]
    parts = []
    for literal, slot, _, _ in Formatter().parse(pick(random, words["sentences"])):
        parts.append(literal)
        if slot:
            parts.append(pick(random, words[slot]).replace("_", " "))
    return f"{''.join(parts)} {_HASHTAGS.draw(random)}"
