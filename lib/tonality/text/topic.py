r"""A topic's words as regular expressions, the same for Java and Python, that find them in texts as they were written.

The patterns are made of what both engines read alike; each wants its own flags before them (`JAVA`, `PYTHON`). Whatever
may differ between two spellings of a letter is written out, so that no text has to be folded or copied.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["JAVA", "PYTHON", "hashtag_pattern", "phrase_pattern"]

JAVA: Final = "(?iuU)"
r"""Before a pattern, for java.util.regex: case apart, and \w as Unicode has it."""
PYTHON: Final = "(?iu)"
"""The same for Python's re."""

_LETTER: Final = r"[^\W_]"
_BEGIN: Final = rf"(?<!{_LETTER})"
_END: Final = rf"(?!{_LETTER})"
_BETWEEN: Final = r"[\W_]+"
_WORD: Final = re.compile(rf"{_LETTER}+\*?")
_TAG: Final = re.compile(r"[#＃]?(\w+\*?)")
_ALIKE: Final = {"ё": "её", "е": "её"}
"""Letters that are written for each other: ё is е to most who type."""


def phrase_pattern(phrases: Iterable[str]) -> str:
    """The pattern that finds any of the phrases in a text: whole words, in their order, with nothing but signs between.

    A word is a run of letters and digits; _ # @ and all other signs part words, in phrases and in texts. `*` at the end
    of a word stands for any rest of it. Upper and lower case are one, е and ё too, and so are the composed and the
    decomposed form of a letter (Unicode Standard Annex #15).

    Raises ValueError where a phrase has no word, or a `*` that is not at a word's end.
    """
    return "|".join(map(_phrase, phrases))


def hashtag_pattern(tags: Iterable[str]) -> str:
    """The pattern that any of the hashtags matches as a whole, # or none before it, with `*` for any rest of it.

    Letters are alike as in `phrase_pattern`. Raises ValueError where a tag is no hashtag.
    """
    return rf"^(?:{'|'.join(map(_tag, tags))})$"


def _phrase(phrase: str) -> str:
    plain = unicodedata.normalize("NFC", phrase)
    words = _WORD.findall(plain)
    if not words:
        raise ValueError(f"{phrase!r} has no word: wanted letters or digits")
    if plain.count("*") != sum(word.endswith("*") for word in words) or re.search(rf"\*{_LETTER}", plain):
        raise ValueError(f"{phrase!r}: a * stands at the end of a word, for the rest of it, and nowhere else")
    return _BEGIN + _BETWEEN.join(_written(word, _LETTER) for word in words) + _END


def _tag(tag: str) -> str:
    plain = _TAG.fullmatch(unicodedata.normalize("NFC", tag))
    if not plain or not re.search(_LETTER, plain[1]):
        raise ValueError(f"{tag!r} is no hashtag: wanted letters, digits and _ without spaces, and * at the end alone")
    return _written(plain[1], r"\w")


def _written(word: str, rest: str) -> str:
    letters = "".join(map(_letter, word.removesuffix("*").casefold()))
    return f"{letters}{rest}*" if word.endswith("*") else letters


def _letter(letter: str) -> str:
    """Every way of writing it that the engines' own case folding does not know."""
    same = _ALIKE.get(letter, letter)
    written = {*same, *(unicodedata.normalize("NFD", form) for form in same)}
    if len(written) == 1:
        return re.escape(letter)
    return f"(?:{'|'.join(sorted(written, key=len, reverse=True))})"
