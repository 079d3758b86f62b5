r"""A topic's words as regular expressions for java.util.regex, as Spark has it, that find them in texts as written.

Whatever may differ between two spellings of a letter is written out in the pattern, so that no text has to be folded or
copied. A letter of a word is what Unicode calls a letter, a digit or a combining mark: without the marks, words of
Hindi or Thai and letters with a stress would fall apart.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["hashtag_pattern", "phrase_pattern"]

_CASE_APART: Final = "(?iu)"
_LETTER: Final = r"[\p{L}\p{N}\p{M}]"
_BEGIN: Final = rf"(?<!{_LETTER})"
_END: Final = rf"(?!{_LETTER})"
_BETWEEN: Final = r"[^\p{L}\p{N}\p{M}]+"
_TAG_LETTER: Final = r"[\p{L}\p{N}\p{M}_]"
_ALIKE: Final = {"ё": "её", "е": "её"}
"""Letters that are written for each other: ё is е to most who type."""


def phrase_pattern(phrases: Iterable[str]) -> str:
    """The pattern that finds any of the phrases in a text: whole words, in their order, with nothing but signs between.

    A word is a run of letters and digits; _ # @ and all other signs part words, in phrases and in texts. `*` at the end
    of a word stands for any rest of it. The upper and the lower case of a letter are one, е and ё too, and so are the
    composed and the decomposed form of a letter (Unicode Standard Annex #15).

    Raises ValueError where a phrase has no word, or a `*` that is not at a word's end.
    """
    return f"{_CASE_APART}(?:{'|'.join(map(_phrase, phrases))})"


def hashtag_pattern(tags: Iterable[str]) -> str:
    """The pattern that any of the hashtags matches as a whole, # or none before it, with `*` for any rest of it.

    Letters are alike as in `phrase_pattern`. Raises ValueError where a tag is no hashtag.
    """
    return f"{_CASE_APART}^(?:{'|'.join(map(_tag, tags))})$"


def _phrase(phrase: str) -> str:
    words = _words(unicodedata.normalize("NFC", phrase))
    if not any(map(_has_letter, words)):
        raise ValueError(f"{phrase!r} has no word: wanted letters or digits")
    if any("*" in word.removesuffix("*") or not _has_letter(word) for word in words):
        raise ValueError(f"{phrase!r}: a * stands at the end of a word, for the rest of it, and nowhere else")
    return _BEGIN + _BETWEEN.join(_written(word, _LETTER) for word in words) + _END


def _words(phrase: str) -> list[str]:
    """The runs of letters and `*`."""
    runs = itertools.groupby(phrase, key=lambda character: character == "*" or _is_letter(character))
    return ["".join(run) for of_word, run in runs if of_word]


def _tag(tag: str) -> str:
    plain = re.sub("^[#＃]", "", unicodedata.normalize("NFC", tag))
    if not _has_letter(plain) or not all(c == "_" or _is_letter(c) for c in plain.removesuffix("*")):
        raise ValueError(f"{tag!r} is no hashtag: wanted letters, digits and _ without spaces, and * at the end alone")
    return _written(plain, _TAG_LETTER)


def _has_letter(word: str) -> bool:
    return any(map(_is_letter, word))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _written(word: str, rest: str) -> str:
    letters = "".join(map(_letter, word.removesuffix("*")))
    return f"{letters}{rest}*" if word.endswith("*") else letters


def _letter(letter: str) -> str:
    """Every way of writing it but for its case, which Java sets apart."""
    same = _ALIKE.get(letter.lower(), letter)
    written = {*same, *(unicodedata.normalize("NFD", form) for form in same)}
    if len(written) == 1:
        return re.escape(letter)
    return f"(?:{'|'.join(sorted(written, key=len, reverse=True))})"
