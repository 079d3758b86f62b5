"""Paired comparison of two networks on the same held-out rows: mean differences with their 95 % intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tonality.model.metrics import Z95, Labels, Probabilities, losses

__all__ = ["Difference", "differences"]


@dataclass(frozen=True)
class Difference:
    """A metric of one network minus that of the other, with its 95 % interval."""

    mean: float
    low: float
    high: float


def differences(one: Probabilities, other: Probabilities, labels: Labels) -> dict[str, Difference]:
    """Differences in log loss and accuracy between two networks, given their probabilities of the same rows: (N,) each.

    The intervals are those of the mean paired difference (normal approximation). Rows on which both networks agree
    carry no information about which one is better and do not widen the intervals.
    """
    return {
        "log_loss": _difference(losses(one, labels) - losses(other, labels)),
        "accuracy": _difference(_correct(one, labels) - _correct(other, labels)),
    }


def _difference(by_row: NDArray[np.float64]) -> Difference:
    mean, rows = float(by_row.mean()), len(by_row)
    margin = Z95 * float(by_row.std(ddof=1)) / rows**0.5 if rows > 1 else float("inf")
    return Difference(mean, mean - margin, mean + margin)


def _correct(probabilities: Probabilities, labels: Labels) -> NDArray[np.float64]:
    return np.asarray((probabilities >= 0.5) == (labels == 1), np.float64)
