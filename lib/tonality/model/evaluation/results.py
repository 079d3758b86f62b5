"""A model on held-out rows: its measures with their intervals, its ROC curve, its confusion, its reliability."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tonality.model.evaluation.intervals import wilson
from tonality.model.metrics import Labels, Metrics, Probabilities, compute_metrics

__all__ = ["Confusion", "EvaluationResult", "Reliability", "Roc", "evaluate_predictions"]

_BINS: Final = 10
_ROC_POINTS: Final = 200


@dataclass(frozen=True)
class Confusion:
    """Rows by their label and by what they were called, at a probability of 0.5."""

    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int


@dataclass(frozen=True)
class Roc:
    """The curve from (0, 0) to (1, 1), of at most some two hundred points."""

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]


@dataclass(frozen=True)
class Reliability:
    """The rows of each tenth of the probabilities that has any: what was promised and what was found."""

    rows: tuple[int, ...]
    mean_probability: tuple[float, ...]
    positive_share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    """The share's 95 % Wilson interval."""


@dataclass(frozen=True)
class EvaluationResult:
    """All that is known of one model."""

    metrics: Metrics
    accuracy_low: float
    accuracy_high: float
    """The accuracy's 95 % Wilson interval."""
    confusion: Confusion
    roc: Roc
    reliability: Reliability
    settings: Mapping[str, float] = field(default_factory=dict)
    """What was chosen on the training side, by name."""

    def content(self) -> dict[str, Any]:
        """As plain values for JSON: the measures at the top, the rest by name."""
        rest = asdict(self)
        return {**rest.pop("metrics"), **rest}


def evaluate_predictions(
    probabilities: Probabilities, labels: Labels, settings: Mapping[str, float] | None = None
) -> EvaluationResult:
    """What a model's probabilities of the held-out rows are worth; both (N,), labels 1 and 0."""
    metrics = compute_metrics(probabilities, labels)
    called, true = probabilities >= 0.5, labels == 1
    low, high = wilson(np.array([float(np.sum(called == true))]), np.array([float(len(labels))]))
    return EvaluationResult(
        metrics=metrics,
        accuracy_low=float(low[0]),
        accuracy_high=float(high[0]),
        confusion=_confusion(called, true),
        roc=_roc(probabilities, true),
        reliability=_reliability(probabilities, true),
        settings=settings or {},
    )


def _confusion(called: NDArray[np.bool_], true: NDArray[np.bool_]) -> Confusion:
    return Confusion(
        true_positive=int(np.sum(called & true)),
        false_negative=int(np.sum(~called & true)),
        false_positive=int(np.sum(called & ~true)),
        true_negative=int(np.sum(~called & ~true)),
    )


def _roc(probabilities: Probabilities, true: NDArray[np.bool_]) -> Roc:
    """Equal probabilities are one step: no threshold parts them."""
    order = np.argsort(-probabilities, kind="stable")
    last_of_equal = np.append(np.diff(probabilities[order]) != 0, True)
    above = np.cumsum(true[order])[last_of_equal]
    rows = np.flatnonzero(last_of_equal) + 1
    points = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _ROC_POINTS)).round().astype(int))
    rates = (rows - above)[points] / max(1, np.sum(~true)), above[points] / max(1, np.sum(true))
    return Roc(*((0.0, *rate.round(6).tolist()) for rate in rates))


def _reliability(probabilities: Probabilities, true: NDArray[np.bool_]) -> Reliability:
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    rows = np.bincount(bins, minlength=_BINS)
    filled = np.flatnonzero(rows)
    total = rows[filled].astype(np.float64)
    hits = np.bincount(bins, weights=true, minlength=_BINS)[filled].astype(np.float64)
    promised = np.bincount(bins, weights=probabilities, minlength=_BINS)[filled] / total
    values = (promised, hits / total, *wilson(hits, total))
    return Reliability(tuple(rows[filled].tolist()), *(tuple(value.round(6).tolist()) for value in values))
