"""Token ids: a batch of tweets' stems encoded by the vocabulary, as the network's input."""

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
    """The token ids of a batch of tweets, concatenated."""

    flat: npt.NDArray[np.int32]
    """The ids of all tweets, (sum of lengths,)."""
    lengths: npt.NDArray[np.int64]
    """The number of ids of each tweet, (tweets,)."""

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """The index of each tweet's first id, (tweets,)."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def positions(self) -> npt.NDArray[np.int64]:
        """The position of each id in its tweet, from 0, (sum of lengths,)."""
        return np.arange(len(self.flat)) - np.repeat(self.starts, self.lengths)


class StemEncoder:
    """Encodes stems by a vocabulary: its first stem is 2; 0 is padding, 1 is any unknown stem."""

    def __init__(self, stems: Sequence[str] | pa.StringArray, unknown: Literal["train", "drop"], max_length: int):
        """Take the vocabulary in the order of its ids, the treatment of unknown stems, and the most ids of a tweet."""
        self._vocabulary = pa.array(stems, pa.string())
        self._unknown = unknown
        self._max_length = max_length

    def encode(self, stems: pa.StringArray) -> TokenIds:
        """Encode each tweet's space-joined stems, cut at max_length ids; null and empty tweets have none."""
        lists = pc.split_pattern(stems, " ")
        lengths = pc.list_value_length(lists).fill_null(0).to_numpy().astype(np.int64)
        flat = lists.flatten()
        indices = pc.index_in(flat, value_set=self._vocabulary).fill_null(_UNKNOWN - _FIRST)
        ids = TokenIds(indices.to_numpy() + np.int32(_FIRST), lengths)
        if self._unknown == "drop":
            keep = ids.flat != _UNKNOWN
        else:
            keep = pc.not_equal(flat, "").to_numpy(zero_copy_only=False)  # an empty text splits into one empty stem
        if not keep.all():
            ids = _select(ids, keep)
        if len(lengths) and ids.lengths.max() > self._max_length:
            ids = _select(ids, ids.positions < self._max_length)
        return ids


def _select(ids: TokenIds, keep: npt.NDArray[np.bool_]) -> TokenIds:
    kept_before = np.concatenate([[0], np.cumsum(keep)])
    starts = ids.starts
    return TokenIds(ids.flat[keep], kept_before[starts + ids.lengths] - kept_before[starts])


def vocabulary_fingerprint(stems: Sequence[str]) -> str:
    """Return twelve hex digits that change with the stems or their order."""
    return hashlib.sha256("\n".join(stems).encode()).hexdigest()[:12]
