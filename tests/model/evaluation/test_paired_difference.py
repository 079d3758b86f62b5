import numpy as np
import pytest

from tonality.model.evaluation.paired_difference import differences
from tonality.model.metrics import accuracy, log_loss


@pytest.fixture
def labels():
    return (np.random.default_rng(1).random(2000) < 0.5).astype(np.float32)


def noisy(labels, sharpness, seed):
    draws = np.random.default_rng(seed).normal(size=len(labels))
    return (1 / (1 + np.exp(-(sharpness * (2 * labels - 1) + draws)))).astype(np.float32)


def test_the_mean_difference_is_the_difference_of_the_metrics(labels):
    one, other = noisy(labels, 1.0, 2), noisy(labels, 0.5, 3)
    found = differences(one, other, labels)
    assert found["log_loss"].mean == pytest.approx(log_loss(one, labels) - log_loss(other, labels))
    assert found["accuracy"].mean == pytest.approx(accuracy(one, labels) - accuracy(other, labels))


def test_a_much_better_network_is_significantly_better(labels):
    found = differences(noisy(labels, 1.0, 2), noisy(labels, 0.2, 2), labels)
    assert found["log_loss"].low < found["log_loss"].high < 0 < found["accuracy"].low < found["accuracy"].high


def test_two_networks_with_equal_probabilities_do_not_differ(labels):
    same = noisy(labels, 1.0, 2)
    for difference in differences(same, same, labels).values():
        assert (difference.mean, difference.low, difference.high) == (0, 0, 0)


def test_the_interval_holds_the_true_difference_nineteen_times_in_twenty():
    """For accuracies of 0.8 and 0.75, with rows drawn independently."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        one, other = ((random.random(500) < share).astype(np.float32) for share in (0.8, 0.75))
        difference = differences(one, other, np.ones(500, np.float32))["accuracy"]
        held += difference.low <= 0.05 <= difference.high
    assert 0.92 <= held / 400 <= 0.98


def test_the_interval_is_as_wide_as_the_spread_of_a_sample_makes_it():
    """For two rows with differences 1 and 0, whose sample standard deviation is sqrt(1/2)."""
    difference = differences(np.array([0.9, 0.9]), np.array([0.4, 0.9]), np.ones(2, np.float32))["accuracy"]
    assert (difference.low, difference.high) == pytest.approx((0.5 - 0.979982, 0.5 + 0.979982))


def test_the_interval_of_one_row_is_infinite():
    difference = differences(np.array([0.9]), np.array([0.4]), np.array([1.0]))["accuracy"]
    assert (difference.mean, difference.low, difference.high) == (1, -np.inf, np.inf)
