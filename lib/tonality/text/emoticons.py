"""Emoticons: found to label a tweet by them, and taken out of what the network sees."""

import re
from collections.abc import Iterable
from typing import Final

from tonality.text.language import Emoticons
from tonality.text.links_mentions import LINK, MENTION

__all__ = ["EmoticonReader", "sign_pattern"]

_NO_SIGN: Final = re.compile(r"(?!)")


class EmoticonReader:
    """Reads a text's tone off its emoticons."""

    def __init__(self, emoticons: Emoticons) -> None:
        self._positive = sign_pattern(emoticons.positive)
        self._negative = sign_pattern(emoticons.negative)

    def label(self, text: str) -> float | None:
        """1.0 for positive signs alone, 0.0 for negative alone, None for both or none.

        Both is how balanced brackets read, "((so))", so they label nothing. Links and mentions are passed by: they
        hold signs that nobody meant, as every https:// holds ":/".
        """
        text = MENTION.sub(" ", LINK.sub(" ", text))
        positive = self._positive.search(text) is not None
        negative = self._negative.search(text) is not None
        return None if positive == negative else float(positive)


def sign_pattern(signs: Iterable[str]) -> re.Pattern[str]:
    """What finds any of the signs, the longest first, each with its last character repeated at will.

    A sign that starts or ends with a letter or digit must not go on as a word there: xD, not xDrive; a digit at its
    end must not be a number's (12:30).
    """
    ordered = sorted(set(signs), key=lambda sign: (-len(sign), sign))
    return re.compile("|".join(map(_one_sign, ordered))) if ordered else _NO_SIGN


def _one_sign(sign: str) -> str:
    """The sign's pattern, starting with its first character so that the search can skip to it."""
    first, rest = re.escape(sign[0]), "".join(map(re.escape, sign[1:]))
    before = rf"(?<!\w{first})" if _is_word(sign[0]) else rf"(?<!\d{first})" if sign[-1].isdigit() else ""
    after = r"(?!\w)" if _is_word(sign[-1]) else ""
    repeated = f"{rest}+" if rest else f"{first}*"
    return f"{first}{before}{repeated}{after}"


def _is_word(character: str) -> bool:
    return re.match(r"\w", character) is not None
