"""Features of the linear models: counts of stems, or of stems and bigrams, and their tf-idf."""

from dataclasses import dataclass
from typing import Final

from pyspark.ml.feature import IDF, CountVectorizer, CountVectorizerModel, Normalizer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["Terms", "with_features"]

_MAX_BIGRAMS: Final = 1 << 20


@dataclass(frozen=True)
class Terms:
    """The terms that become features."""

    max_stems: int
    """Number of stems to keep, the most frequent ones."""
    bigrams: bool = False
    """True to add up to a million pairs of neighbouring stems."""


def with_features(train: DataFrame, valid: DataFrame, terms: Terms) -> tuple[DataFrame, DataFrame]:
    """Both splits with `counts` and `tfidf` added to `stems` and `label`, fitted on the training split.

    Tf-idf uses Spark's idf, ln((n + 1) / (df + 1)), and scales each tweet to length 1. With bigrams, terms that occur
    in only one training tweet are dropped, unless all do: they are the majority and carry no information.
    """
    train, valid = (rows.select("stems", "label", _terms(terms.bigrams).alias("terms")) for rows in (train, valid))
    counter = _fit_counter(train, terms)
    counted = counter.transform(train)
    idf = IDF(inputCol="counts", outputCol="weighted").fit(counted)
    normalizer = Normalizer(inputCol="weighted", outputCol="tfidf")
    featured = (normalizer.transform(idf.transform(rows)) for rows in (counted, counter.transform(valid)))
    train, valid = (rows.select("stems", "label", "counts", "tfidf") for rows in featured)
    return train, valid


def _fit_counter(train: DataFrame, terms: Terms) -> CountVectorizerModel:
    counter = CountVectorizer(inputCol="terms", outputCol="counts", vocabSize=terms.max_stems)
    if not terms.bigrams:
        return counter.fit(train)
    counter = counter.setVocabSize(terms.max_stems + _MAX_BIGRAMS)
    repeated = counter.setMinDF(2).fit(train)
    return repeated if repeated.vocabulary else counter.setMinDF(1).fit(train)


def _terms(bigrams: bool) -> Column:
    stems = F.split("stems", " ")
    if not bigrams:
        return stems
    neighbours = F.zip_with(stems, F.slice(stems, 2, F.size(stems)), lambda one, other: F.concat_ws(" ", one, other))
    # the last stem has no neighbour
    return F.concat(stems, F.slice(neighbours, 1, F.size(stems) - 1))
