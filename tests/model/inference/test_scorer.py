"""A probability is the tweet's own: whatever is in the batch, however batches are cut, on whichever worker."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.scorer import Scorer

WORDS = [f"w{n}" for n in range(50)]
RANDOM = np.random.default_rng(1)
TWEETS = [" ".join(RANDOM.choice([*WORDS, "strange"], length)) for length in RANDOM.integers(1, 13, 2000)]
PRECISIONS = ["float32", "bfloat16"]


def scorer(artifact, precision="float32"):
    return Scorer(PackedModel.of(artifact, precision))


def score(artifact, tweets, precision="float32"):
    return scorer(artifact, precision).probabilities(pa.array(tweets, pa.string())).to_pylist()


def alone(artifact, tweet, network=None):
    """The probability by the network itself, without any batch."""
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
    """Not by one bit: a retry or another cluster must give the same rows."""
    expected = dict(zip(TWEETS, score(artifact, TWEETS, precision), strict=True))
    assert score(artifact, TWEETS[::-1], precision) == [expected[tweet] for tweet in reversed(TWEETS)]
    assert score(artifact, TWEETS * 3, precision) == [expected[tweet] for tweet in TWEETS] * 3
    for size in (1, 7, 64, 300, 1000):
        parts = [TWEETS[at : at + size] for at in range(0, 2 * size, size)]
        found = [score(artifact, part, precision) for part in parts]
        assert found == [[expected[tweet] for tweet in part] for part in parts]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_came_before_changes_no_probability(artifact, precision):
    working = scorer(artifact, precision)
    batches = [pa.array(TWEETS[at : at + 200]) for at in (0, 100, 0, 1000, 900)]
    for batch in batches:
        assert working.probabilities(batch).equals(scorer(artifact, precision).probabilities(batch))


def test_a_text_that_came_lately_is_not_computed_again(artifact, monkeypatch):
    working = scorer(artifact)
    first = working.probabilities(pa.array(TWEETS[:10]))  # so few that hardly two share a place
    computed = []
    compute = working._network.probabilities
    monkeypatch.setattr(working._network, "probabilities", lambda *tweets: computed.append(tweets) or compute(*tweets))
    assert working.probabilities(pa.array([*TWEETS[:10], "w1 w1 w1 w2"]))[:10].equals(first)
    [(_, starts, lengths)] = computed
    assert (len(starts), lengths.tolist()) == (1, [4])


def test_bfloat16_is_near_float32_and_not_the_same(artifact):
    exact, near = (np.array(score(artifact, TWEETS, precision)) for precision in PRECISIONS)
    assert 0 < np.abs(exact - near).max() < 0.02


def test_the_network_as_a_gpu_reads_it_gives_the_same_but_for_rounding(artifact):
    """On a processor here: the way is the same, the device is torch's affair."""
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
