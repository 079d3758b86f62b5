"""The network of 2016: an embedding, two LSTM layers, dropout, one logit; for training and for scoring on a GPU.

On a CPU, lstm_inference scores with the same weights.

LSTM: S. Hochreiter and J. Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997; with the forget gate of
F. Gers, J. Schmidhuber and F. Cummins, Learning to Forget, Neural Computation 12(10), 2000. The initial weights are
those of Keras, in which the network was first written.
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
    """The architecture of a network: networks with the same config differ only in their weights.

    The fields are those of the settings' section [network], and the vocabulary's size. They are declared here a second
    time because config.json holds them: the defaults are those of models written before a field existed, types are not
    coerced, and scoring needs neither pydantic nor the settings.

    Raises ValueError if a field is out of its range.
    """

    vocabulary: int
    """Rows of the embedding, padding and unknown included."""
    embedding: int = 128
    """Dimensions of a stem's embedding."""
    hidden: int = 64
    """Cells of an LSTM layer."""
    layers: int = 2
    """Stacked LSTM layers."""
    dropout: float = 0.5
    """The share of the last layer's outputs that is zeroed during training."""
    learned_start: bool = False
    """Learn the initial state; if false, it is zero."""
    lead_in: int = 0
    """The number of learned padding steps that are read before a tweet's first stem."""
    kind: Literal["lstm"] = "lstm"
    """The kind of network."""

    def __post_init__(self) -> None:
        if self.kind != "lstm":
            raise ValueError(f"the network's kind is {self.kind!r}: it must be lstm")
        for name in ("vocabulary", "embedding", "hidden", "layers"):
            if not isinstance(size := getattr(self, name), int) or size < 1:
                raise ValueError(f"the network's {name} is {size!r}: it must be a whole number from 1")
        if not isinstance(self.learned_start, bool):
            raise ValueError(f"the network's learned_start is {self.learned_start!r}: it must be true or false")
        if not isinstance(self.lead_in, int) or self.lead_in < 0:
            raise ValueError(f"the network's lead_in is {self.lead_in!r}: it must be a whole number from 0")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ValueError(f"the network's dropout is {self.dropout!r}: it must be a number from 0 and below 1")


def build(config: LSTMConfig) -> LSTM:
    """Build a network with initial weights drawn from torch's global generator."""
    return LSTM(config)


class LSTM(nn.Module):
    """Token ids to a logit: the log odds that the tweet is positive.

    A logit depends only on the tweet's own stems: it is computed from the state at the tweet's last token, which the
    trailing padding cannot affect, and tweets of a batch do not affect each other.

    The network of 2016 read up to a hundred steps of padding before a tweet, so at the first stem the LSTMs had
    converged to a state that was the same for every tweet. Starting from zero instead costs accuracy. Therefore either
    that state is learned directly, since it is only a few numbers, or a few such padding steps are kept, which are
    computed once for all tweets.
    """

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__()
        # empty, since torch's own random initialization of the largest tensor would be discarded
        rows = torch.empty(config.vocabulary, config.embedding)
        self.embedding = nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=schema.PADDING_ID)  # type: ignore[no-untyped-call]
        self.lstm = nn.LSTM(config.embedding, config.hidden, num_layers=config.layers, batch_first=True)
        zeros = torch.zeros(2, config.layers, 1, config.hidden)  # outputs and cells
        self.initial = nn.Parameter(zeros) if config.learned_start else None
        self.lead_in = config.lead_in
        self.padding = nn.Parameter(torch.empty(config.embedding)) if config.lead_in else None
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden, 1)
        self._initialize()

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B,) of tokens (B, T) int64, padded at the end with 0, and lengths (B,) int64, each from 1 to T.

        Lengths of 0 are not checked for, to save time: tweets without stems have no probability and are set aside
        before they reach the network.
        """
        return self.classify(self.dropout(self.encode(self.embedding(tokens), self.initial_state(), lengths)))

    def initial_state(self) -> State:
        """The state before every tweet's first stem: outputs and cells (layers, 1, hidden)."""
        if self.initial is None:
            zeros = self.dense.weight.new_zeros(self.lstm.num_layers, 1, self.lstm.hidden_size)
            outputs = cells = zeros
        else:
            outputs, cells = self.initial.unbind()
        if self.padding is not None:
            _, (outputs, cells) = self.lstm(self.padding.expand(1, self.lead_in, -1), (outputs, cells))
        return outputs, cells

    def encode(self, embedded: Tensor, initial: State, lengths: Tensor | None = None) -> Tensor:
        """The last layer's outputs at each tweet's last stem (B, width), from embedded stems (B, T, embedding).

        Without lengths all tweets have T stems.
        """
        outputs, cells = (part.expand(-1, len(embedded), -1).contiguous() for part in initial)
        states, _ = self.lstm(embedded, (outputs, cells))  # (B, T, hidden)
        if lengths is None:
            return states[:, -1]  # type: ignore[no-any-return]
        rows = torch.arange(len(lengths), device=lengths.device)
        return states[rows, lengths - 1]  # type: ignore[no-any-return]

    def classify(self, encoded: Tensor) -> Tensor:
        """Logits (B,) of encoded tweets (B, width)."""
        logits: Tensor = self.dense(encoded).squeeze(1)
        return logits

    @property
    def width(self) -> int:
        """Dimensions of an encoded tweet, to which dropout is applied."""
        return self.dense.in_features

    def _initialize(self) -> None:
        """Draw Keras's initial weights. Its kernels are torch's transposed, which affects none of these draws."""
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
                # torch has two biases for every gate where Keras has one. If both were trained, their sum would take
                # every step twice; with the second frozen at zero, the pair behaves like Keras's single bias.
                self.lstm.get_parameter(f"bias_hh_l{layer}").requires_grad_(False)

    def _forget_bias(self, layer: int) -> Tensor:
        """The forget gate's slice of a layer's bias: the second of input, forget, cell, output."""
        hidden = self.lstm.hidden_size
        return self.lstm.get_parameter(f"bias_ih_l{layer}")[hidden : 2 * hidden]
