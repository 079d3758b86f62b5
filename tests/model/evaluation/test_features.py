import math

import pytest

from tonality.model.evaluation.features import Terms, with_features

SCHEMA = "stems string, label float"


def features(spark, train, valid, terms):
    sides = (spark.createDataFrame([(stems, 1.0) for stems in rows], SCHEMA).coalesce(1) for rows in (train, valid))
    return [side.collect() for side in with_features(*sides, terms)]


def counts(row):
    return sorted(row.counts.values.tolist(), reverse=True)


def test_stems_are_counted_and_unknown_ones_are_not(spark):
    _, (row, none) = features(spark, ["a b", "a c"], ["a a b d", "d"], Terms(10))
    assert counts(row) == [2, 1]
    assert counts(none) == []


def test_only_the_most_frequent_stems_are_kept(spark):
    _, (row,) = features(spark, ["a a a", "b b", "c"], ["a b c"], Terms(2))
    assert row.counts.size == 2
    assert counts(row) == [1, 1]


def test_bigrams_are_terms_too_and_their_order_matters(spark):
    _, (row, turned) = features(spark, ["a b c", "a b c"], ["a b c", "c b a"], Terms(10, bigrams=True))
    assert row.counts.size == 5
    assert counts(row) == [1] * 5
    assert counts(turned) == [1] * 3


def test_with_bigrams_a_term_of_only_one_tweet_is_dropped(spark):
    _, (row,) = features(spark, ["a b", "a b", "a x"], ["a b x"], Terms(10, bigrams=True))
    assert row.counts.size == 3


def test_a_tweet_of_one_stem_has_no_bigram(spark):
    (row, _), _ = features(spark, ["a", "a"], ["a"], Terms(10, bigrams=True))
    assert counts(row) == [1]


def test_rare_stems_weigh_more_and_a_tweet_has_length_1(spark):
    _, (row,) = features(spark, ["a b", "a c", "c"], ["a b"], Terms(10))
    rare, common = math.log(4 / 2), math.log(4 / 3)
    length = math.hypot(rare, common)
    assert sorted(row.tfidf.values) == pytest.approx([common / length, rare / length])
