import numpy as np
import pytest
import torch
from torch.nn.functional import embedding

from tonality.model.training.lazy_adam import EmbeddingAdam

ROWS, WIDTH = 500, 8


def batches(steps, seed=0):
    """The stems at 32 positions per step: a few are common and most are rare."""
    rng = np.random.default_rng(seed)
    return [rng.zipf(1.3, 32) % rng.integers(10, ROWS) for _ in range(steps)]


def target(seed=1):
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(seed))


def loss_of(rows, expected, scale):
    return ((rows - expected) ** 2).mean() * scale


def learn(optimizer, weight, steps, rate, scale=1.0, start=0):
    """Take steps of the lazy Adam towards the target."""
    expected = target()
    for number, stems in enumerate(steps, start=start + 1):
        ids, places = np.unique(stems, return_inverse=True)
        gathered = optimizer.gather(ids)
        leaf = gathered.weight.clone().requires_grad_()
        loss_of(embedding(torch.from_numpy(places), leaf), expected[stems], scale).backward()
        optimizer.step(gathered, ids, leaf.grad, rate(number))
    return weight


def learn_densely(weight, steps, rate, scale=1.0):
    """Take the same steps with torch's own Adam over all rows."""
    weight = weight.clone().requires_grad_()
    optimizer = torch.optim.Adam([weight])
    expected = target()
    for number, stems in enumerate(steps, start=1):
        optimizer.param_groups[0]["lr"] = rate(number)
        optimizer.zero_grad()
        loss_of(weight[torch.from_numpy(stems)], expected[stems], scale).backward()
        optimizer.step()
    return weight.detach(), optimizer.state[weight]


@pytest.fixture
def start():
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rate", [lambda step: 1e-3, lambda step: 1e-3 * (1 - step / 400)], ids=["constant", "falling"])
def test_weights_after_300_steps_are_those_of_torchs_adam_over_all_rows(start, rate):
    dense, state = learn_densely(start, batches(300), rate)
    weight = start.clone()
    optimizer = EmbeddingAdam(weight)
    learn(optimizer, weight, batches(300), rate)
    optimizer.flush()
    torch.testing.assert_close(weight, dense, rtol=0, atol=1e-5)
    torch.testing.assert_close(optimizer.state()["mean"], state["exp_avg"], rtol=0, atol=1e-7)
    torch.testing.assert_close(optimizer.state()["square"], state["exp_avg_sq"], rtol=0, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-3, 1e-4, 1e-6, 1e-9])
def test_gradients_too_small_for_epsilon_move_rows_as_far_as_torch_does(start, scale):
    # in float64, since the dense form rounds a weight 300 times
    dense, _ = learn_densely(start.double(), batches(300), lambda step: 1e-3, scale)
    weight = start.clone()
    optimizer = EmbeddingAdam(weight)
    learn(optimizer, weight, batches(300), lambda step: 1e-3, scale)
    optimizer.flush()
    torch.testing.assert_close(weight.double(), dense, rtol=0, atol=1e-5)


@pytest.mark.parametrize("gap", [1, 5, 60, 290])
@pytest.mark.parametrize("first", [1, 3, 9, 30])
def test_a_single_gradient_of_any_size_moves_its_row_as_far_as_torch_does(first, gap):
    gradient = torch.logspace(-12, 0, 100)
    dense = torch.zeros(100, requires_grad=True)
    optimizer = torch.optim.Adam([dense], lr=1e-3)
    weight = torch.zeros(3, 100)
    lazy = EmbeddingAdam(weight)
    for number in range(1, first + gap + 1):
        dense.grad = gradient if number == first else torch.zeros(100)
        optimizer.step()
        ids = np.array([1 if number == first else 2])
        lazy.step(lazy.gather(ids), ids, gradient[None].clone(), 1e-3)
    lazy.flush()
    torch.testing.assert_close(weight[1], dense.detach(), rtol=0, atol=5e-6)


@pytest.mark.slow
def test_a_row_without_gradients_for_thousands_of_steps_is_where_torch_has_it(start):
    steps = [np.array([7, 8]), *[np.array([9])] * 3_000, np.array([7, 9]), np.array([9])]
    dense, _ = learn_densely(start, steps, lambda step: 1e-3)
    weight = start.clone()
    optimizer = EmbeddingAdam(weight)
    learn(optimizer, weight, steps, lambda step: 1e-3)
    optimizer.flush()
    torch.testing.assert_close(weight[[7, 8]], dense[[7, 8]], rtol=0, atol=1e-5)


def test_rows_that_never_had_a_gradient_stay_as_they_were(start):
    weight = start.clone()
    optimizer = EmbeddingAdam(weight)
    learn(optimizer, weight, [np.array([3, 4, 4])] * 50, lambda step: 1e-3)
    optimizer.flush()
    others = np.setdiff1d(np.arange(ROWS), [3, 4])
    assert torch.equal(weight[others], start[others])
    assert not torch.equal(weight[[3, 4]], start[[3, 4]])


def test_gathering_a_row_returns_it_up_to_date_and_leaves_the_table_unchanged(start):
    weight = start.clone()
    optimizer = EmbeddingAdam(weight)
    learn(optimizer, weight, [np.array([3]), *[np.array([5])] * 20], lambda step: 1e-3)
    before = weight.clone()
    gathered = optimizer.gather(np.array([3])).weight
    assert torch.equal(weight, before)
    optimizer.flush()
    torch.testing.assert_close(weight[[3]], gathered, rtol=0, atol=0)
    assert not torch.equal(weight[3], before[3])


def test_resuming_from_a_state_gives_the_same_bits_as_never_stopping(start):
    steps = batches(120)
    straight, halted = start.clone(), start.clone()
    learn(EmbeddingAdam(straight), straight, steps, lambda step: 1e-3)
    first = EmbeddingAdam(halted)
    learn(first, halted, steps[:70], lambda step: 1e-3)
    second = EmbeddingAdam(halted)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    learn(second, halted, steps[70:], lambda step: 1e-3, start=70)
    assert torch.equal(halted, straight)
