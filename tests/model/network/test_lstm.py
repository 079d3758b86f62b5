import dataclasses
import math

import numpy as np
import pytest
import torch

from tonality.model.network.lstm import LSTM, LSTMConfig, build
from tonality.runtime.settings.sections import NetworkSettings, Settings

CONFIG = LSTMConfig(vocabulary=50, embedding=12, hidden=7, layers=2)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def published_lstm(inputs, kernel, recurrent, bias, output, cell):
    """Outputs (T, H) for inputs (T, E), with the cell as written by Gers, Schmidhuber and Cummins (2000), gate by gate.

    kernel (4H, E), recurrent (4H, H) and bias (4H,) hold the input gate, forget gate, cell and output gate in this
    order; output and cell (H,) are the initial state.
    """
    w_in, w_forget, w_cell, w_out = np.split(kernel, 4)
    u_in, u_forget, u_cell, u_out = np.split(recurrent, 4)
    b_in, b_forget, b_cell, b_out = np.split(bias, 4)
    outputs = []
    for x in inputs:
        input_gate = sigmoid(w_in @ x + u_in @ output + b_in)
        forget_gate = sigmoid(w_forget @ x + u_forget @ output + b_forget)
        output_gate = sigmoid(w_out @ x + u_out @ output + b_out)
        cell = forget_gate * cell + input_gate * np.tanh(w_cell @ x + u_cell @ output + b_cell)
        output = output_gate * np.tanh(cell)
        outputs.append(output)
    return np.array(outputs)


def published_logit(network, tokens):
    weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
    padding = np.repeat(weights["padding"][None], network.lead_in, 0) if network.lead_in else []
    states = np.array([*padding, *weights["embedding.weight"][tokens]])
    initial = weights.get("initial", np.zeros((2, network.lstm.num_layers, 1, network.lstm.hidden_size)))
    for layer in range(network.lstm.num_layers):
        kernel, recurrent = weights[f"lstm.weight_ih_l{layer}"], weights[f"lstm.weight_hh_l{layer}"]
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        states = published_lstm(states, kernel, recurrent, bias, *initial[:, layer, 0])
    return weights["dense.weight"][0] @ states[-1] + weights["dense.bias"][0]


def trained_looking(config=CONFIG, seed=3):
    """A network in float64 in which every weight matters, biases included."""
    torch.manual_seed(seed)
    network = build(config).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return network


def padded(tweets, width):
    tokens = torch.tensor([[*tweet, *[0] * (width - len(tweet))] for tweet in tweets])
    return tokens, torch.tensor([len(tweet) for tweet in tweets])


def tweets_of_lengths(*lengths):
    rng = np.random.default_rng(1)
    return [rng.integers(1, CONFIG.vocabulary, length).tolist() for length in lengths]


@pytest.mark.parametrize("learned_start", [False, True])
@pytest.mark.parametrize(("layers", "lead_in"), [(1, 0), (2, 0), (3, 0), (1, 4), (2, 4), (2, 1), (3, 9)])
def test_logits_are_those_of_the_published_equations_with_the_padding_read_before_each_tweet(
    layers, lead_in, learned_start
):
    config = dataclasses.replace(CONFIG, layers=layers, lead_in=lead_in, learned_start=learned_start)
    network = trained_looking(config)
    tweets = tweets_of_lengths(1, 2, 5, 9, 30, 30, 4)
    with torch.no_grad():
        logits = network(*padded(tweets, width=33))
    assert logits.shape == (7,)
    np.testing.assert_allclose(logits, [published_logit(network, tweet) for tweet in tweets], rtol=0, atol=1e-6)


@pytest.mark.parametrize("before", [{}, {"learned_start": True}, {"lead_in": 3}])
def test_padding_behind_and_neighbours_do_not_change_a_logit(before):
    network = trained_looking(dataclasses.replace(CONFIG, **before))
    tweets = tweets_of_lengths(6, 1, 20)
    with torch.no_grad():
        together = network(*padded(tweets, width=25))
        alone = torch.cat([network(*padded([tweet], width=len(tweet))) for tweet in tweets])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_what_stands_in_the_padding_does_not_matter():
    network = trained_looking()
    tokens, lengths = padded(tweets_of_lengths(6, 1, 20), width=25)
    with torch.no_grad():
        before = network(tokens, lengths)
        tokens[tokens == 0] = 9
        assert torch.equal(network(tokens, lengths), before)


def test_the_order_of_stems_does_matter():
    network = trained_looking()
    with torch.no_grad():
        forwards, backwards = network(*padded([[3, 4, 5], [5, 4, 3]], width=3))
    assert abs(forwards - backwards) > 1e-3


def test_dropout_is_for_training_only():
    network = build(CONFIG)
    batch = padded(tweets_of_lengths(6, 6), width=6)
    assert not torch.equal(network.train()(*batch), network(*batch))
    assert torch.equal(network.eval()(*batch), network(*batch))


def test_initial_weights_are_those_of_keras():
    torch.manual_seed(1)
    network = build(LSTMConfig(vocabulary=2_000))
    weights = network.state_dict()
    assert weights["embedding.weight"][0].abs().max() == 0
    assert_uniform(weights["embedding.weight"][1:], 0.05)
    assert_uniform(weights["lstm.weight_ih_l0"], math.sqrt(6 / (128 + 4 * 64)))
    assert_uniform(weights["lstm.weight_ih_l1"], math.sqrt(6 / (64 + 4 * 64)))
    assert_uniform(weights["dense.weight"], math.sqrt(6 / (64 + 1)), of_mean=0.35)
    for layer in (0, 1):
        recurrent = weights[f"lstm.weight_hh_l{layer}"]
        torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(64), rtol=0, atol=1e-5)
        bias = weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
        assert bias.tolist() == [0.0] * 64 + [1.0] * 64 + [0.0] * 128
    assert weights["dense.bias"].item() == 0


def assert_uniform(weights, limit, of_mean=0.05):
    """Assert that weights fill ±limit, with the standard deviation of a uniform distribution."""
    assert limit * 0.9 < weights.abs().max() <= limit
    assert abs(weights.mean()) < limit * of_mean
    assert weights.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.15)


def test_the_two_biases_of_a_gate_learn_as_one_as_in_keras():
    network = build(CONFIG)
    network(*padded(tweets_of_lengths(5), width=5)).sum().backward()
    for layer in range(CONFIG.layers):
        assert network.lstm.get_parameter(f"bias_ih_l{layer}").grad is not None
        assert network.lstm.get_parameter(f"bias_hh_l{layer}").grad is None


def test_the_initial_state_begins_at_zero_and_is_learned():
    network = build(dataclasses.replace(CONFIG, learned_start=True))
    assert network.initial.abs().max() == 0
    network(*padded(tweets_of_lengths(5), width=5)).sum().backward()
    assert network.initial.grad.abs().min() > 0


def test_the_padding_read_before_a_tweet_is_learned():
    network = build(dataclasses.replace(CONFIG, lead_in=4))
    assert 0.02 < network.padding.abs().max() <= 0.05
    network(*padded(tweets_of_lengths(5), width=5)).sum().backward()
    assert network.padding.grad.abs().min() > 0


def test_the_network_of_2016_is_the_default():
    network = build(LSTMConfig(vocabulary=100, **Settings().network.model_dump()))
    assert isinstance(network, LSTM)
    assert network.embedding.weight.shape == (100, 128)
    assert (network.lstm.num_layers, network.lstm.hidden_size, network.dropout.p) == (2, 64, 0.5)
    assert network.initial.shape == (2, 2, 1, 64)


def test_the_config_has_the_networks_settings_and_the_vocabulary():
    assert {field.name for field in dataclasses.fields(LSTMConfig)} == {"vocabulary", *NetworkSettings.model_fields}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "gru"}, "kind is 'gru': it must be lstm"),
        ({"hidden": 0}, "hidden is 0"),
        ({"layers": 1.5}, "layers is 1.5"),
        ({"dropout": 1}, "dropout is 1"),
        ({"learned_start": 1}, "learned_start is 1"),
        ({"lead_in": -1}, "lead_in is -1"),
    ],
)
def test_an_impossible_config_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        LSTMConfig(**{"vocabulary": 10, **wrong})
