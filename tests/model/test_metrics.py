import math

import numpy as np
import pytest
import sklearn.metrics

from tonality.model import metrics


def random_predictions(seed, rows=500, ties=False):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows).astype(np.float64)
    probabilities = np.clip(0.3 * labels + 0.7 * rng.random(rows), 0, 1)
    return (np.round(probabilities, 1) if ties else probabilities), labels


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_metrics_are_those_of_scikit_learn(seed, ties):
    probabilities, labels = random_predictions(seed, ties=ties)
    found = metrics.compute_metrics(probabilities, labels)
    predicted = probabilities >= 0.5
    assert found.rows == 500
    assert found.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted), abs=1e-12)
    assert found.f1 == pytest.approx(sklearn.metrics.f1_score(labels, predicted), abs=1e-12)
    assert found.macro_f1 == pytest.approx(sklearn.metrics.f1_score(labels, predicted, average="macro"), abs=1e-12)
    assert found.auc == pytest.approx(sklearn.metrics.roc_auc_score(labels, probabilities), abs=1e-12)
    assert found.log_loss == pytest.approx(sklearn.metrics.log_loss(labels, probabilities), abs=1e-12)


def test_a_sure_mistake_costs_much_and_not_infinity():
    probabilities, labels = np.array([1.0, 0.0, 0.5]), np.array([0, 1, 1])
    assert metrics.log_loss(probabilities, labels) == pytest.approx(sklearn.metrics.log_loss(labels, probabilities))
    assert metrics.log_loss(np.array([1.0]), np.array([0])) == pytest.approx(36.04, abs=0.01)


def test_half_counts_as_positive():
    assert metrics.accuracy(np.array([0.5, 0.4999]), np.array([1, 0])) == 1


def test_the_auc_of_equal_probabilities_is_a_coin():
    assert metrics.auc(np.full(10, 0.7), np.array([1, 0] * 5)) == 0.5


def test_the_auc_counts_the_pairs_in_the_right_order():
    assert metrics.auc(np.array([0.1, 0.2, 0.2, 0.9]), np.array([0, 0, 1, 1])) == (1 + 0.5 + 2) / 4


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_auc(label):
    assert math.isnan(metrics.auc(np.array([0.2, 0.9]), np.array([label, label])))


def test_what_is_undefined_is_nan_and_what_failed_is_zero():
    all_negative = np.array([0.1, 0.2])
    assert math.isnan(metrics.f1(all_negative, np.array([0, 0])))
    assert math.isnan(metrics.macro_f1(all_negative, np.array([0, 0])))
    assert metrics.f1(all_negative, np.array([0, 1])) == 0


def test_without_rows_nothing_is_defined():
    found = metrics.compute_metrics(np.array([]), np.array([]))
    assert found.rows == 0
    assert all(math.isnan(value) for value in (found.log_loss, found.accuracy, found.f1, found.macro_f1, found.auc))


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_that_newcombe_published(hits, total, low, high):
    """R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statist. Med. 17 (1998), table I."""
    found = metrics.wilson_interval(np.array([float(hits)]), np.array([float(total)]))
    assert (found[0][0], found[1][0]) == pytest.approx((low, high), abs=5e-5)


def test_an_interval_never_leaves_the_range_from_0_to_1():
    total = np.arange(1.0, 500.0)
    nothing, everything = metrics.wilson_interval(np.zeros_like(total), total), metrics.wilson_interval(total, total)
    assert nothing[0].min() >= 0 and everything[1].max() <= 1
    assert nothing[1] == pytest.approx(1 - everything[0])
