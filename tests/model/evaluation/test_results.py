import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from tonality.model.evaluation.results import Confusion, evaluate_predictions
from tonality.runtime.storage.json_files import to_json

PROBABILITIES = np.array([0.9, 0.8, 0.3, 0.6, 0.2, 0.2], np.float32)
LABELS = np.array([1, 1, 1, 0, 0, 0], np.float32)


def test_the_confusion_matrix_counts_rows_by_label_and_prediction():
    assert evaluate_predictions(PROBABILITIES, LABELS).confusion == Confusion(2, 1, 1, 2)


def test_the_accuracy_has_the_interval_of_its_rows():
    found = evaluate_predictions(PROBABILITIES, LABELS)
    # scipy.stats.binomtest(4, 6).proportion_ci(method="wilson")
    assert (found.accuracy_low, found.accuracy_high) == pytest.approx((0.29999, 0.90323), abs=1e-4)


def test_the_roc_curve_is_scikit_learns():
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 150)
    probabilities = (labels * 0.2 + random.random(150)).round(1) / 2  # with ties
    roc = evaluate_predictions(probabilities, labels).roc
    theirs = roc_curve(labels, probabilities, drop_intermediate=False)
    assert roc.false_positive_rate == pytest.approx(theirs[0].tolist(), abs=1e-6)
    assert roc.true_positive_rate == pytest.approx(theirs[1].tolist(), abs=1e-6)


def test_a_long_curve_is_thinned_from_corner_to_corner():
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 10_000)
    probabilities = labels * 0.2 + random.random(10_000)
    roc = evaluate_predictions(probabilities / 2, labels).roc
    assert len(roc.true_positive_rate) <= 201
    assert (roc.false_positive_rate[0], roc.true_positive_rate[0]) == (0, 0)
    assert (roc.false_positive_rate[-1], roc.true_positive_rate[-1]) == (1, 1)
    area = np.trapezoid(roc.true_positive_rate, roc.false_positive_rate)
    assert area == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-3)


def test_reliability_compares_mean_probabilities_with_shares():
    found = evaluate_predictions(PROBABILITIES, LABELS).reliability
    assert found.rows == (2, 1, 1, 1, 1)
    assert found.mean_probability == pytest.approx((0.2, 0.3, 0.6, 0.8, 0.9))
    assert found.positive_share == (0, 1, 0, 1, 1)
    assert all(
        low <= share <= high for low, share, high in zip(found.low, found.positive_share, found.high, strict=True)
    )


def test_a_probability_of_1_belongs_to_the_last_tenth():
    assert evaluate_predictions(np.array([1.0, 0.95]), np.array([1, 0])).reliability.rows == (2,)


def test_an_undefined_metric_is_null_in_json():
    one_class = evaluate_predictions(np.array([0.9]), np.array([1]))
    content = json.loads(to_json(one_class.content()))
    assert content["auc"] is None
    assert content["accuracy"] == 1
