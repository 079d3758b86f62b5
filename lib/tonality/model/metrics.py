"""Binary classification metrics of probabilities against labels, and the confidence interval of a proportion.

An undefined metric is NaN, not 0: a model that never saw a positive tweet has not failed on one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Z95",
    "Labels",
    "Metrics",
    "Probabilities",
    "accuracy",
    "auc",
    "compute_metrics",
    "f1",
    "log_loss",
    "losses",
    "macro_f1",
    "wilson_interval",
]

Probabilities = NDArray[np.floating]
"""Probabilities of the positive class: (N,), finite, from 0 to 1."""
Labels = NDArray[np.floating | np.integer]
"""1 positive, 0 negative: (N,)."""

Z95: Final = 1.959963984540054
"""97.5 % quantile of the standard normal distribution: 95 % of it lie within ±Z95."""


@dataclass(frozen=True)
class Metrics:
    """Metrics of one set of predictions."""

    rows: int
    log_loss: float
    """In nats; lower is better, and guessing gives 0.693."""
    accuracy: float
    f1: float
    """Of the positive class."""
    macro_f1: float
    auc: float
    """The probability that a random positive tweet scores above a random negative one."""


def compute_metrics(probabilities: Probabilities, labels: Labels) -> Metrics:
    """Compute all metrics."""
    return Metrics(
        rows=len(labels),
        log_loss=log_loss(probabilities, labels),
        accuracy=accuracy(probabilities, labels),
        f1=f1(probabilities, labels),
        macro_f1=macro_f1(probabilities, labels),
        auc=auc(probabilities, labels),
    )


def losses(probabilities: Probabilities, labels: Labels) -> NDArray[np.float64]:
    """The binary cross-entropy of each row, in nats.

    Probabilities are clipped to one float64 epsilon from 0 and 1, so a mistake made with certainty costs 36 nats
    instead of infinity.
    """
    eps = np.finfo(np.float64).eps
    clipped = np.clip(probabilities.astype(np.float64), eps, 1 - eps)
    return np.where(labels == 1, -np.log(clipped), -np.log1p(-clipped))


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Mean binary cross-entropy, in nats; NaN without rows."""
    return float(np.mean(losses(probabilities, labels))) if len(labels) else float("nan")


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """The share of rows on the correct side of 0.5, where 0.5 counts as positive; NaN without rows."""
    return float(np.mean(_positive(probabilities) == (labels == 1))) if len(labels) else float("nan")


def f1(probabilities: Probabilities, labels: Labels) -> float:
    """F1 of the positive class; NaN if no row is positive and none is predicted positive."""
    return _f1(_positive(probabilities), labels == 1)


def macro_f1(probabilities: Probabilities, labels: Labels) -> float:
    """The mean F1 of both classes; NaN if either is NaN."""
    predicted, actual = _positive(probabilities), labels == 1
    return (_f1(predicted, actual) + _f1(~predicted, ~actual)) / 2


def auc(probabilities: Probabilities, labels: Labels) -> float:
    """The area under the ROC curve, ties counting half; NaN if a class is missing.

    Computed from ranks: J. Hanley and B. McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 143(1),
    1982.
    """
    actual = labels == 1
    positives, negatives = int(actual.sum()), int((~actual).sum())
    if not positives or not negatives:
        return float("nan")
    above = _ranks(probabilities)[actual].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def wilson_interval(
    hits: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % Wilson score interval of hits / total, as lower and upper bounds from 0 to 1; NaN where total is NaN.

    Unlike the textbook (Wald) interval it does not collapse at shares of 0 and 1 or for small counts: E. B. Wilson,
    Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927), 209-212.
    """
    share = hits / total
    z2 = Z95**2 / total
    middle = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * np.sqrt(share * (1 - share) / total + z2 / (4 * total))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _positive(probabilities: Probabilities) -> NDArray[np.bool_]:
    return np.asarray(probabilities >= 0.5)


def _f1(predicted: NDArray[np.bool_], actual: NDArray[np.bool_]) -> float:
    total = int(predicted.sum()) + int(actual.sum())
    return 2 * int((predicted & actual).sum()) / total if total else float("nan")


def _ranks(values: Probabilities) -> NDArray[np.float64]:
    """Ranks from 1; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks
