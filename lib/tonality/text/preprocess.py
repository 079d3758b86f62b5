"""Text preprocessing: from a text to its stems, defined for one text and computed for a batch at once."""

import re
import unicodedata
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import Stemmer

from tonality.text.emoticons import emoticon_pattern
from tonality.text.rules import Language, Rules
from tonality.text.tweet_markup import LINK, MENTION

__all__ = ["TextPreprocessor"]

_CACHED_WORDS: Final = 1_000_000
"""Distinct words whose stems a worker caches: some 200 MB, and more than a day of most archives holds."""


class TextPreprocessor:
    """Turns texts into stems by the rules of one language.

    A text is normalised to NFC; emoticons are removed, and links and mentions where the rules drop them; the rest is
    lower-cased and split into words, runs of the language's letters and of digits; each word is stemmed (Snowball,
    through PyStemmer).
    """

    def __init__(self, rules: Rules) -> None:
        language = rules.language
        word = f"{language.word_class}+"
        self._removals = [
            *([LINK] if rules.links == "drop" else []),
            *([MENTION] if rules.mentions == "drop" else []),
            emoticon_pattern(_emoticons_with_word_characters(language)),
        ]
        self._replacements = [*((character, "") for character in language.ignored), *language.lower.items()]
        self._word = re.compile(word)
        self._word_or_break = re.compile(f"{word}|\n")
        self._stemmer = Stemmer.Stemmer(language.stemmer, 0)
        self._cache = _StemCache(self._stemmer)

    def stems(self, text: str) -> str:
        """Return the stems of one text, joined by spaces; empty if it has no words. This is the definition."""
        words = self._word.findall(self._clean(unicodedata.normalize("NFC", text)))
        return " ".join(self._stemmer.stemWords(words))

    def stem_array(self, texts: pa.StringArray | pa.ChunkedArray) -> pa.StringArray:
        """Return the stems of many texts, for each the same as `stems` does, and null for null.

        The texts are joined by line breaks and processed as one string, in which every distinct word is stemmed once.
        A line break inside a text counts as a space.
        """
        if len(texts) == 0:
            return pa.array([], pa.string())
        if isinstance(texts, pa.ChunkedArray):  # if_else of pyarrow before 24 mixes up the values of chunked arrays
            texts = texts.combine_chunks()
        normalised = [unicodedata.normalize("NFC", text.replace("\n", " ")) for text in texts.fill_null("").to_pylist()]
        words = self._word_or_break.findall(self._clean("\n".join(normalised)))
        self._cache.trim()
        lines = " ".join(map(self._cache.__getitem__, words)).split("\n")
        stems = pa.array([line.strip(" ") for line in lines], pa.string())
        return pc.if_else(texts.is_valid(), stems, pa.scalar(None, pa.string()))

    def _clean(self, text: str) -> str:
        """Apply removals and replacements, and lower-case the text. Line breaks are neither added nor removed."""
        for removal in self._removals:
            text = removal.sub(" ", text)
        for old, new in self._replacements:
            text = text.replace(old, new)
        return text.lower()


class _StemCache(dict[str, str]):
    """Stems of words seen before. A line break is its own stem."""

    def __init__(self, stemmer: Stemmer.Stemmer) -> None:
        super().__init__({"\n": "\n"})
        self._stemmer = stemmer

    def __missing__(self, word: str) -> str:
        stem: str = self._stemmer.stemWord(word)
        self[word] = stem
        return stem

    def trim(self) -> None:
        """Empty the cache once it is full: that is rare, and simpler than evicting single words."""
        if len(self) > _CACHED_WORDS:
            self.clear()
            self["\n"] = "\n"


def _emoticons_with_word_characters(language: Language) -> list[str]:
    """Return the emoticons that contain a letter or digit of the language; splitting into words removes the others."""
    word = re.compile(language.word_class)
    emoticons = (*language.emoticons.positive, *language.emoticons.negative)
    return [emoticon for emoticon in emoticons if word.search(emoticon.lower())]
