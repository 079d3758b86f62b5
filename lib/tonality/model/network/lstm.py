"""The network of 2016: an embedding, two LSTM layers, dropout, one logit.

LSTM: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997; with the forget gate of
F. Gers, J. Schmidhuber and F. Cummins, Learning to Forget, Neural Computation 12(10), 2000. Initial weights are those
of Keras, in which the network was first written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from tonality.runtime.storage import schema

__all__ = ["LSTM", "LSTMConfig", "State", "build"]

State: TypeAlias = tuple[Tensor, Tensor]
"""Outputs and cells of all layers."""


@dataclass(frozen=True)
class LSTMConfig:
    """What a network is built from. Two networks of one shape differ in their weights only."""

    vocabulary: int
    """Rows of the embedding, padding and unknown included."""
    embedding: int = 128
    """TokenIds that stand for a stem."""
    hidden: int = 64
    """Cells of an LSTM layer."""
    layers: int = 2
    """Stacked LSTM layers."""
    dropout: float = 0.5
    """The share of the last layer's outputs zeroed while training."""
    learned_start: bool = False
    """Whether the state that everything starts from is learned; else it is zero."""
    lead_in: int = 0
    """Times that a learned padding is read before a tweet's first stem."""
    kind: Literal["lstm"] = "lstm"
    """The network's name."""

    def __post_init__(self) -> None:
        if self.kind != "lstm":
            raise ValueError(f"the network's kind is {self.kind!r}: there is lstm")
        for name in ("vocabulary", "embedding", "hidden", "layers"):
            if not isinstance(size := getattr(self, name), int) or size < 1:
                raise ValueError(f"the network's {name} is {size!r}: it must be a whole number from 1")
        if not isinstance(self.learned_start, bool):
            raise ValueError(f"the network's learned_start is {self.learned_start!r}: it must be true or false")
        if not isinstance(self.lead_in, int) or self.lead_in < 0:
            raise ValueError(f"the network's lead_in is {self.lead_in!r}: it must be a whole number from 0")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ValueError(f"the network's dropout is {self.dropout!r}: it must be a number from 0 and below 1")


def build(shape: LSTMConfig) -> LSTM:
    """A network with fresh weights, drawn from torch's global generator."""
    return LSTM(shape)


class LSTM(nn.Module):
    """Tokens to a logit: the log odds that the tweet is positive.

    A logit depends on the tweet's own stems: it is read off at the tweet's last token, which the padding behind it
    cannot reach, and no tweet sees another.

    The network of 2016 read up to a hundred steps of padding before a tweet: the LSTMs had settled to a state of their
    own, the same for every tweet, when the first stem came. Starting from zero instead costs accuracy. So that state is
    learned, as the few numbers that it is, or a few steps of such padding are kept, which are read once for all tweets.
    """

    def __init__(self, shape: LSTMConfig) -> None:
        super().__init__()
        # empty, since torch's own draw of the largest tensor would be thrown away
        rows = torch.empty(shape.vocabulary, shape.embedding)
        self.embedding = nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=schema.PADDING_ID)  # type: ignore[no-untyped-call]
        self.lstm = nn.LSTM(shape.embedding, shape.hidden, num_layers=shape.layers, batch_first=True)
        zeros = torch.zeros(2, shape.layers, 1, shape.hidden)  # outputs and cells
        self.initial = nn.Parameter(zeros) if shape.learned_start else None
        self.lead_in = shape.lead_in
        self.padding = nn.Parameter(torch.empty(shape.embedding)) if shape.lead_in else None
        self.dropout = nn.Dropout(shape.dropout)
        self.dense = nn.Linear(shape.hidden, 1)
        self._initialize()

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B,) of tokens (B, T) int64, padded behind with 0, and lengths (B,) int64, each from 1 to T.

        A length of 0 is refused by no check here, for speed: tweets without stems have no probability and are set
        aside before they reach the network.
        """
        return self.classify(self.dropout(self.read(self.embedding(tokens), self.start(), lengths)))

    def start(self) -> State:
        """What every tweet finds before its first stem: outputs and cells (layers, 1, hidden)."""
        if self.initial is None:
            zeros = self.dense.weight.new_zeros(self.lstm.num_layers, 1, self.lstm.hidden_size)
            outputs = cells = zeros
        else:
            outputs, cells = self.initial.unbind()
        if self.padding is not None:
            _, (outputs, cells) = self.lstm(self.padding.expand(1, self.lead_in, -1), (outputs, cells))
        return outputs, cells

    def read(self, embedded: Tensor, start: State, lengths: Tensor | None = None) -> Tensor:
        """What is left of each tweet at its last stem: (B, width), of its embedded stems (B, T, embedding).

        Without lengths all tweets have T stems.
        """
        outputs, cells = (part.expand(-1, len(embedded), -1).contiguous() for part in start)
        states, _ = self.lstm(embedded, (outputs, cells))  # (B, T, hidden)
        if lengths is None:
            return states[:, -1]  # type: ignore[no-any-return]
        rows = torch.arange(len(lengths), device=lengths.device)
        return states[rows, lengths - 1]  # type: ignore[no-any-return]

    def classify(self, last: Tensor) -> Tensor:
        """Logits (B,) of what is left of each tweet (B, width)."""
        logits: Tensor = self.dense(last).squeeze(1)
        return logits

    @property
    def width(self) -> int:
        """TokenIds that are left of a tweet: what dropout acts on."""
        return self.dense.in_features

    def _initialize(self) -> None:
        """Keras's initial weights. Its kernels are torch's transposed, which changes none of these draws."""
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
        if self.padding is not None:
            nn.init.uniform_(self.padding, -0.05, 0.05)
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)  # Keras's Glorot uniform, over all four gates at once
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
        nn.init.xavier_uniform_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)
        with torch.no_grad():
            self.embedding.weight[schema.PADDING_ID].zero_()
            for layer in range(self.lstm.num_layers):
                self._forget_bias(layer).fill_(1.0)
                # torch adds a second bias to every gate where Keras has one. Trained both, they would take every step
                # twice; at rest at zero, the pair is Keras's one.
                self.lstm.get_parameter(f"bias_hh_l{layer}").requires_grad_(False)

    def _forget_bias(self, layer: int) -> Tensor:
        """The forget gate's part of a layer's bias: the second of input, forget, cell, output."""
        hidden = self.lstm.hidden_size
        return self.lstm.get_parameter(f"bias_ih_l{layer}")[hidden : 2 * hidden]
