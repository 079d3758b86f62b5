r"""A topic's words as regular expressions that find them in texts as written.

They are for java.util.regex, as Spark has it, and for Python's `regex` (`re` knows no \p{L}), and find the same in
both, but for letters that only one of them is new enough to know. Whatever may differ between two spellings of a letter
is written out in the pattern, so that no text has to be folded or copied. A letter of a word is what Unicode calls a
letter, a digit or a combining mark: without the marks, words of Hindi or Thai and letters with a stress would fall
apart.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["common_part", "hashtag_pattern", "phrase_pattern"]

_ANY_CASE: Final = "(?iu)"
_LETTER: Final = r"[\p{L}\p{N}\p{M}]"
# Java looks behind by whole characters only where a pattern writes one beyond U+FFFF out; this one is a letter anyway.
_BEGIN: Final = "(?<![\\p{L}\\p{N}\\p{M}\U00010400])"
_END: Final = rf"(?!{_LETTER})"
_BETWEEN: Final = r"[^\p{L}\p{N}\p{M}]+"
_TAG_LETTER: Final = r"[\p{L}\p{N}\p{M}_]"
# A $ would stand before a line break at the end too, and each has its own idea of line breaks.
_WHOLE: Final = r"\A(?:{})(?![\s\S])"
_ALIKE: Final = {
    **dict.fromkeys(("е", "ё"), "её"),
    **dict.fromkeys(("i", "ı", "i\u0307"), "iıİ"),
    "\u0390": "\u0390\u1fd3",
    "\u03b0": "\u03b0\u1fe3",
    **dict.fromkeys(("ﬅ", "ﬆ"), "ﬅﬆ"),
}
"""Letters, in lower case, that are written for each other: ё is е to most who type. The others are one by their case in
Java alone or in `regex` alone."""


def phrase_pattern(phrases: Iterable[str]) -> str:
    """The pattern that finds any of the phrases in a text: whole words, in their order, with nothing but signs between.

    A word is a run of letters and digits; _ # @ and all other signs part words, in phrases and in texts. `*` at the end
    of a word stands for any rest of it. The upper and the lower case of a letter are one, е and ё too, and so are the
    composed and the decomposed form of a letter (Unicode Standard Annex #15).

    Raises ValueError where a phrase has no word, or a `*` that is not at a word's end.
    """
    return f"{_ANY_CASE}(?:{'|'.join(map(_phrase, phrases))})"


def hashtag_pattern(tags: Iterable[str]) -> str:
    """The pattern that any of the hashtags matches as a whole, # or none before it, with `*` for any rest of it.

    Letters are alike as in `phrase_pattern`. Raises ValueError where a tag is no hashtag.
    """
    return _ANY_CASE + _WHOLE.format("|".join(map(_tag, tags)))


def common_part(phrase: str) -> str:
    """What every text that `phrase_pattern` finds the phrase in has in common, once both are case-folded.

    It is the longest run of letters that are written in one way but for their case; empty where there is none.
    """
    runs = itertools.groupby(unicodedata.normalize("NFC", phrase), key=lambda c: _is_letter(c) and len(_forms(c)) == 1)
    return max(("".join(run).casefold() for in_one_way, run in runs if in_one_way), key=len, default="")


def _phrase(phrase: str) -> str:
    words = _words(unicodedata.normalize("NFC", phrase))
    if not any(map(_has_letter, words)):
        raise ValueError(f"{phrase!r} has no word: expected letters or digits")
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
        raise ValueError(
            f"{tag!r} is no hashtag: expected letters, digits and _ without spaces, and * at the end alone"
        )
    return _written(plain, _TAG_LETTER)


def _has_letter(word: str) -> bool:
    return any(map(_is_letter, word))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _written(word: str, rest: str) -> str:
    letters = "".join(map(_letter, word.removesuffix("*")))
    return f"{letters}{rest}*" if word.endswith("*") else letters


def _letter(letter: str) -> str:
    """Every way of writing it but for its case, which the flags of the pattern make one."""
    written = _forms(letter)
    if len(written) == 1:
        return re.escape(letter)
    return f"(?:{'|'.join(sorted(written, key=len, reverse=True))})"


def _forms(letter: str) -> set[str]:
    same = _ALIKE.get(letter.lower(), letter)
    return {*same, *(unicodedata.normalize("NFD", form) for form in same)}
