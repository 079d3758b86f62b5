"""A Russian tweet's text from first to last: what it says, how it is typed, what is put beside it."""

from random import Random
from typing import Final

from tonality.ingest.synthetic.decoration import decorate
from tonality.ingest.synthetic.grammar import sentences
from tonality.ingest.synthetic.random_streams import Ranked
from tonality.ingest.synthetic.typos import roughen

__all__ = ["compose"]

_LONGEST: Final = 280


def compose(random: Random, tone: str, topic: str, mood: str | None, names: Ranked[str]) -> str:
    """A text of at most 280 characters, not yet escaped.

    `tone` is what it says (positive, negative, neutral), `mood` the side of its emoticon, if any; the two need not
    agree. `topic` is film or everyday, `names` the screen names that may be addressed.
    """
    while True:
        text = decorate(random, roughen(random, sentences(random, tone, topic)), topic, mood, names)
        if len(text) <= _LONGEST:
            return text
