"""The text of a Russian tweet: sentences, typos and decoration."""

from random import Random
from typing import Final

from tonality.ingest.synthetic.decoration import decorate
from tonality.ingest.synthetic.grammar import sentences
from tonality.ingest.synthetic.random_streams import ZipfSampler
from tonality.ingest.synthetic.typos import add_typos

__all__ = ["compose"]

_MAX_CHARACTERS: Final = 280


def compose(random: Random, tone: str, topic: str, emoticon_tone: str | None, names: ZipfSampler[str]) -> str:
    """Generate a text of at most 280 characters, not escaped.

    `tone` is that of its words (positive, negative or neutral), `emoticon_tone` that of its emoticon, if any; they may
    differ. `topic` is film or everyday, `names` are the screen names to mention.
    """
    while True:
        text = decorate(random, add_typos(random, sentences(random, tone, topic)), topic, emoticon_tone, names)
        if len(text) <= _MAX_CHARACTERS:
            return text
