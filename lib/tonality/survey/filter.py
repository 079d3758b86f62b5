"""Which tweets a survey is about: by hashtag, by word, and with or without retweets."""

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.text.links_mentions import LINK, in_java
from tonality.text.phrase_patterns import hashtag_pattern, phrase_pattern

__all__ = ["on_topic"]


def on_topic(
    scored: DataFrame,
    hashtags: Sequence[str] = (),
    keywords: Sequence[str] = (),
    retweets: Literal["keep", "drop"] = "keep",
) -> DataFrame:
    """The tweets that have one of the hashtags or one of the keywords, or all where neither are given.

    Hashtags are matched whole, as `hashtag_pattern` says; keywords in the text without its links, as `phrase_pattern`
    says. Hashtags and mentions of a text are words of it too.
    """
    found = [*([_has_tag(hashtags)] if hashtags else []), *([_says(keywords)] if keywords else [])]
    for condition in found[1:]:
        found[0] = found[0] | condition
    about = scored.where(found[0]) if found else scored
    return about.where(~F.coalesce("is_retweet", F.lit(False))) if retweets == "drop" else about


def _has_tag(hashtags: Sequence[str]) -> Column:
    pattern = hashtag_pattern(hashtags)
    return F.exists(F.coalesce("hashtags", F.array().cast("array<string>")), lambda tag: tag.rlike(pattern))


def _says(keywords: Sequence[str]) -> Column:
    """Links are cut from the few texts alone that hold the words with them."""
    pattern = phrase_pattern(keywords)
    text = F.coalesce("text", F.lit(""))
    return text.rlike(pattern) & F.regexp_replace(text, in_java(LINK), " ").rlike(pattern)
