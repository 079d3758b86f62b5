"""Tiles give the network's probabilities, with the same bits in every tile."""

import numpy as np
import pytest
import torch

from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.network.lstm_inference import TiledLSTM, tile_weights

CONFIGS = [
    LSTMConfig(vocabulary=50, embedding=10, hidden=12),
    LSTMConfig(vocabulary=50, embedding=10, hidden=12, learned_start=True),
    LSTMConfig(vocabulary=50, embedding=10, hidden=12, learned_start=True, lead_in=3),
    LSTMConfig(vocabulary=50, embedding=7, hidden=5, layers=1, learned_start=True),
    LSTMConfig(vocabulary=50, embedding=7, hidden=5, layers=4, lead_in=2),
]
LENGTHS = np.array([*range(1, 31), *[3] * 700, 40, 1, 17] * 2)
FLAT = np.random.default_rng(1).integers(0, 50, LENGTHS.sum()).astype(np.int32)
STARTS = np.cumsum(LENGTHS) - LENGTHS


def network(config, seed=1):
    """A network with widely different probabilities and, where it is learned, an initial state that is not zero."""
    torch.manual_seed(seed)
    made = build(config)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2)
        if made.initial is not None:
            made.initial.normal_()
    return made.eval().requires_grad_(False)


def exact_probabilities(made):
    """The network's probabilities of all tweets, in one padded batch."""
    tokens = np.zeros((len(LENGTHS), LENGTHS.max()), np.int64)
    for row, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True)):
        tokens[row, :length] = FLAT[start : start + length]
    with torch.inference_mode():
        return torch.sigmoid(made(torch.from_numpy(tokens), torch.from_numpy(LENGTHS))).numpy()


@pytest.mark.parametrize("config", CONFIGS)
def test_tiles_give_the_probabilities_of_the_network(config):
    made = network(config)
    expected = exact_probabilities(made)
    assert np.ptp(expected) > 0.05
    found = TiledLSTM(tile_weights(made, "float32")).probabilities(FLAT, STARTS, LENGTHS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_in_bfloat16_they_are_near(config):
    made = network(config)
    found = TiledLSTM(tile_weights(made, "bfloat16")).probabilities(FLAT, STARTS, LENGTHS)
    np.testing.assert_allclose(found, exact_probabilities(made), rtol=0, atol=0.03)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("count", [1, 31, 32, 33, 100, 512, 513, 1400])
def test_any_choice_of_tweets_gets_the_same_bits(precision, count):
    tiled = TiledLSTM(tile_weights(network(CONFIGS[1]), precision))
    all_probabilities = tiled.probabilities(FLAT, STARTS, LENGTHS)
    chosen = np.random.default_rng(count).permutation(len(LENGTHS))[:count]
    assert np.array_equal(tiled.probabilities(FLAT, STARTS[chosen], LENGTHS[chosen]), all_probabilities[chosen])


def test_sizes_that_round_differently_on_this_cpu_are_not_used(monkeypatch):
    """Libraries have other kernels for few rows: here one that adds in another order below 256 rows."""
    multiply = torch.addmm

    def addmm(added, one, other, out):
        if len(one) >= 256:
            return multiply(added, one, other, out=out)
        half = one.shape[1] // 2
        return torch.add(torch.add(one[:, half:] @ other[half:], one[:, :half] @ other[:half]), added, out=out)

    weights = tile_weights(network(CONFIGS[0]), "float32")
    before = TiledLSTM(weights)
    monkeypatch.setattr(torch, "addmm", addmm)
    tiled = TiledLSTM(weights)
    assert sorted(before._sizes) == [32, 64, 128, 256, 512]
    assert sorted(tiled._sizes) == [256, 512]
    few = tiled.probabilities(FLAT, STARTS[:5], LENGTHS[:5])
    assert np.array_equal(few, tiled.probabilities(FLAT, STARTS, LENGTHS)[:5])


def test_no_tweets_are_no_probabilities():
    empty = np.empty(0, np.int64)
    assert len(TiledLSTM(tile_weights(network(CONFIGS[0]), "float32")).probabilities(FLAT, empty, empty)) == 0
