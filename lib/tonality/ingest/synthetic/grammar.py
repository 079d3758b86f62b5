"""What Russian tweets say: sentences of a tone, put together from the lexicon.

The tone stands in the choice of words, but words overlap between the tones: by negation, by a change of mind in
mid-sentence, by irony, and in sentences whose words only lean to one side.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final

from tonality.ingest.synthetic.inflection import CASES, NOMINATIVE, Noun
from tonality.ingest.synthetic.lexicon import SUBJECTS, lexicon
from tonality.ingest.synthetic.random_streams import pick
from tonality.runtime.storage.schema import NEGATIVE, NEUTRAL, POSITIVE

__all__ = ["sentences"]

_OTHER: Final = {POSITIVE: NEGATIVE, NEGATIVE: POSITIVE}

_FIGURES: Final = (
    # share of opinions, figure of speech
    (0.725, "plain"),
    (0.130, "weak"),
    (0.050, "mixed"),
    (0.045, "negated"),
    (0.020, "expected"),
    (0.020, "ironic"),
    (0.01, "reversed"),
)
_WEAK_RELIABILITY: Final = 0.9
"""How often a sentence that only leans to one tone was written in that tone."""
_SECOND_OPINION: Final = 0.35
_CONTEXTS: Final = (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 4)
"""How many sentences of no tone stand around the one that matters."""
_BALANCED: Final = 0.12
"""The share of neutral tweets that name both sides."""

_SLOT: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A word of a list, in a case; `side` is + for the sentence's tone and - for the other."""

    words: str
    case: int
    side: str


@dataclass(frozen=True, slots=True)
class _Gendered:
    """What a man or a woman writes."""

    masculine: str
    feminine: str


@dataclass(frozen=True, slots=True)
class _Sentence:
    subject: str
    parts: tuple[str | _Slot | _Gendered, ...]


def sentences(random: Random, tone: str, topic: str) -> list[str]:
    """The sentences of one tweet, without punctuation at their ends.

    `tone` is positive, negative or neutral, `topic` film or everyday.
    """
    feminine = random.random() < 0.5
    if tone == NEUTRAL:
        said = [_neutral(random, topic, feminine)]
    else:
        said = [_opinion(random, tone, topic, feminine)]
        if random.random() < _SECOND_OPINION:
            said.append(_say(random, "plain", tone, topic, feminine))
    for number in range(pick(random, _CONTEXTS)):
        context = _say(random, "context", POSITIVE, topic, feminine)
        said.insert(len(said) if number % 2 else 0, context)
    return said


def _neutral(random: Random, topic: str, feminine: bool) -> str:
    return _say(random, "balanced" if random.random() < _BALANCED else "news", POSITIVE, topic, feminine)


def _opinion(random: Random, tone: str, topic: str, feminine: bool) -> str:
    figure = _figure(random)
    if figure == "weak":
        side = tone if random.random() < _WEAK_RELIABILITY else _OTHER[tone]
        words = lexicon().words[f"weak_{side}"]
        return words.draw(random).form(NOMINATIVE, _ANYTHING, feminine)
    if figure == "mixed":
        first = _say(random, "plain", _OTHER[tone], topic, feminine)
        but = lexicon().words["but"].draw(random).form(NOMINATIVE, _ANYTHING, feminine)
        return f"{first}, {but} {_say(random, 'plain', tone, topic, feminine)}"
    if figure == "reversed":  # irony without a mark: nobody can tell
        return _say(random, "plain", _OTHER[tone], topic, feminine)
    return _say(random, figure, tone, topic, feminine)


def _figure(random: Random) -> str:
    number = random.random()
    for share, figure in _FIGURES:
        number -= share
        if number < 0:
            return figure
    return _FIGURES[0][1]


def _say(random: Random, figure: str, tone: str, topic: str, feminine: bool) -> str:
    """One sentence of a figure of speech, its slots filled."""
    sentence = pick(random, _sentences(figure))
    words = lexicon().words
    subject = lexicon().subjects[sentence.subject or topic].draw(random)
    said = []
    for part in sentence.parts:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, _Gendered):
            said.append(part.feminine if feminine else part.masculine)
        elif part.words == "X":
            said.append(subject.forms[part.case])
        else:
            said.append(words[_list_name(part, tone)].draw(random).form(part.case, subject, feminine))
    return "".join(said)


def _list_name(slot: _Slot, tone: str) -> str:
    if not slot.side:
        return slot.words
    return f"{slot.words}_{tone if slot.side == '+' else _OTHER[tone]}"


@cache
def _sentences(figure: str) -> Sequence[_Sentence]:
    return [_parse(text) for text in lexicon().sentences[figure]]


def _parse(text: str) -> _Sentence:
    subject, colon, rest = text.partition(": ")
    if not colon or subject not in SUBJECTS:
        subject, rest = "", text
    literals_and_slots = _SLOT.split(rest)  # alternating
    parts = [_parse_slot(part) if i % 2 else part for i, part in enumerate(literals_and_slots)]
    return _Sentence(subject, tuple(part for part in parts if part))


def _parse_slot(slot: str) -> _Slot | _Gendered:
    if "|" in slot:
        return _Gendered(*slot.split("|"))
    side = slot[0] if slot[0] in "+-" else ""
    words, _, case = slot.removeprefix(side).partition(".")
    return _Slot(words, CASES.index(case) if case else NOMINATIVE, side)


_ANYTHING: Final = Noun.parse("всё:n0")
"""The subject of what has none."""
