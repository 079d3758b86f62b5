"""The one cleaning function: a text to its stems. Defined for one text, computed for a batch at once."""

import re
import unicodedata
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import Stemmer

from tonality.text.emoticons import sign_pattern
from tonality.text.language import Language
from tonality.text.links_mentions import LINK, MENTION
from tonality.text.rules import Rules

__all__ = ["TextPreprocessor"]

_MEMO_WORDS: Final = 1_000_000
"""Distinct words whose stems a worker remembers: some 200 MB, and more than most archives' days hold."""


class TextPreprocessor:
    """Cuts texts into stems by the rules of one language.

    A text is brought to NFC; links and mentions go, where the rules drop them, and emoticons; it is lower-cased; runs
    of the language's letters and of digits are its words; each is stemmed (Snowball, through PyStemmer).
    """

    def __init__(self, rules: Rules) -> None:
        language = rules.language
        word = f"{language.word_class}+"
        self._removals = [
            *([LINK] if rules.links == "drop" else []),
            *([MENTION] if rules.mentions == "drop" else []),
            sign_pattern(_signs_that_leave_words(language)),
        ]
        self._replacements = [*((character, "") for character in language.ignored), *language.lower.items()]
        self._word = re.compile(word)
        self._word_or_break = re.compile(f"{word}|\n")
        self._stemmer = Stemmer.Stemmer(language.stemmer, 0)
        self._memo = _StemMemo(self._stemmer)

    def stems(self, text: str) -> str:
        """The stems of one text, joined by spaces; empty where it has no words. The definition."""
        words = self._word.findall(self._prepare(unicodedata.normalize("NFC", text)))
        return " ".join(self._stemmer.stemWords(words))

    def stem_array(self, texts: pa.StringArray | pa.ChunkedArray) -> pa.StringArray:
        """The stems of many texts: what `stems` gives for each, null for null. The computation.

        The texts are joined by line breaks and worked on as one string, every distinct word stemmed once. Inside a
        text a line break means what a space does.
        """
        if len(texts) == 0:
            return pa.array([], pa.string())
        if isinstance(texts, pa.ChunkedArray):  # pyarrow before 24 mixes up the values of a choice by chunks
            texts = texts.combine_chunks()
        normalised = [unicodedata.normalize("NFC", text.replace("\n", " ")) for text in texts.fill_null("").to_pylist()]
        words = self._word_or_break.findall(self._prepare("\n".join(normalised)))
        self._memo.bound()
        lines = " ".join(map(self._memo.__getitem__, words)).split("\n")
        stems = pa.array([line.strip(" ") for line in lines], pa.string())
        return pc.if_else(texts.is_valid(), stems, pa.scalar(None, pa.string()))

    def _prepare(self, text: str) -> str:
        """The text without what the rules remove, lower-case. Never joins or parts lines."""
        for removal in self._removals:
            text = removal.sub(" ", text)
        for old, new in self._replacements:
            text = text.replace(old, new)
        return text.lower()


class _StemMemo(dict[str, str]):
    """The stems of words seen before. A line break is its own stem."""

    def __init__(self, stemmer: Stemmer.Stemmer) -> None:
        super().__init__({"\n": "\n"})
        self._stemmer = stemmer

    def __missing__(self, word: str) -> str:
        stem: str = self._stemmer.stemWord(word)
        self[word] = stem
        return stem

    def bound(self) -> None:
        """Forget everything once the memo is full: rare, and simpler than choosing what to forget."""
        if len(self) > _MEMO_WORDS:
            self.clear()
            self["\n"] = "\n"


def _signs_that_leave_words(language: Language) -> list[str]:
    """The emoticons with a letter or digit of the language in them: the others vanish when words are cut."""
    word = re.compile(language.word_class)
    signs = (*language.emoticons.positive, *language.emoticons.negative)
    return [sign for sign in signs if word.search(sign.lower())]
