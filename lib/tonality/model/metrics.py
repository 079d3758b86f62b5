"""How good probabilities are, measured against labels.

An undefined value is NaN, not 0: a model that was never asked about a positive tweet has not failed on one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Metrics", "accuracy", "auc", "compute_metrics", "f1", "log_loss", "macro_f1"]

Probabilities = NDArray[np.floating]
"""Probabilities of being positive: (N,), finite, from 0 to 1."""
Labels = NDArray[np.floating | np.integer]
"""1 positive, 0 negative: (N,)."""


@dataclass(frozen=True)
class Metrics:
    """What `compute_metrics` finds."""

    rows: int
    log_loss: float
    """In nats; the lower the better. A coin's is 0.693."""
    accuracy: float
    f1: float
    """Of the positive class."""
    macro_f1: float
    auc: float
    """The chance that a random positive tweet scores above a random negative one."""


def compute_metrics(probabilities: Probabilities, labels: Labels) -> Metrics:
    """All metrics at once."""
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

    Probabilities are kept one rounding step of float64 away from 0 and 1: one sure mistake costs 36 nats, not infinity.
    """
    step = np.finfo(np.float64).eps
    inner = np.clip(probabilities.astype(np.float64), step, 1 - step)
    return np.where(labels == 1, -np.log(inner), -np.log1p(-inner))


def log_loss(probabilities: Probabilities, labels: Labels) -> float:
    """Mean binary cross-entropy, in nats; NaN without rows."""
    return float(np.mean(losses(probabilities, labels))) if len(labels) else float("nan")


def accuracy(probabilities: Probabilities, labels: Labels) -> float:
    """The share of rows on the right side of 0.5, 0.5 itself being positive; NaN without rows."""
    return float(np.mean(_positive(probabilities) == (labels == 1))) if len(labels) else float("nan")


def f1(probabilities: Probabilities, labels: Labels) -> float:
    """F1 of the positive class; NaN where nothing is positive and nothing was called so."""
    return _f1(_positive(probabilities), labels == 1)


def macro_f1(probabilities: Probabilities, labels: Labels) -> float:
    """The mean of both classes' F1; NaN where either is."""
    called, true = _positive(probabilities), labels == 1
    return (_f1(called, true) + _f1(~called, ~true)) / 2


def auc(probabilities: Probabilities, labels: Labels) -> float:
    """The area under the ROC curve, ties counted half; NaN where a class is missing.

    From ranks: J. Hanley and B. McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 143(1), 1982.
    """
    true = labels == 1
    positives, negatives = int(true.sum()), int((~true).sum())
    if not positives or not negatives:
        return float("nan")
    above = _ranks(probabilities)[true].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def _positive(probabilities: Probabilities) -> NDArray[np.bool_]:
    return np.asarray(probabilities >= 0.5)


def _f1(called: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    either = int(called.sum()) + int(true.sum())
    return 2 * int((called & true).sum()) / either if either else float("nan")


def _ranks(values: Probabilities) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks
