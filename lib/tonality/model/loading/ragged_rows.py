"""Training rows in memory: the stems of all tweets one behind the other, without padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """N tweets that have S stems between them."""

    stems: NDArray[np.int32]
    """The ids of all tweets' stems: (S,)."""
    lengths: NDArray[np.int32]
    """Stems of each tweet, at least 1: (N,)."""
    labels: NDArray[np.float32]
    """1 positive, 0 negative: (N,)."""

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays take."""
        return self.stems.nbytes + self.lengths.nbytes + self.labels.nbytes

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each tweet's stems begin: (N,)."""
        return np.cumsum(self.lengths, dtype=np.int64) - self.lengths

    def tokens(self, rows: NDArray[np.int64], length: int) -> NDArray[np.int32]:
        """The stems of these B rows, which all have this length T: (B, T)."""
        tokens: NDArray[np.int32] = self.stems[self.starts[rows, None] + np.arange(length)]
        return tokens

    def take(self, rows: NDArray[np.int64]) -> Self:
        """These rows, in this order, in memory of their own."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths, dtype=np.int64)
        places = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths - self.starts[rows], lengths)
        return type(self)(self.stems[places], lengths, self.labels[rows])

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All parts as one, in memory of their own."""
        return cls(
            np.concatenate([part.stems for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    @classmethod
    def from_padded(cls, tokens: NDArray[np.int32], lengths: NDArray[np.int32], labels: NDArray[np.float32]) -> Self:
        """Rows whose tokens (N, T) are padded behind."""
        return cls(tokens[np.arange(tokens.shape[1]) < lengths[:, None]], lengths, labels)
