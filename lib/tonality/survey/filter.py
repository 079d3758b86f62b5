"""Selection of a survey's tweets: by hashtag, by keyword, and with or without retweets."""

from collections.abc import Sequence
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from tonality.text.phrase_patterns import hashtag_pattern, phrase_pattern
from tonality.text.tweet_markup import LINK, in_java

__all__ = ["on_topic"]


def on_topic(
    scored: DataFrame,
    hashtags: Sequence[str] = (),
    keywords: Sequence[str] = (),
    retweets: Literal["keep", "drop"] = "keep",
) -> DataFrame:
    """The tweets with any of the hashtags or keywords, or all tweets if neither are given.

    Hashtags are matched whole, by `hashtag_pattern`; keywords are matched in the text without its links, by
    `phrase_pattern`. The hashtags and mentions in a text count as words too.
    """
    conditions = [*([_has_hashtag(hashtags)] if hashtags else []), *([_has_keyword(keywords)] if keywords else [])]
    for condition in conditions[1:]:
        conditions[0] = conditions[0] | condition
    selected = scored.where(conditions[0]) if conditions else scored
    return selected.where(~F.coalesce("is_retweet", F.lit(False))) if retweets == "drop" else selected


def _has_hashtag(hashtags: Sequence[str]) -> Column:
    pattern = hashtag_pattern(hashtags)
    return F.exists(F.coalesce("hashtags", F.array().cast("array<string>")), lambda tag: tag.rlike(pattern))


def _has_keyword(keywords: Sequence[str]) -> Column:
    # Links are removed only from the few texts that match with them.
    pattern = phrase_pattern(keywords)
    text = F.coalesce("text", F.lit(""))
    return text.rlike(pattern) & F.regexp_replace(text, in_java(LINK), " ").rlike(pattern)
