"""Russian sentences with a given tone, generated from the lexicon.

The tone determines the words, but the tones' words overlap: by negation, contrast within a sentence, irony, and weakly
toned sentences.
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
"""The share of weakly toned sentences whose tone is the tweet's."""
_SECOND_OPINION: Final = 0.35
_CONTEXT_SENTENCES: Final = (0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 4)
"""Numbers of toneless sentences around the toned ones, each equally likely."""
_BALANCED: Final = 0.12
"""The share of neutral tweets with both a positive and a negative side."""

_SLOT: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class _Slot:
    """A slot for a word of a list in a case; `side` is + for the sentence's tone, - for the opposite one."""

    words: str
    case: int
    side: str


@dataclass(frozen=True, slots=True)
class _Gendered:
    """Text that depends on the author's gender."""

    masculine: str
    feminine: str


@dataclass(frozen=True, slots=True)
class _Template:
    """A sentence with slots; an empty subject means the tweet's topic."""

    subject: str
    parts: tuple[str | _Slot | _Gendered, ...]


def sentences(random: Random, tone: str, topic: str) -> list[str]:
    """Generate the sentences of a tweet, without final punctuation.

    `tone` is positive, negative or neutral, `topic` film or everyday.
    """
    feminine = random.random() < 0.5
    if tone == NEUTRAL:
        result = [_neutral(random, topic, feminine)]
    else:
        result = [_opinion(random, tone, topic, feminine)]
        if random.random() < _SECOND_OPINION:
            result.append(_sentence(random, "plain", tone, topic, feminine))
    for number in range(pick(random, _CONTEXT_SENTENCES)):
        context = _sentence(random, "context", POSITIVE, topic, feminine)
        result.insert(len(result) if number % 2 else 0, context)
    return result


def _neutral(random: Random, topic: str, feminine: bool) -> str:
    return _sentence(random, "balanced" if random.random() < _BALANCED else "news", POSITIVE, topic, feminine)


def _opinion(random: Random, tone: str, topic: str, feminine: bool) -> str:
    figure = _draw_figure(random)
    if figure == "weak":
        side = tone if random.random() < _WEAK_RELIABILITY else _OTHER[tone]
        words = lexicon().words[f"weak_{side}"]
        return words.draw(random).form(NOMINATIVE, _ANYTHING, feminine)
    if figure == "mixed":
        first = _sentence(random, "plain", _OTHER[tone], topic, feminine)
        but = lexicon().words["but"].draw(random).form(NOMINATIVE, _ANYTHING, feminine)
        return f"{first}, {but} {_sentence(random, 'plain', tone, topic, feminine)}"
    if figure == "reversed":  # irony without a hint: not recognisable
        return _sentence(random, "plain", _OTHER[tone], topic, feminine)
    return _sentence(random, figure, tone, topic, feminine)


def _draw_figure(random: Random) -> str:
    number = random.random()
    for share, figure in _FIGURES:
        number -= share
        if number < 0:
            return figure
    return _FIGURES[0][1]


def _sentence(random: Random, figure: str, tone: str, topic: str, feminine: bool) -> str:
    """Generate a sentence with a figure of speech and fill its slots."""
    template = pick(random, _templates(figure))
    words = lexicon().words
    subject = lexicon().subjects[template.subject or topic].draw(random)
    filled = []
    for part in template.parts:
        if isinstance(part, str):
            filled.append(part)
        elif isinstance(part, _Gendered):
            filled.append(part.feminine if feminine else part.masculine)
        elif part.words == "X":
            filled.append(subject.forms[part.case])
        else:
            filled.append(words[_list_name(part, tone)].draw(random).form(part.case, subject, feminine))
    return "".join(filled)


def _list_name(slot: _Slot, tone: str) -> str:
    if not slot.side:
        return slot.words
    return f"{slot.words}_{tone if slot.side == '+' else _OTHER[tone]}"


@cache
def _templates(figure: str) -> Sequence[_Template]:
    return [_parse(text) for text in lexicon().sentences[figure]]


def _parse(text: str) -> _Template:
    subject, colon, rest = text.partition(": ")
    if not colon or subject not in SUBJECTS:
        subject, rest = "", text
    literals_and_slots = _SLOT.split(rest)  # alternating
    parts = [_parse_slot(part) if i % 2 else part for i, part in enumerate(literals_and_slots)]
    return _Template(subject, tuple(part for part in parts if part))


def _parse_slot(slot: str) -> _Slot | _Gendered:
    if "|" in slot:
        return _Gendered(*slot.split("|"))
    side = slot[0] if slot[0] in "+-" else ""
    words, _, case = slot.removeprefix(side).partition(".")
    return _Slot(words, CASES.index(case) if case else NOMINATIVE, side)


_ANYTHING: Final = Noun.parse("всё:n0")
"""The subject of words that need none."""
