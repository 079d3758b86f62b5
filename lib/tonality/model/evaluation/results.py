"""Evaluation of a model on held-out rows: metrics with intervals, confusion matrix, ROC curve and reliability."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tonality.model.metrics import Labels, Metrics, Probabilities, compute_metrics, wilson_interval

__all__ = ["Confusion", "EvaluationResult", "Reliability", "Roc", "evaluate_predictions"]

_BINS: Final = 10
_ROC_POINTS: Final = 200


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix: rows by label and prediction at a threshold of 0.5."""

    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int


@dataclass(frozen=True)
class Roc:
    """ROC curve from (0, 0) to (1, 1), with at most about two hundred points."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True)
class Reliability:
    """Reliability diagram: mean predicted probability and share of positives in each non-empty tenth of [0, 1]."""

    rows: tuple[int, ...]
    mean_probability: tuple[float, ...]
    positive_share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    """The share's 95 % Wilson interval."""


@dataclass(frozen=True)
class EvaluationResult:
    """The evaluation of one model."""

    metrics: Metrics
    accuracy_low: float
    accuracy_high: float
    """The accuracy's 95 % Wilson interval."""
    confusion: Confusion
    roc: Roc
    reliability: Reliability
    settings: Mapping[str, float] = field(default_factory=dict)
    """Hyperparameters chosen on the training split, by name."""

    def content(self) -> dict[str, Any]:
        """Plain values for JSON: the metrics at the top level, everything else by name."""
        rest = asdict(self)
        return {**rest.pop("metrics"), **rest}


def evaluate_predictions(
    probabilities: Probabilities, labels: Labels, settings: Mapping[str, float] | None = None
) -> EvaluationResult:
    """Evaluate a model's probabilities of the held-out rows against their labels, 1 or 0; both (N,)."""
    metrics = compute_metrics(probabilities, labels)
    predicted, actual = probabilities >= 0.5, labels == 1
    low, high = wilson_interval(np.array([float(np.sum(predicted == actual))]), np.array([float(len(labels))]))
    return EvaluationResult(
        metrics=metrics,
        accuracy_low=float(low[0]),
        accuracy_high=float(high[0]),
        confusion=_confusion(predicted, actual),
        roc=_roc(probabilities, actual),
        reliability=_reliability(probabilities, actual),
        settings=settings or {},
    )


def _confusion(predicted: NDArray[np.bool_], actual: NDArray[np.bool_]) -> Confusion:
    return Confusion(
        true_positive=int(np.sum(predicted & actual)),
        false_negative=int(np.sum(~predicted & actual)),
        false_positive=int(np.sum(predicted & ~actual)),
        true_negative=int(np.sum(~predicted & ~actual)),
    )


def _roc(probabilities: Probabilities, actual: NDArray[np.bool_]) -> Roc:
    # Equal probabilities form one step of the curve: no threshold separates them.
    order = np.argsort(-probabilities, kind="stable")
    last_of_equal = np.append(np.diff(probabilities[order]) != 0, True)
    hits = np.cumsum(actual[order])[last_of_equal]
    rows = np.flatnonzero(last_of_equal) + 1
    points = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _ROC_POINTS)).round().astype(int))
    rates = (rows - hits)[points] / max(1, np.sum(~actual)), hits[points] / max(1, np.sum(actual))
    return Roc(*((0.0, *rate.round(6).tolist()) for rate in rates))


def _reliability(probabilities: Probabilities, actual: NDArray[np.bool_]) -> Reliability:
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    rows = np.bincount(bins, minlength=_BINS)
    filled = np.flatnonzero(rows)
    total = rows[filled].astype(np.float64)
    hits = np.bincount(bins, weights=actual, minlength=_BINS)[filled].astype(np.float64)
    mean_probability = np.bincount(bins, weights=probabilities, minlength=_BINS)[filled] / total
    values = (mean_probability, hits / total, *wilson_interval(hits, total))
    return Reliability(tuple(rows[filled].tolist()), *(tuple(value.round(6).tolist()) for value in values))
