"""The trained network at work on a processor: tweets in tiles, the longest first, that grow narrower as tweets end.

An LSTM on a processor is bound by its matrix products and by the functions between them. Here both are fewer than in
torch's LSTM, with the same result but for rounding:

- What a stem adds to the first layer's gates does not depend on the tweet: it is computed once for the vocabulary and
  looked up. That is two fifths of the products of two layers.
- tanh x = 2 σ(2x) - 1, and torch computes σ six times as fast as tanh. The factors stand in the weights, where powers
  of two cost no precision: the gate g has doubled weights, cells are kept doubled, and outputs halved.
- Nothing is padded: a tile is as wide as there are tweets that still go on, rounded up to one of a few sizes, for each
  of which a library prepares itself once.

A tweet's probability has the same bits in whatever tile, place and size it is computed, which a short trial makes sure
of on the processor at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tonality.model.network.lstm import LSTM

__all__ = ["Precision", "TiledLSTM", "longest_first", "tile_weights"]

Precision: TypeAlias = Literal["float32", "bfloat16"]

_TILE: Final = 512
"""Rows of a tile: its state and gates fit in a core's second cache."""
_SIZES: Final = (32, 64, 128, 256, _TILE)
_TRIAL_STEMS: Final = 4
_MINUS_TWO, _HALF = torch.tensor(-2.0), torch.tensor(0.5)  # numbers would be made tensors at each step


def tile_weights(network: LSTM, precision: Precision) -> dict[str, Tensor]:
    """A network's weights as `TiledLSTM` wants them, by name.

    With V rows of the embedding and H cells a layer, gates in the order input, forget, output, cell:

        products        (V, 4H)   what each stem adds to the first layer's gates, biases included
        recurrent.0     (H, 4H)   of the first layer's own outputs; of the others, of those below and their own (2H, 4H)
        bias.1          (4H,)     and on
        first.0         (4H,)     what the state before the first stem adds to each layer's gates, in the bias's place
        cells.0         (H,)      each layer's cells before the first stem
        dense.weight    (H,)
        dense.bias      ()

    What adds up to the gates is in the precision, and rounded to it once it is summed; all else is in float32.
    """
    lstm, hidden = network.lstm, network.lstm.hidden_size
    order = torch.cat([torch.arange(4 * hidden).view(4, hidden)[gate] for gate in (0, 1, 3, 2)])
    doubled = torch.ones(4 * hidden)
    doubled[3 * hidden :] = 2
    outputs, cells = (part.squeeze(1) for part in network.start())
    weights = {"dense.weight": 2 * network.dense.weight[0], "dense.bias": network.dense.bias[0]}
    for layer in range(lstm.num_layers):
        below, own = (lstm.get_parameter(f"weight_{name}_l{layer}")[order].T * doubled for name in ("ih", "hh"))
        biases = lstm.get_parameter(f"bias_ih_l{layer}") + lstm.get_parameter(f"bias_hh_l{layer}")
        bias = biases[order] * doubled
        first = outputs[layer] @ own
        if layer == 0:
            weights["products"] = torch.addmm(bias, network.embedding.weight, below)
            recurrent = 2 * own
        else:
            weights[f"bias.{layer}"] = bias
            first = first + bias
            recurrent = 2 * torch.cat([below, own])
        weights[f"first.{layer}"] = first
        weights[f"cells.{layer}"] = 2 * cells[layer]
        weights[f"recurrent.{layer}"] = recurrent
    summed = ("products", "recurrent.", "bias.", "first.")
    return {
        name: weight.detach().to(getattr(torch, precision) if name.startswith(summed) else torch.float32).contiguous()
        for name, weight in weights.items()
    }


def longest_first(lengths: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    """The places of the lengths in parts of so many, the longest first: lengths in a part hardly differ."""
    order = np.argsort(-lengths, kind="stable")
    for at in range(0, len(order), size):
        yield order[at : at + size]


class TiledLSTM:
    """Probabilities of tweets by their numbers. It holds buffers, so a thread has its own."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Of what `tile_weights` returns, which it shares and never changes."""
        self._products = weights["products"]
        self._dense, self._dense_bias = weights["dense.weight"], weights["dense.bias"]
        self._layers = [_Layer.of(weights, layer) for layer in range(_count_layers(weights))]
        self._buffers = _Buffers.of(self._layers)
        self._sizes: dict[int, list[_View]] = {_TILE: self._buffers.views(_TILE)}
        with torch.inference_mode():
            self._admit_sizes()

    def probabilities(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The probability of each tweet that has lengths[i] numbers, 1 or more, from starts[i] on in flat."""
        found = np.empty(len(lengths), np.float32)
        with torch.inference_mode():
            for rows in longest_first(lengths, _TILE):
                found[rows] = self._tile(flat, starts[rows], lengths[rows])[: len(rows)]
        return found

    def _tile(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The probabilities of a tile's tweets, the longest first, with some more behind where they are few."""
        steps = np.arange(lengths[0])[:, None]
        going_on = (lengths > steps).sum(1).tolist()
        size = self._size(len(lengths))
        tokens = np.zeros((len(steps), size), np.int32)
        # beyond a tweet's end stands whatever follows, which nothing is read off
        tokens[:, : len(lengths)] = flat[np.minimum(starts + steps, len(flat) - 1)]
        return self._read(torch.from_numpy(tokens), going_on).numpy()

    def _size(self, rows: int) -> int:
        return next(size for size in self._sizes if size >= rows)

    def _read(self, tokens: Tensor, going_on: list[int]) -> Tensor:
        """The probabilities (B,) of tokens (T, B), of which at each step so many go on, the first ones."""
        last = self._buffers.last
        for step, (rows, stay) in enumerate(zip(going_on, [*going_on[1:], 0], strict=True)):
            size = self._size(rows)
            outputs = self._step(tokens[step, :size], self._sizes[size], is_first=step == 0)
            if stay < rows:
                last[stay:rows] = outputs[stay:rows]
        logits = torch.addmv(self._dense_bias, last, self._dense)  # of the whole tile: the bits depend on the size
        return torch.sigmoid(logits[: tokens.shape[1]])

    def _step(self, tokens: Tensor, views: list[_View], is_first: bool) -> Tensor:
        """One stem further: the last layer's outputs, halved."""
        torch.index_select(self._products, 0, tokens, out=views[0].sums)
        outputs = [
            view.begin(layer) if is_first else view.go_on(layer)
            for layer, view in zip(self._layers, views, strict=True)
        ]
        return outputs[-1]

    def _admit_sizes(self) -> None:
        """Use the smaller sizes for which this processor's products round as for a whole tile.

        Libraries choose their instructions by size; a few rows are often added up in another order.
        """
        draws = np.random.default_rng(0)
        count = _TILE * _TRIAL_STEMS
        flat = draws.integers(0, len(self._products), count).astype(np.int32)
        starts, lengths = np.arange(0, count, _TRIAL_STEMS), np.full(_TILE, _TRIAL_STEMS)
        expected = self._tile(flat, starts, lengths).copy()
        for size in reversed(_SIZES[:-1]):
            views = self._buffers.views(size)
            self._sizes = {size: views, **self._sizes}
            if not np.array_equal(self._tile(flat, starts[-size:], lengths[-size:]), expected[-size:]):
                del self._sizes[size]
                return


def _count_layers(weights: Mapping[str, Tensor]) -> int:
    return sum(name.startswith("recurrent.") for name in weights)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer's weights."""

    recurrent: Tensor
    bias: Tensor | None
    """None of the first layer, whose products of stems have it."""
    first: Tensor
    cells: Tensor

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], layer: int) -> _Layer:
        return cls(
            weights[f"recurrent.{layer}"],
            weights.get(f"bias.{layer}"),
            weights[f"first.{layer}"],
            weights[f"cells.{layer}"],
        )


@dataclass(frozen=True, eq=False)
class _Buffers:
    """What a tile is computed in, the same memory for all tiles."""

    sums: Tensor
    """(tile, 4H) in the precision: the gates before their functions."""
    gates: Tensor
    """(tile, 4H) float32: the same memory where that is the precision."""
    outputs: Tensor
    """(tile, layers * H) in the precision: each layer's outputs stand behind those that it reads."""
    cells: Tensor
    """(layers, tile, H) float32."""
    spare: Tensor
    """(tile, H) float32."""
    last: Tensor
    """(tile, H) float32: the last layer's outputs at each tweet's last stem."""

    @classmethod
    def of(cls, layers: list[_Layer]) -> _Buffers:
        hidden, precision = len(layers[0].cells), layers[0].recurrent.dtype
        sums = torch.zeros(_TILE, 4 * hidden, dtype=precision)
        return cls(
            sums=sums,
            gates=sums.float(),
            outputs=torch.zeros(_TILE, len(layers) * hidden, dtype=precision),
            cells=torch.zeros(len(layers), _TILE, hidden),
            spare=torch.zeros(_TILE, hidden),
            last=torch.zeros(_TILE, hidden),
        )

    def views(self, size: int) -> list[_View]:
        """The first rows of the buffers, as each layer sees them."""
        return [_View(self, layer, size) for layer in range(len(self.cells))]


class _View:
    """A layer's part of the buffers' first rows."""

    def __init__(self, buffers: _Buffers, layer: int, size: int) -> None:
        hidden = buffers.cells.shape[2]
        end = (layer + 1) * hidden
        self.sums = buffers.sums[:size]
        self._gates = buffers.gates[:size]
        self._is_narrow = buffers.sums.dtype != torch.float32
        self._input, self._forget, self._output, self._cell = torch.split(self._gates, hidden, 1)
        self._below = buffers.outputs[:size, max(0, end - 2 * hidden) : end - hidden]
        self._read = buffers.outputs[:size, max(0, end - 2 * hidden) : end]
        self._own = buffers.outputs[:size, end - hidden : end]
        self._cells = buffers.cells[layer, :size]
        self._spare = buffers.spare[:size]

    def begin(self, layer: _Layer) -> Tensor:
        """The layer's outputs at the first stem, halved, in float32."""
        if layer.bias is None:
            self.sums.add_(layer.first)
        else:
            torch.addmm(layer.first, self._below, layer.recurrent[: self._below.shape[1]], out=self.sums)
        self._cells.copy_(layer.cells)
        return self._remember()

    def go_on(self, layer: _Layer) -> Tensor:
        """The same at any other stem."""
        torch.addmm(self.sums if layer.bias is None else layer.bias, self._read, layer.recurrent, out=self.sums)
        return self._remember()

    def _remember(self) -> Tensor:
        """From gates to cells and outputs, which are c = f c + i tanh g and h = o tanh c."""
        if self._is_narrow:
            self._gates.copy_(self.sums)
        self._gates.sigmoid_()
        self._cells.mul_(self._forget)
        torch.add(_MINUS_TWO, self._cell, alpha=4, out=self._spare)  # twice tanh g
        self._cells.addcmul_(self._input, self._spare)
        torch.sigmoid(self._cells, out=self._spare)
        self._spare.sub_(_HALF)  # half of tanh c
        if not self._is_narrow:
            return torch.mul(self._output, self._spare, out=self._own)
        self._spare.mul_(self._output)
        self._own.copy_(self._spare)
        return self._spare
