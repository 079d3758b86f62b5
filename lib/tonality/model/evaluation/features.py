"""What the linear models see: counts of stems, or of stems and pairs of neighbours, and their tf-idf."""

from dataclasses import dataclass
from typing import Final

from pyspark.ml.feature import IDF, CountVectorizer, CountVectorizerModel, Normalizer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["Terms", "with_features"]

_MOST_PAIRS: Final = 1 << 20


@dataclass(frozen=True)
class Terms:
    """Which terms of a tweet count."""

    most: int
    """Stems that are kept, the most frequent ones."""
    pairs: bool = False
    """Whether neighbouring stems count as terms too (bigrams), up to a million of them."""


def with_features(train: DataFrame, valid: DataFrame, terms: Terms) -> tuple[DataFrame, DataFrame]:
    """Both sides with `counts` and `tfidf`, from their `stems` and `label`, fitted on the training side.

    Tf-idf has Spark's idf, ln((n + 1) / (df + 1)), and each tweet scaled to length 1. Where pairs count, a term has to
    stand in two training tweets, if any does: the others are most of all, and tell nothing.
    """
    train, valid = (rows.select("stems", "label", _terms(terms.pairs).alias("terms")) for rows in (train, valid))
    counter = _counter(train, terms)
    counted = counter.transform(train)
    weights = IDF(inputCol="counts", outputCol="weighted").fit(counted)
    normalizer = Normalizer(inputCol="weighted", outputCol="tfidf")
    featured = (normalizer.transform(weights.transform(rows)) for rows in (counted, counter.transform(valid)))
    train, valid = (rows.select("stems", "label", "counts", "tfidf") for rows in featured)
    return train, valid


def _counter(train: DataFrame, terms: Terms) -> CountVectorizerModel:
    counter = CountVectorizer(inputCol="terms", outputCol="counts", vocabSize=terms.most)
    if not terms.pairs:
        return counter.fit(train)
    counter = counter.setVocabSize(terms.most + _MOST_PAIRS)
    twice = counter.setMinDF(2).fit(train)
    return twice if twice.vocabulary else counter.setMinDF(1).fit(train)


def _terms(pairs: bool) -> Column:
    stems = F.split("stems", " ")
    if not pairs:
        return stems
    neighbours = F.zip_with(stems, F.slice(stems, 2, F.size(stems)), lambda one, other: F.concat_ws(" ", one, other))
    # the last stem has no neighbour
    return F.concat(stems, F.slice(neighbours, 1, F.size(stems) - 1))
