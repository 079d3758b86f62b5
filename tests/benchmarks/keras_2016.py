"""One epoch of the 2016 network in Keras on prepared tokens: rows per second and accuracy, as JSON.

    python tests/benchmarks/keras_2016.py TOKENS.npz --seed N --batches padded|by-length

`padded` is the network as it was trained in 2016: every tweet left-padded to the width of the dataset, and the LSTMs
run over the padding. `by-length` is the same network on batches of tweets sorted by length and padded to their longest,
nearly always not at all: the rest of the gap is not due to padding. Adam's constants, initial weights and everything
else are the defaults of Keras. The time is that of Keras' `fit`; TensorFlow's tracing of the network in its first
batches comes before, and its other effects are undone.

It runs in its own environment, with Keras and TensorFlow but without Tonality: `make bench-keras`. TOKENS holds the
arrays stems, lengths and labels of each split (train_stems, valid_stems ...), with the concatenated stems of all
tweets, and the numbers vocabulary and width.
"""

import argparse
import json
import os
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

BATCH, VALIDATION_BATCH = 32, 1_024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path, help="the .npz file with the tokens of both splits")
    parser.add_argument("--seed", type=int, required=True, help="seed of initial weights, dropout and order")
    parser.add_argument("--batches", choices=("padded", "by-length"), required=True, help="padding of tweets")
    options = parser.parse_args()
    with np.load(options.tokens, allow_pickle=False) as arrays:
        vocabulary, width = int(arrays["vocabulary"]), int(arrays["width"])
        train, valid = (Tweets.of_side(arrays, side) for side in ("train", "valid"))
    keras.utils.set_random_seed(options.seed)
    model = network(vocabulary, width)
    order = np.random.default_rng(options.seed)
    if options.batches == "padded":
        figures = measure_padded(model, train, valid, width)
    else:
        figures = measure_by_length(model, train, valid, order)
    versions = {name: version(name) for name in ("keras", "numpy")} | {"tensorflow": tensorflow_version()}
    print(json.dumps({**figures, "versions": versions}))


def network(vocabulary: int, width: int) -> keras.Sequential:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Embedding(vocabulary, 128),
            layers.LSTM(64, return_sequences=True),
            layers.LSTM(64),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.build((None, width))
    model.optimizer.build(model.trainable_variables)
    return model


def tensorflow_version() -> str:
    import tensorflow

    return str(tensorflow.__version__)


@dataclass(frozen=True, eq=False)
class Tweets:
    """Tweets of one split, with concatenated stems."""

    stems: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    @classmethod
    def of_side(cls, arrays: Any, side: str) -> Self:
        return cls(*(arrays[f"{side}_{name}"] for name in ("stems", "lengths", "labels")))

    def padded(self, rows: np.ndarray, width: int) -> np.ndarray:
        """The stems of these tweets, left-padded with 0: (B, width)."""
        ends = np.cumsum(self.lengths)[rows]
        back = np.arange(width, 0, -1)
        places = ends[:, None] - back
        return np.where(back <= self.lengths[rows, None], self.stems[np.maximum(places, 0)], 0)


class ByLength(keras.utils.PyDataset):
    """Batches of tweets sorted by length, each padded to its longest; in random order if a generator is given."""

    def __init__(self, tweets: Tweets, size: int, order: np.random.Generator | None = None) -> None:
        super().__init__()
        rows = np.arange(len(tweets.lengths)) if order is None else order.permutation(len(tweets.lengths))
        rows = rows[np.argsort(tweets.lengths[rows], kind="stable")]
        batches = [rows[at : at + size] for at in range(0, len(rows), size)]
        if order is not None:
            batches = [batches[number] for number in order.permutation(len(batches))]
        self.batches = [
            (tweets.padded(chosen, tweets.lengths[chosen].max()), tweets.labels[chosen])
            for chosen in first_two_differ(batches, tweets.lengths)
        ]

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        return self.batches[number]


def first_two_differ(batches: list[np.ndarray], lengths: np.ndarray) -> list[np.ndarray]:
    """The batches, with the second one swapped if its tweets are as long as those of the first.

    Keras infers from the first two batches whether lengths vary.
    """
    longest = [lengths[chosen].max() for chosen in batches]
    other = next((number for number in range(1, len(batches)) if longest[number] != longest[0]), 0)
    if other:
        batches[1], batches[other] = batches[other], batches[1]
    return batches


def measure_padded(model: keras.Sequential, train: Tweets, valid: Tweets, width: int) -> dict[str, Any]:
    tokens, held_out = (side.padded(np.arange(len(side.lengths)), width) for side in (train, valid))
    warm_up = {"x": tokens[: 4 * BATCH], "y": train.labels[: 4 * BATCH], "batch_size": BATCH}
    trace(model, warm_up, {"x": held_out[: 2 * VALIDATION_BATCH], "batch_size": VALIDATION_BATCH})
    fit = {"x": tokens, "y": train.labels, "batch_size": BATCH}
    return measure(model, len(train.labels), fit, {"x": held_out, "batch_size": VALIDATION_BATCH}, valid.labels)


def measure_by_length(
    model: keras.Sequential, train: Tweets, valid: Tweets, order: np.random.Generator
) -> dict[str, Any]:
    held_out = ByLength(valid, VALIDATION_BATCH)
    warm_ups = ByLength(train, BATCH, np.random.default_rng(0)), ByLength(valid, VALIDATION_BATCH)
    for warm_up in warm_ups:
        del warm_up.batches[4:]
    trace(model, {"x": warm_ups[0]}, {"x": warm_ups[1]})
    labels = np.concatenate([labels for _, labels in held_out.batches])
    return measure(model, len(train.labels), {"x": ByLength(train, BATCH, order)}, {"x": held_out}, labels)


def trace(model: keras.Sequential, fit: dict[str, Any], predict: dict[str, Any]) -> None:
    """Let TensorFlow trace training and prediction, then restore the weights and Adam's moments."""
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.copy(keras.ops.convert_to_numpy(variable)) for variable in variables]
    model.fit(**fit, epochs=1, shuffle=False, verbose=0)
    model.predict(**predict, verbose=0)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)


def measure(
    model: keras.Sequential, rows: int, fit: dict[str, Any], predict: dict[str, Any], labels: np.ndarray
) -> dict[str, Any]:
    """The figures of one epoch and its validation."""
    started = time.perf_counter()
    # batches by length are shuffled already; arrays are shuffled by Keras
    model.fit(**fit, epochs=1, shuffle=isinstance(fit["x"], np.ndarray), verbose=0)
    trained = time.perf_counter()
    probabilities = model.predict(**predict, verbose=0).ravel()
    ended = time.perf_counter()
    return {
        "rows": rows,
        "training_seconds": trained - started,
        "rows_per_second": rows / (trained - started),
        "epochs": [
            {
                "accuracy": float(np.mean((probabilities >= 0.5) == (labels == 1))),
                "seconds_since_start": ended - started,
                "validation_seconds": ended - trained,
            }
        ],
    }


if __name__ == "__main__":
    main()
