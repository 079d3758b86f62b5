"""Adam on an embedding, without updating every row at every step.

Adam also moves rows whose stems do not occur in the batch, by their decaying momentum. With a gradient of zero, the k
steps after a row's last update, t0, add up to

    sum over j of  f(t0 + j) q^j  m / (sqrt(v) + e(t0 + j, j)),    j = 1 .. k,

    f(t) = rate(t) sqrt(1 - b2^t) / (1 - b1^t),   q = b1 / sqrt(b2),   e(t, j) = eps sqrt(1 - b2^t) b2^(-j/2)

with m, v as they were after t0 (D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1).
Beside v, only e depends on j. So the sum is an integral of m / (sqrt(v) + e) over e with the weights f q^j, and is
evaluated at two values of e by Gaussian quadrature (G. Golub and J. Welsch, Calculation of Gauss Quadrature Rules,
1969), which is exact for the weights' first four moments. These depend only on t0: with four numbers per step, a row
catches up in one update when its stem occurs next, and before it is read for any other purpose. During the very first
steps e grows fastest, and two values are too few where sqrt(v) is about 1e-8; there all rows are updated at every step.
Later the error of such a sum is below 5e-6 at a rate of 0.001, and falls from step to step.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tonality.model.training.adam import STANDARD, Constants, adam_step
from tonality.model.training.device import on_device, put_rows

__all__ = ["EmbeddingAdam", "GatheredRows"]

_NEGLIGIBLE: Final = 1e-10
"""The share to which a momentum decays before it is neglected."""
_EAGER_STEPS: Final = 8
"""The number of first steps after each of which all rows are flushed."""
_CHUNK: Final = 4_096
"""Rows that are flushed at once."""


class GatheredRows(NamedTuple):
    """Up-to-date copies of the embedding's rows that a batch needs."""

    ids: Tensor
    """Row ids: (U,) int64, on the embedding's device."""
    weight: Tensor
    """Weights: (U, D)."""
    mean: Tensor
    """Adam's first moment: (U, D)."""
    square: Tensor
    """Adam's second moment: (U, D)."""


class EmbeddingAdam:
    """Adam on the rows of `weight` (N, D), which it updates in place.

    For each step: `gather` the rows of the batch, compute the gradient of their weights, `step` with it. `flush` before
    the embedding is read as a whole.
    """

    def __init__(self, weight: Tensor, constants: Constants = STANDARD) -> None:
        self._weight = weight.detach()
        self._mean = torch.zeros_like(self._weight)
        self._square = torch.zeros_like(self._weight)
        self._last = np.zeros(len(weight), np.int64)  # the step of the row's last gradient or flush; 0: none
        self._constants = constants
        self._time = 0
        # for a row last updated at each step, as of now: the sum of the weights f q^j, and their sums with e / eps to
        # the powers 1, 2 and 3
        self._sums = np.zeros((4, 1024))
        beta1, beta2, _ = constants
        self._horizon = int(np.log(_NEGLIGIBLE) / np.log(beta1)) + 1
        age = np.arange(self._horizon, 0, -1)  # steps since the last update, the oldest first
        decay = (beta1 / beta2**0.5) ** age
        self._decays = np.stack([decay * beta2 ** (-age / 2 * power) for power in range(4)])

    def gather(self, ids: NDArray[np.int64]) -> GatheredRows:
        """Copy these rows (U,), all distinct, and bring the copies up to date."""
        rows = on_device(ids, self._weight.device)
        weight, mean, square = (table.index_select(0, rows) for table in (self._weight, self._mean, self._square))
        self._catch_up(weight, mean, square, self._last[ids])
        return GatheredRows(rows, weight, mean, square)

    @torch.no_grad()
    def step(self, gathered: GatheredRows, ids: NDArray[np.int64], gradient: Tensor, rate: float) -> None:
        """Take a step with the gradient (U, D) of the gathered rows, at this learning rate."""
        self._advance(rate)
        adam_step(gathered.weight, gathered.mean, gathered.square, gradient, rate, self._time, self._constants)
        self._write_back(gathered, ids)
        if self._time <= _EAGER_STEPS:
            self.flush()

    @torch.no_grad()
    def flush(self) -> None:
        """Bring every row up to date."""
        [stale] = np.nonzero((self._last > 0) & (self._last < self._time))
        for start in range(0, len(stale), _CHUNK):
            ids = stale[start : start + _CHUNK]
            self._write_back(self.gather(ids), ids)

    def state(self) -> dict[str, Tensor]:
        """The optimizer's state, without the weights."""
        return {
            "mean": self._mean,
            "square": self._square,
            "last": torch.from_numpy(self._last),
            "sums": torch.from_numpy(self._sums[:, : self._time + 1].copy()),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the state."""
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._last[:] = state["last"].numpy()
        self._sums = state["sums"].numpy().copy()
        self._time = self._sums.shape[1] - 1

    def _catch_up(self, weight: Tensor, mean: Tensor, square: Tensor, last: NDArray[np.int64]) -> None:
        (beta1, beta2, epsilon), age = self._constants, self._time - last
        numbers = np.stack([*_quadrature(self._sums[:, last], epsilon), beta1**age, beta2**age])
        low, low_share, high, high_share, mean_decay, square_decay = on_device(
            numbers.astype(np.float32), weight.device
        ).unsqueeze(2)  # (U, 1)
        root = square.sqrt()
        weight.addcdiv_(mean * low_share, root + low, value=-1)
        weight.addcdiv_(mean * high_share, root.add_(high), value=-1)
        mean.mul_(mean_decay)
        square.mul_(square_decay)

    def _write_back(self, gathered: GatheredRows, ids: NDArray[np.int64]) -> None:
        """Write rows that are up to date to the tables."""
        put_rows(self._weight, gathered.ids, gathered.weight)
        put_rows(self._mean, gathered.ids, gathered.mean)
        put_rows(self._square, gathered.ids, gathered.square)
        self._last[ids] = self._time

    def _advance(self, rate: float) -> None:
        """Count another step, and add its weights to the sums of all steps within the horizon."""
        (beta1, beta2, _), now = self._constants, self._time
        self._time = t = now + 1
        if t >= self._sums.shape[1]:
            self._sums = np.pad(self._sums, ((0, 0), (0, self._sums.shape[1])))
        root = (1 - beta2**t) ** 0.5
        weight = rate * root / (1 - beta1**t)
        first = max(0, t - self._horizon)
        decays = self._decays[:, self._horizon - (t - first) :]
        self._sums[:, first:t] += decays * (weight * root ** np.arange(4))[:, None]


def _quadrature(sums: NDArray[np.float64], epsilon: float) -> tuple[NDArray[np.float64], ...]:
    """Two values of e and their weights, each (U,), from the weights' sums with e / eps to the powers 0 to 3 (4, U)."""
    total = sums[0]
    first, second, third = sums[1:] / np.where(total > 0, total, 1)
    variance = second - first**2
    # a single step has a single e: a tiny variance is a rounding error
    deviation = np.sqrt(np.where(variance > 1e-12 * second, variance, 0))
    skew = (third - 3 * first * second + 2 * first**3) / np.where(deviation > 0, 2 * deviation**3, 1)  # half of it
    reach = np.sqrt(1 + skew**2)
    low, high = first + deviation * (skew - reach), first + deviation * (skew + reach)
    share = total / 2 * (1 + skew / reach)
    return np.where(total > 0, low, 1) * epsilon, share, np.where(total > 0, high, 1) * epsilon, total - share
