r"""Regular expressions that find a topic's keywords and hashtags in texts as written.

They suit both java.util.regex, which Spark uses, and Python's `regex` (`re` has no \p{L}), with the same matches in
both, except for letters that only one of them is new enough to know. Spellings of a letter that the engines may treat
differently are written out in the pattern, so that no text has to be folded or copied. The letters of a word are
Unicode's letters, digits and combining marks: without the marks, words of Hindi or Thai and stressed letters would be
split.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

__all__ = ["hashtag_pattern", "longest_plain_run", "phrase_pattern"]

_ANY_CASE: Final = "(?iu)"
_LETTER: Final = r"[\p{L}\p{N}\p{M}]"
# Java's lookbehind sees whole characters beyond U+FFFF only if the pattern contains one; this one is a letter anyway.
_BEGIN: Final = "(?<![\\p{L}\\p{N}\\p{M}\U00010400])"
_END: Final = rf"(?!{_LETTER})"
_BETWEEN: Final = r"[^\p{L}\p{N}\p{M}]+"
_TAG_LETTER: Final = r"[\p{L}\p{N}\p{M}_]"
# Not $, which also matches before a line break at the end, and the engines disagree on line breaks.
_WHOLE: Final = r"\A(?:{})(?![\s\S])"
_EQUIVALENT: Final = {
    **dict.fromkeys(("е", "ё"), "её"),
    **dict.fromkeys(("i", "ı", "i\u0307"), "iıİ"),
    "\u0390": "\u0390\u1fd3",
    "\u03b0": "\u03b0\u1fe3",
    **dict.fromkeys(("ﬅ", "ﬆ"), "ﬅﬆ"),
}
"""Interchangeable letters by their lower case. Most people type ё as е; the others differ only by case in Java, or only
in `regex`."""


def phrase_pattern(phrases: Iterable[str]) -> str:
    """Return the pattern that finds any of the phrases: whole words in order, only punctuation and spaces between them.

    A word is a run of letters and digits; _ # @ and all other signs separate words, in phrases and in texts. `*` at the
    end of a word matches any rest of it. Case is ignored, е equals ё, and so do the composed and the decomposed form of
    a letter (Unicode Standard Annex #15).

    Raises ValueError if a phrase has no word, or a `*` that is not at the end of a word.
    """
    return f"{_ANY_CASE}(?:{'|'.join(map(_phrase, phrases))})"


def hashtag_pattern(tags: Iterable[str]) -> str:
    """Return the pattern that matches any of the hashtags as a whole; their # is optional, `*` matches any rest.

    Letters compare as in `phrase_pattern`. Raises ValueError if a tag is not a hashtag.
    """
    return _ANY_CASE + _WHOLE.format("|".join(map(_tag, tags)))


def longest_plain_run(phrase: str) -> str:
    """Return the longest run of letters with a single spelling but for case, case-folded; empty if there is none.

    Every text that `phrase_pattern` finds the phrase in contains it, once case-folded.
    """
    runs = itertools.groupby(
        unicodedata.normalize("NFC", phrase), key=lambda c: _is_letter(c) and len(_spellings(c)) == 1
    )
    return max(("".join(run).casefold() for is_plain, run in runs if is_plain), key=len, default="")


def _phrase(phrase: str) -> str:
    words = _words(unicodedata.normalize("NFC", phrase))
    if not any(map(_has_letter, words)):
        raise ValueError(f"{phrase!r} has no word: expected letters or digits")
    if any("*" in word.removesuffix("*") or not _has_letter(word) for word in words):
        raise ValueError(f"{phrase!r}: a * is allowed only at the end of a word, where it matches the rest of it")
    return _BEGIN + _BETWEEN.join(_word(word, _LETTER) for word in words) + _END


def _words(phrase: str) -> list[str]:
    """Split a phrase into runs of letters and `*`."""
    runs = itertools.groupby(phrase, key=lambda character: character == "*" or _is_letter(character))
    return ["".join(run) for is_word, run in runs if is_word]


def _tag(tag: str) -> str:
    name = re.sub("^[#＃]", "", unicodedata.normalize("NFC", tag))
    if not _has_letter(name) or not all(c == "_" or _is_letter(c) for c in name.removesuffix("*")):
        raise ValueError(
            f"{tag!r} is not a hashtag: expected letters, digits and _ without spaces, and * only at the end"
        )
    return _word(name, _TAG_LETTER)


def _has_letter(word: str) -> bool:
    return any(map(_is_letter, word))


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _word(word: str, rest: str) -> str:
    letters = "".join(map(_letter, word.removesuffix("*")))
    return f"{letters}{rest}*" if word.endswith("*") else letters


def _letter(letter: str) -> str:
    """Return a pattern of the letter's spellings; the pattern's flags ignore its case."""
    spellings = _spellings(letter)
    if len(spellings) == 1:
        return re.escape(letter)
    return f"(?:{'|'.join(sorted(spellings, key=len, reverse=True))})"


def _spellings(letter: str) -> set[str]:
    equivalent = _EQUIVALENT.get(letter.lower(), letter)
    return {*equivalent, *(unicodedata.normalize("NFD", form) for form in equivalent)}
