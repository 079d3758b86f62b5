"""A topic's words as one regular expression, the same for Java and Python, that finds them in a text as it was written.

The pattern is made of what both engines read alike; each wants its own flags before it (`JAVA`, `PYTHON`). Whatever may
differ between two spellings of a letter is written out in the pattern, so that no text has to be copied or folded.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["JAVA", "PYTHON", "topic_pattern"]

JAVA: Final = "(?iuU)"
"""Before a pattern of `topic_pattern`, for java.util.regex: case apart, and \\w as Unicode has it."""
PYTHON: Final = "(?iu)"
"""The same for Python's re."""

_LETTER: Final = r"[^\W_]"
_BEGIN: Final = rf"(?<!{_LETTER})"
_END: Final = rf"(?!{_LETTER})"
_BETWEEN: Final = r"[\W_]+"
_REST: Final = rf"{_LETTER}*"
_WORD: Final = re.compile(rf"{_LETTER}+\*?")
_ALIKE: Final = {"ё": "её", "е": "её"}
"""Letters that are written for each other: ё is е to most who type."""


def topic_pattern(phrases: Iterable[str]) -> str:
    """The pattern that finds any of the phrases: their words whole, in their order, with nothing but signs between.

    A word is a run of letters and digits; _ # @ and all other signs part words, in phrases and in texts. `*` at the end
    of a word stands for any rest of it. Upper and lower case are one, е and ё too, and so are the composed and the
    decomposed form of a letter (Unicode Standard Annex #15).

    Raises ValueError where a phrase has no word, or a `*` that is not at a word's end.
    """
    return "|".join(map(_phrase, phrases))


def _phrase(phrase: str) -> str:
    plain = unicodedata.normalize("NFC", phrase)
    words = _WORD.findall(plain)
    if not words:
        raise ValueError(f"{phrase!r} has no word: wanted letters or digits")
    if plain.count("*") != sum(word.endswith("*") for word in words) or re.search(rf"\*{_LETTER}", plain):
        raise ValueError(f"{phrase!r}: a * stands at the end of a word, for the rest of it, and nowhere else")
    return _BEGIN + _BETWEEN.join(map(_word, words)) + _END


def _word(word: str) -> str:
    stem = word.removesuffix("*")
    return "".join(map(_letter, stem.casefold())) + (_REST if word.endswith("*") else "")


def _letter(letter: str) -> str:
    """Every way of writing it that the engines' own case folding does not know."""
    written = {form for same in _ALIKE.get(letter, letter) for form in (same, unicodedata.normalize("NFD", same))}
    if len(written) == 1:
        return re.escape(letter)
    return f"(?:{'|'.join(sorted(written, key=len, reverse=True))})"
