"""CPU inference of the trained network: tweets in tiles, longest first, that become narrower as tweets end.

On a CPU the cost of an LSTM is that of its matrix products and its activation functions. This implementation needs
fewer of both than torch's LSTM, and gives the same result up to rounding:

- A stem's contribution to the first layer's gates does not depend on the tweet: it is computed once for the whole
  vocabulary and looked up. That saves two fifths of the products of a network of two layers.
- tanh x = 2 σ(2x) - 1, and torch computes σ six times as fast as tanh. The factors are folded into the weights, where
  powers of two cost no precision: the weights of gate g are doubled, cells are stored doubled, and outputs halved.
- Nothing is padded: at each step a tile is as wide as the number of tweets that have not ended, rounded up to one of a
  few sizes, for each of which the matrix library prepares its kernels once.

A tweet's probability has the same bits in every tile, at every position and in every tile size; a short trial run
verifies the sizes on the current CPU.
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
"""Rows of a full tile: its state and gates fit into a core's L2 cache."""
_SIZES: Final = (32, 64, 128, 256, _TILE)
_TRIAL_STEMS: Final = 4
_MINUS_TWO, _HALF = torch.tensor(-2.0), torch.tensor(0.5)  # plain numbers would be converted to tensors at each step


def tile_weights(network: LSTM, precision: Precision) -> dict[str, Tensor]:
    """The network's weights in the form that `TiledLSTM` needs, by name.

    With V rows of the embedding and H cells per layer, and the gates in the order input, forget, output, cell:

        products        (V, 4H)   each stem's contribution to the first layer's gates, biases included
        recurrent.0     (H, 4H)   weights of the first layer's own outputs; (2H, 4H) in higher layers: weights of the
                                  outputs of the layer below and of their own
        bias.1          (4H,)     likewise for the layers above
        first.0         (4H,)     contribution of the initial outputs to each layer's gates, biases included above the
                                  first layer
        cells.0         (H,)      each layer's initial cells
        dense.weight    (H,)
        dense.bias      ()

    All contributions to the gates are summed in float32 and then rounded to the precision; the rest stays in float32.
    """
    lstm, hidden = network.lstm, network.lstm.hidden_size
    order = torch.cat([torch.arange(4 * hidden).view(4, hidden)[gate] for gate in (0, 1, 3, 2)])
    factors = torch.ones(4 * hidden)
    factors[3 * hidden :] = 2
    outputs, cells = (part.squeeze(1) for part in network.initial_state())
    weights = {"dense.weight": 2 * network.dense.weight[0], "dense.bias": network.dense.bias[0]}
    for layer in range(lstm.num_layers):
        below, own = (lstm.get_parameter(f"weight_{name}_l{layer}")[order].T * factors for name in ("ih", "hh"))
        biases = lstm.get_parameter(f"bias_ih_l{layer}") + lstm.get_parameter(f"bias_hh_l{layer}")
        bias = biases[order] * factors
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
    gate_weights = ("products", "recurrent.", "bias.", "first.")
    return {
        name: weight.detach()
        .to(getattr(torch, precision) if name.startswith(gate_weights) else torch.float32)
        .contiguous()
        for name, weight in weights.items()
    }


def longest_first(lengths: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    """Chunks of up to `size` indices into `lengths`, longest first, so that the lengths in a chunk hardly differ."""
    order = np.argsort(-lengths, kind="stable")
    for at in range(0, len(order), size):
        yield order[at : at + size]


class TiledLSTM:
    """Probabilities of tweets from their token ids. It owns buffers, so every thread needs an instance of its own."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Use the weights that `tile_weights` returns; they are shared, not copied, and never modified."""
        self._products = weights["products"]
        self._dense, self._dense_bias = weights["dense.weight"], weights["dense.bias"]
        self._layers = [_Layer.of(weights, layer) for layer in range(_count_layers(weights))]
        self._buffers = _Buffers.of(self._layers)
        self._sizes: dict[int, list[_View]] = {_TILE: self._buffers.views(_TILE)}
        with torch.inference_mode():
            self._enable_exact_sizes()

    def probabilities(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The probability of each tweet, whose lengths[i] token ids, at least one, begin at flat[starts[i]]."""
        probabilities = np.empty(len(lengths), np.float32)
        with torch.inference_mode():
            for rows in longest_first(lengths, _TILE):
                probabilities[rows] = self._score_tile(flat, starts[rows], lengths[rows])[: len(rows)]
        return probabilities

    def _score_tile(
        self, flat: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """The probabilities of a tile's tweets, given longest first, and of filler rows up to the tile's size."""
        steps = np.arange(lengths[0])[:, None]
        active = (lengths > steps).sum(1).tolist()
        size = self._size(len(lengths))
        tokens = np.zeros((len(steps), size), np.int32)
        # after a tweet's end follow arbitrary tokens, whose outputs are ignored
        tokens[:, : len(lengths)] = flat[np.minimum(starts + steps, len(flat) - 1)]
        return self._run(torch.from_numpy(tokens), active).numpy()

    def _size(self, rows: int) -> int:
        return next(size for size in self._sizes if size >= rows)

    def _run(self, tokens: Tensor, active: list[int]) -> Tensor:
        """Probabilities (B,) of tokens (T, B); at step t the first active[t] rows have not ended."""
        last = self._buffers.last
        for step, (rows, remaining) in enumerate(zip(active, [*active[1:], 0], strict=True)):
            size = self._size(rows)
            outputs = self._step(tokens[step, :size], self._sizes[size], is_first=step == 0)
            if remaining < rows:
                last[remaining:rows] = outputs[remaining:rows]
        logits = torch.addmv(self._dense_bias, last, self._dense)  # of the full tile: the bits depend on the size
        return torch.sigmoid(logits[: tokens.shape[1]])

    def _step(self, tokens: Tensor, views: list[_View], is_first: bool) -> Tensor:
        """Read one stem of every row and return the last layer's outputs, halved."""
        torch.index_select(self._products, 0, tokens, out=views[0].sums)
        outputs = [
            view.first_step(layer) if is_first else view.next_step(layer)
            for layer, view in zip(self._layers, views, strict=True)
        ]
        return outputs[-1]

    def _enable_exact_sizes(self) -> None:
        """Enable the smaller tile sizes, as long as their products round on this CPU like those of a full tile.

        Matrix libraries choose a kernel by size; for a few rows they often add in another order.
        """
        draws = np.random.default_rng(0)
        count = _TILE * _TRIAL_STEMS
        flat = draws.integers(0, len(self._products), count).astype(np.int32)
        starts, lengths = np.arange(0, count, _TRIAL_STEMS), np.full(_TILE, _TRIAL_STEMS)
        expected = self._score_tile(flat, starts, lengths).copy()
        for size in reversed(_SIZES[:-1]):
            views = self._buffers.views(size)
            self._sizes = {size: views, **self._sizes}
            if not np.array_equal(self._score_tile(flat, starts[-size:], lengths[-size:]), expected[-size:]):
                del self._sizes[size]
                return


def _count_layers(weights: Mapping[str, Tensor]) -> int:
    return sum(name.startswith("recurrent.") for name in weights)


@dataclass(frozen=True, eq=False)
class _Layer:
    """The weights of a layer."""

    recurrent: Tensor
    bias: Tensor | None
    """None in the first layer, where the stems' products include the bias."""
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
    """The working memory of a tile, reused for all tiles."""

    sums: Tensor
    """(tile, 4H) in the precision: the gates before their activation."""
    gates: Tensor
    """(tile, 4H) float32: the same memory as `sums` if the precision is float32."""
    outputs: Tensor
    """(tile, layers * H) in the precision: each layer's outputs follow those of the layer below, which it reads."""
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
        """Views of the first `size` rows, one for each layer."""
        return [_View(self, layer, size) for layer in range(len(self.cells))]


class _View:
    """A layer's slices of the buffers' first rows."""

    def __init__(self, buffers: _Buffers, layer: int, size: int) -> None:
        hidden = buffers.cells.shape[2]
        end = (layer + 1) * hidden
        self.sums = buffers.sums[:size]
        self._gates = buffers.gates[:size]
        self._is_low_precision = buffers.sums.dtype != torch.float32
        self._input, self._forget, self._output, self._cell = torch.split(self._gates, hidden, 1)
        self._below = buffers.outputs[:size, max(0, end - 2 * hidden) : end - hidden]
        self._inputs = buffers.outputs[:size, max(0, end - 2 * hidden) : end]
        self._own = buffers.outputs[:size, end - hidden : end]
        self._cells = buffers.cells[layer, :size]
        self._spare = buffers.spare[:size]

    def first_step(self, layer: _Layer) -> Tensor:
        """Compute the layer's outputs at the first stem: halved, in float32."""
        if layer.bias is None:
            self.sums.add_(layer.first)
        else:
            torch.addmm(layer.first, self._below, layer.recurrent[: self._below.shape[1]], out=self.sums)
        self._cells.copy_(layer.cells)
        return self._update()

    def next_step(self, layer: _Layer) -> Tensor:
        """Compute the layer's outputs at any later stem: halved, in float32."""
        torch.addmm(self.sums if layer.bias is None else layer.bias, self._inputs, layer.recurrent, out=self.sums)
        return self._update()

    def _update(self) -> Tensor:
        """Update cells and outputs from the gates: c = f c + i tanh g and h = o tanh c."""
        if self._is_low_precision:
            self._gates.copy_(self.sums)
        self._gates.sigmoid_()
        self._cells.mul_(self._forget)
        torch.add(_MINUS_TWO, self._cell, alpha=4, out=self._spare)  # twice tanh g
        self._cells.addcmul_(self._input, self._spare)
        torch.sigmoid(self._cells, out=self._spare)
        self._spare.sub_(_HALF)  # half of tanh c
        if not self._is_low_precision:
            return torch.mul(self._output, self._spare, out=self._own)
        self._spare.mul_(self._output)
        self._own.copy_(self._spare)
        return self._spare
