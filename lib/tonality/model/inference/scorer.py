"""A model at work on batches of tweets: each distinct text once, and a text that came lately not at all."""

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.score_cache import ScoreCache
from tonality.model.network.lstm import build
from tonality.model.network.tiled_lstm import TiledLSTM, longest_first
from tonality.text.token_ids import StemEncoder

__all__ = ["Scorer"]

_GPU_ROWS: Final = 4096
"""Rows that a GPU reads at once."""


class Scorer:
    """Scores with one model on one device."""

    def __init__(self, model: PackedModel, device: str | None = None) -> None:
        """On a device of the kind that the model was prepared for, as torch names it: its own, such as cuda:1."""
        self._network: _Network = (
            TiledLSTM(model.weights) if model.device == "cpu" else _GpuNetwork(model, torch.device(device or "cuda"))
        )
        self._numbering = StemEncoder(model.vocabulary, model.unknown, model.max_length)
        self._recent = ScoreCache(model.shape.vocabulary, model.max_length)

    def probabilities(self, stems: pa.StringArray) -> pa.FloatArray:
        """The probability that each tweet is positive, by its space-joined stems; null where it has none it knows.

        On a processor a probability depends on the tweet's stems alone, to the last bit, whatever else is in the batch.
        """
        texts = stems.dictionary_encode()
        scores = self._score(texts.dictionary)
        return pa.array(scores, pa.float32(), mask=np.isnan(scores)).take(texts.indices)

    def _score(self, texts: pa.StringArray) -> npt.NDArray[np.float32]:
        """The probabilities of distinct texts, NaN of those without a number."""
        numbers = self._numbering.encode(texts)
        filled = np.flatnonzero(numbers.lengths)
        keys = self._recent.keys(numbers)
        found = self._recent.find(keys)
        new = np.isnan(found)
        rows = filled[new]
        found[new] = self._network.probabilities(numbers.flat, numbers.starts[rows], numbers.lengths[rows])
        self._recent.remember(keys[:, new], found[new])
        scores = np.full(len(texts), np.nan, np.float32)
        scores[filled] = found
        return scores


class _Network(Protocol):
    def probabilities(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The probability of each tweet that has lengths[i] numbers, 1 or more, from starts[i] on in flat."""


class _GpuNetwork:
    """The network as a GPU reads it: many tweets of about one length at once, padded behind."""

    def __init__(self, model: PackedModel, device: torch.device) -> None:
        network = build(model.shape)
        network.load_state_dict(dict(model.weights))
        self._network = network.to(device, getattr(torch, model.precision)).eval().requires_grad_(False)
        self._device = device

    def probabilities(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        found = np.empty(len(lengths), np.float32)
        with torch.inference_mode():
            for rows in longest_first(lengths, _GPU_ROWS):
                found[rows] = self._read(flat, starts[rows, None], lengths[rows, None]).numpy()
        return found

    def _read(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> Tensor:
        steps = np.arange(lengths[0, 0])
        tokens = np.where(steps < lengths, flat[np.minimum(starts + steps, len(flat) - 1)], 0)
        device = self._device
        logits = self._network(
            torch.from_numpy(tokens).to(device).long(), torch.from_numpy(lengths[:, 0].copy()).to(device)
        )
        return torch.sigmoid(logits.float()).cpu()
