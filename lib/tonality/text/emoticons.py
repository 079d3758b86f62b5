"""Emoticons: the labels of distant supervision, and their removal from the text that the network sees."""

import re
from collections.abc import Iterable
from typing import Final

from tonality.text.rules import Emoticons
from tonality.text.tweet_markup import LINK, MENTION

__all__ = ["EmoticonReader", "emoticon_pattern"]

_MATCHES_NOTHING: Final = re.compile(r"(?!)")


class EmoticonReader:
    """Labels texts by their emoticons."""

    def __init__(self, emoticons: Emoticons) -> None:
        self._positive = emoticon_pattern(emoticons.positive)
        self._negative = emoticon_pattern(emoticons.negative)

    def label(self, text: str) -> float | None:
        """Return 1.0 if all emoticons are positive, 0.0 if all are negative, None for both or none.

        Balanced brackets, "((so))", count as both, so they yield no label. Links and mentions are skipped, since they
        hold unintended emoticons: every https:// contains ":/".
        """
        text = MENTION.sub(" ", LINK.sub(" ", text))
        positive = self._positive.search(text) is not None
        negative = self._negative.search(text) is not None
        return None if positive == negative else float(positive)


def emoticon_pattern(emoticons: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds any of the emoticons, longest first, each with any repetition of its last character.

    Where an emoticon starts or ends with a letter or digit, no word may continue there: xD matches, xDrive does not.
    One that ends with a digit must not be part of a number (12:30).
    """
    longest_first = sorted(set(emoticons), key=lambda emoticon: (-len(emoticon), emoticon))
    return re.compile("|".join(map(_one_pattern, longest_first))) if longest_first else _MATCHES_NOTHING


def _one_pattern(emoticon: str) -> str:
    """Return an emoticon's pattern; it begins with the first character, so that a search skips to it."""
    first, rest = re.escape(emoticon[0]), "".join(map(re.escape, emoticon[1:]))
    before = rf"(?<!\w{first})" if _is_word(emoticon[0]) else rf"(?<!\d{first})" if emoticon[-1].isdigit() else ""
    after = r"(?!\w)" if _is_word(emoticon[-1]) else ""
    repeated = f"{rest}+" if rest else f"{first}*"
    return f"{first}{before}{repeated}{after}"


def _is_word(character: str) -> bool:
    return re.match(r"\w", character) is not None
