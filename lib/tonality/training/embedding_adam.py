"""Adam on an embedding, without touching every row at every step.

Adam moves a row even where no tweet of the batch holds its stem: by its decaying momentum. With a gradient of zero, the
k steps after a row's last one, t0, add up to

    sum over j of  f(t0 + j) q^j  m / (sqrt(v) + e(t0 + j, j)),    j = 1 .. k,

    f(t) = rate(t) sqrt(1 - b2^t) / (1 - b1^t),   q = b1 / sqrt(b2),   e(t, j) = eps sqrt(1 - b2^t) b2^(-j/2)

with m, v as they stood after t0 (D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, 2015, algorithm 1).
Only e depends on j and stands beside v, and it hardly varies. So the sum is taken around the mean of e under the
weights f q^j, to the second order: with three numbers that depend on t0 alone, the weights' sum and e's mean and
variance, a row is brought up to date in one stroke when its stem comes next, and before it is read for anything else.
The error is below 1 % of such a sum where sqrt(v) is below 1e-8 in the first hundred steps, below 0.02 % in later ones,
and nothing that float32 shows where sqrt(v) is above 1e-6.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tonality.training.transfer import on_device

__all__ = ["EmbeddingAdam", "Touched"]

_FORGOTTEN: Final = 1e-10
"""Of a momentum that has decayed to this share, nothing is left."""
_CHUNK: Final = 4_096
"""Rows that are brought up to date at once."""


class Touched(NamedTuple):
    """The rows of a batch, out of the embedding and up to date."""

    ids: Tensor
    """Which rows: (U,) int64, on the embedding's device."""
    weight: Tensor
    """Their weights: (U, D)."""
    mean: Tensor
    """Adam's first moment: (U, D)."""
    square: Tensor
    """Adam's second moment: (U, D)."""


class EmbeddingAdam:
    """Adam on the rows of `weight` (N, D), which it changes in place.

    For each step: `touch` the rows of the batch, compute the gradient of their weights, `step` with it. `settle` before
    the embedding is read as a whole.
    """

    def __init__(self, weight: Tensor, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> None:
        self._weight = weight.detach()
        self._mean = torch.zeros_like(self._weight)
        self._square = torch.zeros_like(self._weight)
        self._last = np.zeros(len(weight), np.int64)  # the step of the row's last gradient or settling; 0: none
        self._betas = betas
        self._epsilon = epsilon
        self._time = 0
        # for a row of each last step, by now: the weights' sum, and their sums with e and e^2
        self._sums = np.zeros((3, 1024))
        self._horizon = int(np.log(_FORGOTTEN) / np.log(betas[0])) + 1
        back = np.arange(self._horizon, 0, -1)  # steps since, the oldest first
        decay = (betas[0] / betas[1] ** 0.5) ** back
        self._decays = np.stack([decay * (epsilon * betas[1] ** (-back / 2)) ** power for power in range(3)])

    def touch(self, ids: NDArray[np.int64]) -> Touched:
        """These rows (U,), each once, brought up to date."""
        rows = on_device(ids, self._weight.device)
        weight, mean, square = (table.index_select(0, rows) for table in (self._weight, self._mean, self._square))
        self._catch_up(weight, mean, square, self._last[ids])
        return Touched(rows, weight, mean, square)

    @torch.no_grad()
    def step(self, touched: Touched, ids: NDArray[np.int64], gradient: Tensor, rate: float) -> None:
        """One step of Adam with the gradient (U, D) of the touched rows, at this learning rate."""
        self._advance(rate)
        (b1, b2), t = self._betas, self._time
        mean = touched.mean.lerp_(gradient, 1 - b1)
        square = touched.square.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        root = square.sqrt().mul_((1 - b2**t) ** -0.5).add_(self._epsilon)
        touched.weight.addcdiv_(mean, root, value=-rate / (1 - b1**t))
        self._put_back(touched, ids)

    @torch.no_grad()
    def settle(self) -> None:
        """Bring every row up to date."""
        [behind] = np.nonzero((self._last > 0) & (self._last < self._time))
        for start in range(0, len(behind), _CHUNK):
            ids = behind[start : start + _CHUNK]
            self._put_back(self.touch(ids), ids)

    def state(self) -> dict[str, Tensor]:
        """All that the steps to come depend on, weights excepted."""
        return {
            "mean": self._mean,
            "square": self._square,
            "last": torch.from_numpy(self._last),
            "sums": torch.from_numpy(self._sums[:, : self._time + 1].copy()),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._last[:] = state["last"].numpy()
        self._sums = state["sums"].numpy().copy()
        self._time = self._sums.shape[1] - 1

    def _catch_up(self, weight: Tensor, mean: Tensor, square: Tensor, last: NDArray[np.int64]) -> None:
        (b1, b2), behind = self._betas, self._time - last
        total, first, second = self._sums[:, last]
        safe = np.where(total > 0, total, 1)
        shift = np.where(total > 0, first / safe, self._epsilon)
        spread = np.maximum(second / safe - shift**2, 0)
        numbers = np.stack([total, shift, spread, b1**behind, b2**behind]).astype(np.float32)
        scale, shift, spread, fade, fade_square = on_device(numbers, weight.device).unsqueeze(2)  # (U, 1)
        slope = square.sqrt().add_(shift).reciprocal_()
        moves = slope.square().mul_(spread).add_(1).mul_(slope).mul_(mean)
        weight.addcmul_(moves, scale, value=-1)
        mean.mul_(fade)
        square.mul_(fade_square)

    def _put_back(self, touched: Touched, ids: NDArray[np.int64]) -> None:
        """The rows are as they stand now."""
        self._weight.index_copy_(0, touched.ids, touched.weight)
        self._mean.index_copy_(0, touched.ids, touched.mean)
        self._square.index_copy_(0, touched.ids, touched.square)
        self._last[ids] = self._time

    def _advance(self, rate: float) -> None:
        """One more step for all rows to be behind by."""
        (b1, b2), now = self._betas, self._time
        self._time = t = now + 1
        if t >= self._sums.shape[1]:
            self._sums = np.pad(self._sums, ((0, 0), (0, self._sums.shape[1])))
        root = (1 - b2**t) ** 0.5
        weight = rate * root / (1 - b1**t)
        first = max(0, t - self._horizon)
        recent = self._decays[:, self._horizon - (t - first) :]
        self._sums[:, first:t] += recent * (weight * root ** np.arange(3))[:, None]
