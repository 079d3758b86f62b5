"""Tweets are told apart by their numbers, and only so many are remembered."""

import numpy as np

from tonality.model.inference.score_cache import ScoreCache
from tonality.text.token_ids import TokenIds

EQUAL_SUMS = "0001112221201221221011102000212200202102011012210022012011022000220212011220220022122221220202211000"


def numbers(*tweets):
    flat = np.array([number for tweet in tweets for number in tweet], np.int32)
    return TokenIds(flat, np.array([len(tweet) for tweet in tweets], np.int64))


def test_what_was_remembered_is_found_again_and_nothing_else():
    recent = ScoreCache(vocabulary=10, max_length=5)
    known = recent.keys(numbers([1, 2, 3], [4], [5, 5]))
    assert np.isnan(recent.find(known)).all()
    recent.remember(known, np.array([0.1, 0.2, 0.3], np.float32))
    asked = recent.keys(numbers([4], [3, 2, 1], [5], [5, 5], [1, 2], [1, 2, 3, 0], [1, 2, 3]))
    np.testing.assert_equal(recent.find(asked), np.array([0.2, np.nan, np.nan, 0.3, np.nan, np.nan, 0.1], np.float32))


def test_words_that_change_places_make_another_tweet_even_where_sums_of_powers_would_be_equal():
    """Were places told apart by the powers of 0x9E3779B97F4A7C15 modulo 2^64, these two would be one."""
    signs = [int(sign) - 1 for sign in EQUAL_SUMS]
    powers = np.cumprod(np.full(len(signs), 0x9E3779B97F4A7C15, np.uint64))
    assert sum(sign * int(power) for sign, power in zip(signs, powers, strict=True)) % 2**64 == 0
    recent = ScoreCache(vocabulary=10, max_length=100)
    one, other = recent.keys(numbers([3 + sign for sign in signs], [3 - sign for sign in signs])).T
    assert (one != other).all()


def test_a_tweet_without_numbers_has_no_key():
    recent = ScoreCache(vocabulary=10, max_length=5)
    assert np.array_equal(recent.keys(numbers([], [1, 2], [], [3], [])), recent.keys(numbers([1, 2], [3])))
    assert recent.keys(numbers([], [])).shape == (2, 0)
    assert recent.keys(numbers()).shape == (2, 0)


def test_more_tweets_than_places_push_older_ones_out_and_none_is_mistaken_for_another():
    recent = ScoreCache(vocabulary=1000, max_length=3, places=64)
    tweets = recent.keys(numbers(*([one, two] for one in range(30) for two in range(30))))
    values = np.arange(900, dtype=np.float32)
    for part in np.array_split(np.arange(900), 9):
        recent.remember(tweets[:, part], values[part])
    found = recent.find(tweets)
    left = ~np.isnan(found)
    assert 40 < left.sum() <= 64
    assert np.array_equal(found[left], values[left])
    assert left[800:].sum() > left[:100].sum()
