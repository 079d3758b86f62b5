import dataclasses
import threading

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from tonality.model.loading.length_buckets import Batch, Segment
from tonality.model.network.lstm import LSTMConfig, build
from tonality.model.training.learner import Learner

CPU = torch.device("cpu")
SMALL = LSTMConfig(vocabulary=40, embedding=6, hidden=5, layers=2, dropout=0.0, learned_start=True)


def batch_of(*segments):
    """A batch of segments, each (tokens (B, T), labels (B,))."""
    tokens = [np.array(part) for part, _ in segments]
    stems, places = np.unique(np.concatenate([part.ravel() for part in tokens]), return_inverse=True)
    ends = np.cumsum([part.size for part in tokens])[:-1]
    shaped = [flat.reshape(part.shape) for flat, part in zip(np.split(places, ends), tokens, strict=True)]
    labels = [np.array(part, np.float32) for _, part in segments]
    return Batch(stems, tuple(map(Segment, shaped, labels)), sum(map(len, labels)))


def random_batches(count, rows=24, seed=0):
    rng = np.random.default_rng(seed)
    return [
        batch_of(
            *(
                (rng.integers(1, 40, (rows // 2, length)), rng.integers(0, 2, rows // 2))
                for length in (length, length + 2)
            )
        )
        for length in rng.integers(1, 6, count)
    ]


def padded(batch):
    """The batch as the network's own forward takes it: tokens, lengths, labels."""
    width = max(part.places.shape[1] for part in batch.segments)
    rows = [np.pad(batch.stems[part.places], ((0, 0), (0, width - part.places.shape[1]))) for part in batch.segments]
    lengths = np.concatenate([np.full(len(part.labels), part.places.shape[1]) for part in batch.segments])
    labels = np.concatenate([part.labels for part in batch.segments])
    return torch.from_numpy(np.concatenate(rows)), torch.from_numpy(lengths), torch.from_numpy(labels)


def learn(learner, batches, rate=0.01, start=0):
    for number, batch in enumerate(batches, start=start + 1):
        learner.step(batch, batch.rows, rate, (1, number))
    learner.flush()
    return learner.weights()


def largest_difference(weights, others):
    assert weights.keys() == others.keys()
    return max((weights[name] - others[name]).abs().max().item() for name in weights)


@pytest.mark.slow
@pytest.mark.parametrize("before", [{"learned_start": True}, {"learned_start": False, "lead_in": 3}])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_weights_after_300_steps_are_those_of_the_padded_network_under_torchs_adam(settings, threads, before):
    """Equal lengths, shared rows, lazy updates and threads change the speed and nothing else."""
    config = dataclasses.replace(SMALL, **before)
    torch.manual_seed(settings.seed)
    plain = build(config)
    optimizer = torch.optim.Adam([weight for weight in plain.parameters() if weight.requires_grad], lr=0.001)
    for batch in random_batches(300):
        tokens, lengths, labels = padded(batch)
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(plain(tokens, lengths), labels).backward()
        optimizer.step()
    with Learner(config, settings.model_copy(update={"threads": threads}), CPU) as learner:
        weights = learn(learner, random_batches(300), rate=0.001)
    assert largest_difference(weights, plain.state_dict()) < 1e-5


def test_the_loss_of_a_step_is_the_sum_over_its_rows_before_the_step(settings):
    torch.manual_seed(settings.seed)
    plain = build(SMALL)
    batch = random_batches(1)[0]
    tokens, lengths, labels = padded(batch)
    expected = binary_cross_entropy_with_logits(plain(tokens, lengths), labels, reduction="sum")
    with Learner(SMALL, settings, CPU) as learner:
        torch.testing.assert_close(learner.step(batch, batch.rows, 0.01, (1, 1)).total, expected.detach())


def test_logits_are_the_networks_own(settings):
    with Learner(SMALL, settings, CPU) as learner:
        learn(learner, random_batches(5))
        network = build(SMALL).eval()
        network.load_state_dict(learner.weights())
        batch = random_batches(1, seed=7)[0]
        tokens, lengths, _ = padded(batch)
        torch.testing.assert_close(learner.logits(batch), network(tokens, lengths).detach(), rtol=0, atol=1e-6)


def test_dropout_depends_on_the_step_and_not_on_earlier_draws(settings):
    config = dataclasses.replace(SMALL, dropout=0.5)
    batch = random_batches(1)[0]
    losses = []
    for position in ((1, 1), (1, 1), (1, 2), (2, 1)):
        torch.rand(3)
        with Learner(config, settings, CPU) as learner:
            losses.append(learner.step(batch, batch.rows, 0.01, position).total.item())
    assert losses[0] == losses[1]
    assert len(set(losses[1:])) == 3


def test_dropout_zeroes_its_share_and_scales_up_the_rest(settings):
    config = LSTMConfig(vocabulary=40, embedding=6, hidden=512, layers=1, dropout=0.3)
    batch = random_batches(1, rows=200)[0]
    with Learner(config, settings, CPU) as learner:
        mask = learner._dropout_mask(batch, (1, 1))
    assert mask.shape == (200, 512)
    assert mask.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert (mask == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)


def test_a_long_gradient_is_shortened_to_the_limit_and_a_short_one_left(settings):
    """Adam normalizes a gradient's length, so not the step but the momenta show it."""

    def momentum(clip_norm):
        with Learner(SMALL, settings.model_copy(update={"clip_norm": clip_norm}), CPU) as learner:
            batch = random_batches(1)[0]
            learner.step(batch, batch.rows, 0.01, (1, 1))
            means = [part for name, part in learner.state().items() if name.endswith(".mean")]
        return torch.linalg.vector_norm(torch.cat([mean.flatten() for mean in means])).item() / (1 - 0.9)

    free = momentum(0.0)
    assert momentum(free / 4) == pytest.approx(free / 4, rel=1e-4)
    assert momentum(free * 4) == pytest.approx(free, rel=1e-6)


def test_resuming_from_a_state_gives_the_same_bits_as_never_stopping(settings):
    batches = random_batches(40)
    with Learner(SMALL, settings, CPU) as straight:
        expected = learn(straight, batches)
    with Learner(SMALL, settings, CPU) as first:
        for number, batch in enumerate(batches[:25], start=1):
            first.step(batch, batch.rows, 0.01, (1, number))
        state = {name: tensor.clone() for name, tensor in first.state().items()}
    with Learner(SMALL, settings.model_copy(update={"seed": 99}), CPU) as second:
        second.restore(state)
        assert largest_difference(learn(second, batches[25:], start=25), expected) == 0


def test_bfloat16_computes_in_it_and_keeps_weights_in_float32(settings):
    with Learner(SMALL, settings, CPU) as exact:
        expected = learn(exact, random_batches(30))
    with Learner(SMALL, settings.model_copy(update={"precision": "bfloat16"}), CPU) as short:
        found = learn(short, random_batches(30))
    assert {weight.dtype for weight in found.values()} == {torch.float32}
    assert largest_difference(found, expected) > 1e-5
    # 0.022 on processors that emulate bfloat16, whose sums round more often; 30 steps of Adam may move a weight by 0.3
    assert max((found[name] - expected[name]).abs().mean() for name in found) < 0.03


def test_a_learner_leaves_no_thread_behind_and_torchs_generator_unchanged(settings):
    threads, state = set(threading.enumerate()), torch.get_rng_state()
    with Learner(SMALL, settings, CPU) as learner:
        learn(learner, random_batches(3))
        assert set(threading.enumerate()) - threads, "the second worker is a thread"
    assert set(threading.enumerate()) == threads
    assert torch.equal(torch.get_rng_state(), state)
