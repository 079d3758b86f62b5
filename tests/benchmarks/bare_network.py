"""The speed of the network itself: forward and backward on batches of one length in memory.

There is no reading and no optimiser; all computations have one precision, and the lengths are distributed as in the
dataset. Several batch sizes are tried, shared either by torch's own threads or by one independent thread per core with
its own network. The fastest in short trials is timed again for longer, since on a shared machine the highest of many
short trials is a matter of luck.
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, embedding

from tonality.model.loading.ragged_rows import Rows
from tonality.model.network.lstm import LSTM, LSTMConfig, build
from tonality.runtime.settings.sections import Settings

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BATCHES = (32, 64, 128, 256, 512, 1024)
LENGTHS = 16
"""The number of batches in memory per size: one for each of the lengths of evenly spaced tweets."""
TRIAL_SECONDS, BEST_SECONDS = 1.0, 10.0
CONFIG = LSTMConfig(1, **Settings().network.model_dump())


@dataclass(frozen=True, eq=False)
class Batch:
    """B tweets of T stems in memory, and the embeddings of their U distinct stems."""

    places: Tensor
    """Row numbers in the weights: (B, T)."""
    weight: Tensor
    """Embeddings of the distinct stems: (U, D)."""
    labels: Tensor
    """(B,)"""


def best_speed(side: Rows, seed: int, precision: torch.dtype) -> dict[str, Any]:
    """The best speed over batch sizes and ways to share the cores, in JSON-compatible values."""
    torch.manual_seed(seed)
    ways: dict[str, Callable[[float], float]] = {}
    for size in BATCHES:
        chosen = rows_by_length(side, size, np.random.default_rng(seed))
        ways[f"batch {size}, torch's {CORES} threads"] = partial(torch_speed, side, chosen, precision)
        ways[f"batch {size}, a thread on each of {CORES} cores"] = partial(
            thread_parallel_speed, side, chosen, precision
        )
    trials = {way: measure(TRIAL_SECONDS) for way, measure in ways.items()}
    best = max(trials, key=trials.__getitem__)
    mean = float(np.mean([side.lengths[rows[0]] for rows in rows_by_length(side, 1, np.random.default_rng(seed))]))
    speed = ways[best](BEST_SECONDS)
    name = str(precision).removeprefix("torch.")
    return {
        "rows_per_second": speed,
        "precision": name,
        "best": f"{name}, {best}",
        "mean_stems": mean,
        "trials": trials,
        "epochs": [],
    }


def rows_by_length(side: Rows, size: int, draws: np.random.Generator) -> list[NDArray[np.int64]]:
    """The rows of each batch, all of one length: the lengths of evenly spaced tweets in the order of lengths."""
    spread = ((np.arange(LENGTHS) + 0.5) / LENGTHS * len(side)).astype(int)
    return [
        draws.choice(same, size, replace=len(same) < size)
        for length in np.sort(side.lengths)[spread]
        for same in [np.flatnonzero(side.lengths == length)]
    ]


def load_batch(side: Rows, chosen: NDArray[np.int64], precision: torch.dtype) -> Batch:
    tokens = side.tokens(chosen, int(side.lengths[chosen[0]]))
    stems, places = np.unique(tokens, return_inverse=True)
    weight = torch.empty(len(stems), CONFIG.embedding).uniform_(-0.05, 0.05).to(precision)
    labels = torch.from_numpy(side.labels[chosen]).to(precision)
    return Batch(torch.from_numpy(places.reshape(tokens.shape)), weight, labels)


def run_batches(network: LSTM, batches: list[Batch], times: int) -> None:
    """Run forward and backward passes over all batches, several times."""
    for _ in range(times):
        for batch in batches:
            weight = batch.weight.detach().requires_grad_()
            last = network.dropout(network.encode(embedding(batch.places, weight), network.initial_state()))
            binary_cross_entropy_with_logits(network.classify(last), batch.labels).backward()
            network.zero_grad()


def torch_speed(side: Rows, chosen: list[NDArray[np.int64]], precision: torch.dtype, seconds: float) -> float:
    """Rows per second if torch's threads share each operation."""
    with threads(CORES):
        network, batches = build(CONFIG).to(precision), [load_batch(side, rows, precision) for rows in chosen]
        return measure_rate(sum(map(len, chosen)), partial(run_batches, network, batches), seconds)


def thread_parallel_speed(side: Rows, chosen: list[NDArray[np.int64]], precision: torch.dtype, seconds: float) -> float:
    """Rows per second if one thread per core processes its share of each batch."""
    with threads(1), ThreadPoolExecutor(CORES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        shares = [
            [load_batch(side, np.array_split(rows, CORES)[thread], precision) for rows in chosen]
            for thread in range(CORES)
        ]
        networks = [build(CONFIG).to(precision) for _ in shares]

        def run(times: int) -> None:
            list(pool.map(run_batches, networks, shares, [times] * CORES))

        return measure_rate(sum(map(len, chosen)), run, seconds)


def measure_rate(rows: int, run: Callable[[int], None], seconds: float) -> float:
    """Rows per second of a run of about this duration, after a warm-up."""
    started = time.perf_counter()
    run(1)
    times = max(1, round(seconds / (time.perf_counter() - started)))
    started = time.perf_counter()
    run(times)
    return rows * times / (time.perf_counter() - started)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set the number of torch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
