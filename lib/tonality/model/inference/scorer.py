"""Scoring of batches of tweets: distinct texts are computed once, recently scored ones come from a cache."""

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from tonality.model.inference.packed_model import PackedModel
from tonality.model.network.lstm import build
from tonality.model.network.lstm_inference import TiledLSTM, longest_first
from tonality.text.token_ids import StemEncoder, TokenIds

__all__ = ["ScoreCache", "Scorer"]

_GPU_ROWS: Final = 4096
"""Rows per batch on a GPU."""
_CACHE_SLOTS: Final = 2**20
"""Tweets in the score cache, 20 bytes each."""

_Keys = npt.NDArray[np.uint64]


class Scorer:
    """Scores tweets with one model on one device."""

    def __init__(self, model: PackedModel, device: str | None = None) -> None:
        """Use a device of the kind that the model was packed for, by its name in torch, such as cuda:1."""
        self._network: _Network = (
            TiledLSTM(model.weights) if model.device == "cpu" else _GpuNetwork(model, torch.device(device or "cuda"))
        )
        self._encoder = StemEncoder(model.vocabulary, model.unknown, model.max_length)
        self._cache = ScoreCache(model.network_config.vocabulary, model.max_length)

    def probabilities(self, stems: pa.StringArray) -> pa.FloatArray:
        """The probability that each tweet is positive, from its space-joined stems; null if none of them is known.

        On a CPU a probability depends only on the tweet's stems: it is bit-identical whatever else is in the batch.
        """
        texts = stems.dictionary_encode()
        scores = self._score(texts.dictionary)
        return pa.array(scores, pa.float32(), mask=np.isnan(scores)).take(texts.indices)

    def _score(self, texts: pa.StringArray) -> npt.NDArray[np.float32]:
        """The probabilities of distinct texts; NaN for texts without a token id."""
        ids = self._encoder.encode(texts)
        nonempty = np.flatnonzero(ids.lengths)
        keys = self._cache.keys(ids)
        probabilities = self._cache.lookup(keys)
        missing = np.isnan(probabilities)
        rows = nonempty[missing]
        probabilities[missing] = self._network.probabilities(ids.flat, ids.starts[rows], ids.lengths[rows])
        self._cache.store(keys[:, missing], probabilities[missing])
        scores = np.full(len(texts), np.nan, np.float32)
        scores[nonempty] = probabilities
        return scores


class ScoreCache:
    """Caches the probabilities of recent tweets, since archives repeat many texts; a new entry overwrites an older one.

    The key of a tweet has 128 bits: two sums of products of a random factor per token id and one per position. The
    factors are drawn anew for each cache, so that collisions can neither be constructed nor happen by chance.
    """

    def __init__(self, vocabulary: int, max_length: int, slots: int = _CACHE_SLOTS) -> None:
        """Token ids are below vocabulary, tweets have at most max_length of them, and slots is a power of two."""
        random = np.random.default_rng()
        self._id_factors = random.integers(0, 2**64, (2, vocabulary), np.uint64)
        # odd, since an even factor loses bits
        self._position_factors = random.integers(0, 2**64, (2, max_length), np.uint64) | np.uint64(1)
        self._keys = np.zeros((2, slots), np.uint64)
        self._probabilities = np.full(slots, np.nan, np.float32)
        self._mask = np.uint64(slots - 1)

    def keys(self, ids: TokenIds) -> _Keys:
        """The keys of the tweets that have at least one token id: (2, tweets)."""
        positions = ids.positions
        starts = ids.starts[ids.lengths > 0]
        if not len(starts):
            return np.empty((2, 0), np.uint64)
        factors = zip(self._id_factors, self._position_factors, strict=True)
        return np.stack(
            [np.add.reduceat(by_id[ids.flat] * by_position[positions], starts) for by_id, by_position in factors]
        )

    def lookup(self, keys: _Keys) -> npt.NDArray[np.float32]:
        """The probabilities of the tweets with these keys; NaN for those not in the cache."""
        slots = keys[0] & self._mask
        hits = (self._keys[0, slots] == keys[0]) & (self._keys[1, slots] == keys[1])
        return np.where(hits, self._probabilities[slots], np.float32(np.nan))

    def store(self, keys: _Keys, probabilities: npt.NDArray[np.float32]) -> None:
        """Add computed probabilities."""
        slots = keys[0] & self._mask
        self._keys[:, slots] = keys
        self._probabilities[slots] = probabilities


class _Network(Protocol):
    def probabilities(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The probability of each tweet; tweet i has lengths[i] (at least 1) token ids in flat, from starts[i]."""


class _GpuNetwork:
    """The network on a GPU: large batches of tweets of similar length, padded at the end."""

    def __init__(self, model: PackedModel, device: torch.device) -> None:
        network = build(model.network_config)
        network.load_state_dict(dict(model.weights))
        self._network = network.to(device, getattr(torch, model.precision)).eval().requires_grad_(False)
        self._device = device

    def probabilities(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        probabilities = np.empty(len(lengths), np.float32)
        with torch.inference_mode():
            for rows in longest_first(lengths, _GPU_ROWS):
                probabilities[rows] = self._compute(flat, starts[rows, None], lengths[rows, None]).numpy()
        return probabilities

    def _compute(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> Tensor:
        """The probabilities of B tweets, the longest first; starts and lengths are (B, 1)."""
        steps = np.arange(lengths[0, 0])
        tokens = np.where(steps < lengths, flat[np.minimum(starts + steps, len(flat) - 1)], 0)
        device = self._device
        logits = self._network(
            torch.from_numpy(tokens).to(device).long(), torch.from_numpy(lengths[:, 0].copy()).to(device)
        )
        return torch.sigmoid(logits.float()).cpu()
