"""Stems to the numbers that the network knows, for a batch of tweets at once."""

import hashlib
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["StemEncoder", "TokenIds", "vocabulary_fingerprint"]

_UNKNOWN: Final = 1
_FIRST: Final = 2


class TokenIds(NamedTuple):
    """The numbers of a batch's tweets, end to end."""

    flat: npt.NDArray[np.int32]
    """Every tweet's numbers, (sum of lengths,)."""
    lengths: npt.NDArray[np.int64]
    """How many of them are each tweet's, (tweets,)."""

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each tweet's begin, (tweets,)."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Each number's place in its tweet, from 0, (sum of lengths,)."""
        return np.arange(len(self.flat)) - np.repeat(self.starts, self.lengths)


class StemEncoder:
    """TokenIds stems by a vocabulary: the first stem is 2; 0 is padding, 1 stands for every unknown stem."""

    def __init__(self, stems: Sequence[str] | pa.StringArray, unknown: Literal["train", "drop"], max_length: int):
        """The vocabulary in the order of its numbers, what becomes of unknown stems, and the most numbers a tweet."""
        self._vocabulary = pa.array(stems, pa.string())
        self._unknown = unknown
        self._max_length = max_length

    def encode(self, stems: pa.StringArray) -> TokenIds:
        """The numbers of each tweet's space-joined stems, the first max_length of them; none for null or empty."""
        lists = pc.split_pattern(stems, " ")
        lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        flat = lists.flatten()
        found = pc.index_in(flat, value_set=self._vocabulary).fill_null(_UNKNOWN - _FIRST)
        numbers = TokenIds(found.to_numpy() + np.int32(_FIRST), lengths)
        expected = pc.not_equal(flat, "").to_numpy(zero_copy_only=False)  # an empty text splits into one empty stem
        if self._unknown == "drop":
            expected &= numbers.flat != _UNKNOWN
        if not expected.all():
            numbers = _kept(numbers, expected)
        if len(lengths) and numbers.lengths.max() > self._max_length:
            numbers = _kept(numbers, numbers.places < self._max_length)
        return numbers


def _kept(numbers: TokenIds, expected: npt.NDArray[np.bool_]) -> TokenIds:
    """The expected ones of the numbers."""
    before = np.concatenate([[0], np.cumsum(expected)])
    starts = numbers.starts
    return TokenIds(numbers.flat[expected], before[starts + numbers.lengths] - before[starts])


def vocabulary_fingerprint(stems: Sequence[str]) -> str:
    """Twelve hex digits that differ wherever the stems or their order do."""
    return hashlib.sha256("\n".join(stems).encode()).hexdigest()[:12]
