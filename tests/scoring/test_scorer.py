import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from tonality.scoring.scorer import Scorer, _groups

WORDS = [f"w{n}" for n in range(50)]
RANDOM = np.random.default_rng(1)
TWEETS = [" ".join(RANDOM.choice([*WORDS, "strange"], length)) for length in RANDOM.integers(1, 13, 300)]


def score(artifact, tweets):
    return Scorer(artifact).probabilities(pa.array(tweets, pa.string())).to_pylist()


def alone(artifact, tweet, network=None):
    """The probability by the network itself, without any batch."""
    ids = [WORDS.index(word) + 2 if word in WORDS else 1 for word in tweet.split(" ")][: artifact.max_length]
    with torch.inference_mode():
        return torch.sigmoid((network or artifact.network())(torch.tensor([ids]), torch.tensor([len(ids)]))).item()


def test_a_probability_is_that_of_the_tweet_alone(artifact):
    network = artifact.network()
    expected = [alone(artifact, tweet, network) for tweet in TWEETS]
    assert np.ptp(expected) > 0.2
    np.testing.assert_allclose(score(artifact, TWEETS), expected, rtol=0, atol=1e-6)


def test_a_probability_does_not_change_with_its_neighbours_order_copies_or_batch(artifact):
    """Not by one bit: a retry or another cluster must give the same rows."""
    expected = dict(zip(TWEETS, score(artifact, TWEETS), strict=True))
    assert score(artifact, TWEETS[::-1]) == [expected[tweet] for tweet in reversed(TWEETS)]
    assert score(artifact, TWEETS * 3) == [expected[tweet] for tweet in TWEETS] * 3
    for size in (1, 7, 64):
        parts = [TWEETS[at : at + size] for at in range(0, 2 * size, size)]
        assert [score(artifact, part) for part in parts] == [[expected[tweet] for tweet in part] for part in parts]


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


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 100, 4096, 10_000])
def test_groups_hold_every_row_once_and_few_sizes(count):
    lengths = np.random.default_rng(count).integers(0, 3, count)
    groups = list(_groups(lengths))
    rows = np.concatenate([rows for rows, _ in groups]) if groups else np.array([], int)
    assert sorted(rows) == list(np.flatnonzero(lengths))
    assert all((lengths[rows] == length).all() for rows, length in groups)
    full = [len(rows) for rows, _ in groups if len(rows) >= 32]
    assert all(size & (size - 1) == 0 and size <= 4096 for size in full)
    assert len(groups) - len(full) <= 2, "one rest a length"
