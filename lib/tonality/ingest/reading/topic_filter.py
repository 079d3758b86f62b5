"""Which tweets an archive is read for: by hashtag or by word, as a survey asks for them, but without Spark."""

from collections.abc import Iterable, Sequence
from typing import Final

import regex

from tonality.text.links_mentions import LINK, in_java
from tonality.text.phrase_patterns import common_part, hashtag_pattern, phrase_pattern

__all__ = ["TopicFilter"]

_LINK: Final = regex.compile(in_java(LINK).removeprefix("(?U)"))
"""What a survey cuts from a text. The flag asks Java for the white space of Unicode, which `regex` means anyway."""


class TopicFilter:
    """The tweets that have one of the hashtags or one of the keywords; all where neither are given.

    Hashtags and keywords mean what they mean to a survey (survey/topic.py), to the letter. Raises ValueError where one
    of them is none.
    """

    def __init__(self, hashtags: Sequence[str] = (), keywords: Sequence[str] = ()) -> None:
        self._tag = regex.compile(hashtag_pattern(hashtags)).search if hashtags else None
        self._phrase = regex.compile(phrase_pattern(keywords)).search if keywords else None
        self._parts = tuple({common_part(keyword) for keyword in keywords})

    def holds(self, text: str, hashtags: Iterable[str]) -> bool:
        """Whether a tweet of this text and these hashtags, without their #, is kept."""
        if self._tag is not None and any(map(self._tag, hashtags)):
            return True
        if self._phrase is None:
            return self._tag is None
        # links are cut from the few texts alone that hold the words with them
        return self._may_say(text) and bool(self._phrase(text)) and bool(self._phrase(_LINK.sub(" ", text)))

    def _may_say(self, text: str) -> bool:
        """Whether a part of a keyword is in the text: by far the most texts have none, and are done with."""
        return any(map(text.casefold().__contains__, self._parts))
