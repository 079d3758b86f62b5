"""A tweet's probability depends only on the tweet, not on the batch, its size or the worker; and the score cache."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import ScoreCache, Scorer
from tonality.text.token_ids import TokenIds

WORDS = [f"w{n}" for n in range(50)]
RANDOM = np.random.default_rng(1)
TWEETS = [" ".join(RANDOM.choice([*WORDS, "strange"], length)) for length in RANDOM.integers(1, 13, 2000)]
PRECISIONS = ["float32", "bfloat16"]
EQUAL_SUMS = "0001112221201221221011102000212200202102011012210022012011022000220212011220220022122221220202211000"


def scorer(artifact, precision="float32"):
    return Scorer(PackedModel.of(artifact, precision))


def score(artifact, tweets, precision="float32"):
    return scorer(artifact, precision).probabilities(pa.array(tweets, pa.string())).to_pylist()


def alone(artifact, tweet, network=None):
    """The probability computed by the network itself, for this tweet only."""
    ids = [WORDS.index(word) + 2 if word in WORDS else 1 for word in tweet.split(" ")][: artifact.max_length]
    with torch.inference_mode():
        return torch.sigmoid((network or artifact.network())(torch.tensor([ids]), torch.tensor([len(ids)]))).item()


def test_a_probability_is_that_of_the_tweet_alone(artifact):
    network = artifact.network()
    expected = [alone(artifact, tweet, network) for tweet in TWEETS[:300]]
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(score(artifact, TWEETS)[:300], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_probability_does_not_change_with_its_neighbours_order_copies_or_batch(artifact, precision):
    """Not by a single bit: a retry or another cluster must give the same rows."""
    expected = dict(zip(TWEETS, score(artifact, TWEETS, precision), strict=True))
    assert score(artifact, TWEETS[::-1], precision) == [expected[tweet] for tweet in reversed(TWEETS)]
    assert score(artifact, TWEETS * 3, precision) == [expected[tweet] for tweet in TWEETS] * 3
    for size in (1, 7, 64, 300, 1000):
        parts = [TWEETS[at : at + size] for at in range(0, 2 * size, size)]
        found = [score(artifact, part, precision) for part in parts]
        assert found == [[expected[tweet] for tweet in part] for part in parts]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_earlier_batches_change_no_probability(artifact, precision):
    reused = scorer(artifact, precision)
    batches = [pa.array(TWEETS[at : at + 200]) for at in (0, 100, 0, 1000, 900)]
    for batch in batches:
        assert reused.probabilities(batch).equals(scorer(artifact, precision).probabilities(batch))


def test_a_recently_scored_text_is_not_computed_again(artifact, monkeypatch):
    reused = scorer(artifact)
    first = reused.probabilities(pa.array(TWEETS[:10]))  # so few that two hardly share a slot
    computed = []
    compute = reused._network.probabilities
    monkeypatch.setattr(reused._network, "probabilities", lambda *tweets: computed.append(tweets) or compute(*tweets))
    assert reused.probabilities(pa.array([*TWEETS[:10], "w1 w1 w1 w2"]))[:10].equals(first)
    [(_, starts, lengths)] = computed
    assert (len(starts), lengths.tolist()) == (1, [4])


def test_bfloat16_is_near_float32_and_not_the_same(artifact):
    exact, near = (np.array(score(artifact, TWEETS, precision)) for precision in PRECISIONS)
    assert 0 < np.abs(exact - near).max() < 0.02


def test_the_gpu_network_gives_the_same_except_for_rounding(artifact):
    """Run on the CPU: the code path is the same, and the device is up to torch."""
    as_on_a_gpu = Scorer(PackedModel.of(artifact, device="cuda"), "cpu").probabilities(pa.array(TWEETS))
    np.testing.assert_allclose(as_on_a_gpu.to_pylist(), score(artifact, TWEETS), rtol=0, atol=1e-6)


def test_only_the_first_stems_count(artifact):
    long = "w1 " * 9 + "w2"
    assert score(artifact, [f"{long} w3 w4"]) == score(artifact, [long])
    assert score(artifact, [long]) != score(artifact, ["w1 " * 9 + "w3"])


def test_a_tweet_without_stems_has_no_probability(artifact):
    first, *others = score(artifact, ["w1", None, ""])
    assert first == pytest.approx(alone(artifact, "w1"))
    assert others == [None, None]


def test_a_tweet_of_unknown_stems_has_a_probability_only_where_the_unknown_is_trained(artifact):
    assert score(artifact, ["strange stranger"]) == [pytest.approx(alone(artifact, "strange stranger"))]
    dropping = dataclasses.replace(artifact, unknown="drop")
    assert score(dropping, ["strange stranger", "w1"]) == [None, score(artifact, ["w1"])[0]]
    assert score(dropping, ["strange w1"]) == score(artifact, ["w1"])


@pytest.mark.parametrize("tweets", [[], [None], [None, ""], [""]])
def test_a_batch_may_hold_nothing_to_score(artifact, tweets):
    assert score(artifact, tweets) == [None] * len(tweets)


def token_ids(*tweets):
    flat = np.array([token for tweet in tweets for token in tweet], np.int32)
    return TokenIds(flat, np.array([len(tweet) for tweet in tweets], np.int64))


def test_cached_probabilities_are_found_again_and_nothing_else():
    cache = ScoreCache(vocabulary=10, max_length=5)
    known = cache.keys(token_ids([1, 2, 3], [4], [5, 5]))
    assert np.isnan(cache.lookup(known)).all()
    cache.store(known, np.array([0.1, 0.2, 0.3], np.float32))
    requested = cache.keys(token_ids([4], [3, 2, 1], [5], [5, 5], [1, 2], [1, 2, 3, 0], [1, 2, 3]))
    np.testing.assert_equal(
        cache.lookup(requested), np.array([0.2, np.nan, np.nan, 0.3, np.nan, np.nan, 0.1], np.float32)
    )


def test_reordered_words_have_another_key_even_where_sums_of_powers_would_be_equal():
    """With powers of 0x9E3779B97F4A7C15 modulo 2^64 as position factors, these two would have the same key."""
    signs = [int(sign) - 1 for sign in EQUAL_SUMS]
    powers = np.cumprod(np.full(len(signs), 0x9E3779B97F4A7C15, np.uint64))
    assert sum(sign * int(power) for sign, power in zip(signs, powers, strict=True)) % 2**64 == 0
    cache = ScoreCache(vocabulary=10, max_length=100)
    one, other = cache.keys(token_ids([3 + sign for sign in signs], [3 - sign for sign in signs])).T
    assert (one != other).all()


def test_a_tweet_without_token_ids_has_no_key():
    cache = ScoreCache(vocabulary=10, max_length=5)
    assert np.array_equal(cache.keys(token_ids([], [1, 2], [], [3], [])), cache.keys(token_ids([1, 2], [3])))
    assert cache.keys(token_ids([], [])).shape == (2, 0)
    assert cache.keys(token_ids()).shape == (2, 0)


def test_more_tweets_than_slots_overwrite_older_ones_and_none_is_mistaken_for_another():
    cache = ScoreCache(vocabulary=1000, max_length=3, slots=64)
    tweets = cache.keys(token_ids(*([one, two] for one in range(30) for two in range(30))))
    values = np.arange(900, dtype=np.float32)
    for part in np.array_split(np.arange(900), 9):
        cache.store(tweets[:, part], values[part])
    found = cache.lookup(tweets)
    cached = ~np.isnan(found)
    assert 40 < cached.sum() <= 64
    assert np.array_equal(found[cached], values[cached])
    assert cached[800:].sum() > cached[:100].sum()
