"""Other ways to score a Spark table: those of a careful user today, and the upper limits of any.

Each is a function of a session and the model, and returns a function of a column of stems.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fasttext
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import torch
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Column, SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import FloatType

from tonality.model.network.lstm import LSTM
from tonality.model.network.lstm_inference import TiledLSTM, tile_weights
from tonality.model.registry.artifact import Artifact
from tonality.text.token_ids import StemEncoder

PADDED = 100
ROWS_AT_ONCE = 1024
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
GROUPS = (128, 256, 512, 1024, 4096)
LIMIT_TWEETS, LIMIT_SECONDS = 100_000, 5.0

Scoring = Callable[[Column], Column]

_built: dict[str, "PaddedNetwork"] = {}


class PaddedNetwork:
    """The network in float32 on rows padded to 100, with a dictionary of stems."""

    def __init__(self, files: dict[str, bytes]) -> None:
        torch.set_num_threads(1)
        artifact = Artifact.from_files(files)
        self._network: LSTM = artifact.network()
        self._ids = {stem: number for number, stem in enumerate(artifact.vocabulary["stem"].to_pylist(), 2)}

    def probabilities(self, texts: npt.NDArray[np.object_]) -> npt.NDArray[np.float32]:
        tokens = torch.zeros(len(texts), PADDED, dtype=torch.long)
        lengths = torch.ones(len(texts), dtype=torch.long)
        for row, text in enumerate(texts):
            ids = [self._ids.get(stem, 1) for stem in text.split()[:PADDED]]
            tokens[row, : len(ids)] = torch.tensor(ids)
            lengths[row] = max(1, len(ids))
        with torch.inference_mode():
            return torch.sigmoid(self._network(tokens, lengths)).numpy()


def padded(spark: SparkSession, artifact: Artifact) -> Scoring:
    """An iterator pandas UDF that builds its model once per worker."""
    files = spark.sparkContext.broadcast(artifact.files())

    @pandas_udf("float")
    def probability(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        network = built(files.value)
        for stems in batches:
            parts = np.array_split(stems.to_numpy(), max(1, len(stems) // ROWS_AT_ONCE))
            yield pd.Series(np.concatenate([network.probabilities(part) for part in parts]))

    return probability


def built(files: dict[str, bytes]) -> PaddedNetwork:
    if "network" not in _built:
        _built["network"] = PaddedNetwork(files)
    return _built["network"]


def batch_prediction(spark: SparkSession, artifact: Artifact) -> Scoring:
    """pyspark.ml.functions.predict_batch_udf."""
    files = spark.sparkContext.broadcast(artifact.files())

    def make() -> Callable[[npt.NDArray[np.object_]], npt.NDArray[np.float32]]:
        return built(files.value).probabilities

    return predict_batch_udf(make, return_type=FloatType(), batch_size=ROWS_AT_ONCE)


def train_fasttext(texts: pa.StringArray, folder: Path) -> Path:
    """Train a supervised model of stems and bigrams; random labels take as long as others."""
    draws = np.random.default_rng(0)
    lines = folder / "labelled.txt"
    with lines.open("w", encoding="utf-8") as file:
        for text in texts.to_pylist():
            file.write(f"__label__{'positive' if draws.random() < 0.5 else 'negative'} {text}\n")
    model = fasttext.train_supervised(str(lines), wordNgrams=2, thread=CORES, verbose=0)
    model.save_model(str(folder / "fasttext.bin"))
    return folder / "fasttext.bin"


def fast_text(model: Path) -> Scoring:
    """fastText in an iterator pandas UDF, which opens its file once per partition, in milliseconds."""
    place = str(model)

    @pandas_udf("float")
    def probability(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        opened = fasttext.load_model(place)
        for stems in batches:
            labels, values = opened.predict(stems.tolist(), k=1)
            found = np.array([value[0] for value in values], np.float32)
            is_positive = np.array([label[0] == "__label__positive" for label in labels])
            yield pd.Series(np.where(is_positive, found, 1 - found))

    return probability


def identity() -> Scoring:
    """A pandas UDF that does nothing: the limit of the data transfer."""

    @pandas_udf("float")
    def probability(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for stems in batches:
            yield pd.Series(np.full(len(stems), 0.5, np.float32))

    return probability


# The bare network, in memory


def limits(files: dict[str, bytes], texts: pa.StringArray, precision: str) -> tuple[float, float]:
    """Rows per second of torch's LSTM on groups of one length, and of this network's tiles, on all cores at once.

    Each core has a process with one thread; groups have the size that was the fastest in short trials.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(CORES) as pool:
        rates = pool.starmap(bare_network, [(files, texts, precision)] * CORES, chunksize=1)
    torchs, tiles = zip(*rates, strict=True)
    return sum(torchs), sum(tiles)


def bare_network(files: dict[str, bytes], texts: pa.StringArray, precision: str) -> tuple[float, float]:
    torch.set_num_threads(1)
    artifact = Artifact.from_files(files)
    network: LSTM = artifact.network()
    numbers = StemEncoder(artifact.vocabulary["stem"].combine_chunks(), "train", PADDED).encode(texts)
    tiled = TiledLSTM(tile_weights(network, precision))
    starts, count = numbers.starts, len(texts)
    network = network.to(getattr(torch, precision))
    trials = {}
    with torch.inference_mode():
        for size in GROUPS:
            groups = equal_groups(numbers.flat, starts, numbers.lengths, size)
            trials[size] = (rate(lambda groups=groups: read(network, groups), 1.0) * sum(map(len, groups)), groups)
        _, groups = max(trials.values(), key=lambda trial: trial[0])
        torchs = rate(lambda: read(network, groups), LIMIT_SECONDS) * sum(map(len, groups))
    tiles = rate(lambda: tiled.probabilities(numbers.flat, starts, numbers.lengths), LIMIT_SECONDS) * count
    return torchs, tiles


def equal_groups(flat, starts, lengths, size: int) -> list[torch.Tensor]:
    """The tweets of each length in groups of this size; the rest of each length is dropped."""
    groups = []
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for at in range(0, len(rows) - size + 1, size):
            chosen = rows[at : at + size]
            groups.append(torch.from_numpy(flat[starts[chosen, None] + np.arange(length)]).long())
    return groups


def read(network: LSTM, groups: list[torch.Tensor]) -> None:
    start = network.initial_state()
    for tokens in groups:
        torch.sigmoid(network.classify(network.encode(network.embedding(tokens), start)))


def rate(run: Callable[[], object], seconds: float) -> float:
    """Runs per second, after a warm-up run."""
    run()
    runs, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        run()
        runs += 1
    return runs / (time.perf_counter() - started)
