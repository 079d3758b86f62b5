"""Two networks on the same held-out rows: by how much one is better than the other, and how sure that is."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tonality.model.metrics import Labels, Probabilities, losses

__all__ = ["Difference", "differences"]

_NORMAL_95: Final = 1.959964


@dataclass(frozen=True)
class Difference:
    """A measure of one network minus that of the other, with its 95 % interval."""

    mean: float
    low: float
    high: float


def differences(one: Probabilities, other: Probabilities, labels: Labels) -> dict[str, Difference]:
    """How the measures of one network differ from those of the other; all three (N,), row by row of the same tweets.

    The intervals are those of a mean of paired differences (normal approximation): rows that both read alike say
    nothing of which is better, and do not widen them.
    """
    return {
        "log_loss": _difference(losses(one, labels) - losses(other, labels)),
        "accuracy": _difference(_rights(one, labels) - _rights(other, labels)),
    }


def _difference(by_row: NDArray[np.float64]) -> Difference:
    mean, rows = float(by_row.mean()), len(by_row)
    margin = _NORMAL_95 * float(by_row.std(ddof=1)) / rows**0.5 if rows > 1 else float("inf")
    return Difference(mean, mean - margin, mean + margin)


def _rights(probabilities: Probabilities, labels: Labels) -> NDArray[np.float64]:
    return np.asarray((probabilities >= 0.5) == (labels == 1), np.float64)
