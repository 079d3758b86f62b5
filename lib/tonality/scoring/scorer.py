"""A model at work on batches of tweets: each distinct text once, in groups of one length, so that nothing is padded."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from tonality.network.artifact import Artifact
from tonality.text.numbering import Numbering, Numbers

__all__ = ["Scorer"]

_SMALLEST_GROUP: Final = 32
"""Rows below which matrix products may round otherwise: a smaller group is filled up with empty rows."""
_LARGEST_GROUP: Final = 4096


class Scorer:
    """Scores with one model, on the CPU."""

    def __init__(self, artifact: Artifact) -> None:
        self._network = artifact.network()
        stems = artifact.vocabulary["stem"].combine_chunks()
        self._numbering = Numbering(stems, artifact.unknown, artifact.max_length)

    def probabilities(self, stems: pa.StringArray) -> pa.FloatArray:
        """The probability that each tweet is positive, by its space-joined stems; null where it has none it knows.

        A probability depends on the tweet's stems alone, whatever else is in the batch.
        """
        texts = stems.dictionary_encode()
        scores = self._score(self._numbering.encode(texts.dictionary))
        distinct = pa.array(scores, pa.float32(), mask=np.isnan(scores))
        return distinct.take(texts.indices)

    def _score(self, numbers: Numbers) -> npt.NDArray[np.float32]:
        scores = np.full(len(numbers.lengths), np.nan, np.float32)
        starts = np.cumsum(numbers.lengths) - numbers.lengths
        with torch.inference_mode():
            for rows, length in _groups(numbers.lengths):
                tokens = numbers.flat[starts[rows, None] + np.arange(length)]
                scores[rows] = self._forward(tokens)
        return scores

    def _forward(self, tokens: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The probabilities of tokens (B, T) without padding."""
        missing = max(0, _SMALLEST_GROUP - len(tokens))
        filled = torch.from_numpy(np.pad(tokens, ((0, missing), (0, 0)))).long()
        lengths = torch.full((len(filled),), filled.shape[1])
        probabilities = torch.sigmoid(self._network(filled, lengths))
        return probabilities[: len(tokens)].numpy()


def _groups(lengths: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """The rows of each length from 1, in groups whose sizes are powers of two: few shapes, each prepared once."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    values, firsts = np.unique(lengths[order], return_index=True)
    for length, rows in zip(values, np.split(order, firsts)[1:], strict=True):
        at = 0
        while at < len(rows):
            left = len(rows) - at
            size = min(_LARGEST_GROUP, max(_SMALLEST_GROUP, 1 << (left.bit_length() - 1)))
            yield rows[at : at + size], int(length)
            at += size
