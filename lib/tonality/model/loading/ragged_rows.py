"""Training rows in memory: the stem ids of all tweets concatenated, without padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """N tweets with S stems in total."""

    stems: NDArray[np.int32]
    """Stem ids of all tweets: (S,)."""
    lengths: NDArray[np.int32]
    """Number of stems of each tweet, at least 1: (N,)."""
    labels: NDArray[np.float32]
    """1 positive, 0 negative: (N,)."""

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes."""
        return self.stems.nbytes + self.lengths.nbytes + self.labels.nbytes

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Index of each tweet's first stem: (N,)."""
        return np.cumsum(self.lengths, dtype=np.int64) - self.lengths

    def tokens(self, rows: NDArray[np.int64], length: int) -> NDArray[np.int32]:
        """The stem ids of B rows that all have length T: (B, T)."""
        tokens: NDArray[np.int32] = self.stems[self.starts[rows, None] + np.arange(length)]
        return tokens

    def take(self, rows: NDArray[np.int64]) -> Self:
        """A copy of the given rows, in the given order."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths, dtype=np.int64)
        indices = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths - self.starts[rows], lengths)
        return type(self)(self.stems[indices], lengths, self.labels[rows])

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """A copy of all parts as one."""
        return cls(
            np.concatenate([part.stems for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    @classmethod
    def from_padded(cls, tokens: NDArray[np.int32], lengths: NDArray[np.int32], labels: NDArray[np.float32]) -> Self:
        """Rows from tokens (N, T) that are padded at the end."""
        return cls(tokens[np.arange(tokens.shape[1]) < lengths[:, None]], lengths, labels)
