"""Error bars of proportions."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["wilson"]

_Z95: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile: 95 % between it and its negative."""


def wilson(hits: NDArray[np.float64], total: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % score interval of the proportions hits / total, as low and high from 0 to 1; NaN where total is NaN.

    Unlike the textbook interval it keeps its width at shares of 0 and 1 and where counts are few: E. B. Wilson,
    Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927), 209-212.
    """
    share = hits / total
    z2 = _Z95**2 / total
    middle = (share + z2 / 2) / (1 + z2)
    half = _Z95 / (1 + z2) * np.sqrt(share * (1 - share) / total + z2 / (4 * total))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
