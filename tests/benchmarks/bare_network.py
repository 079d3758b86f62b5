"""How fast the network itself is: forward and backward on batches of one length that lie in memory.

No reading and no optimiser; all is computed in one precision, and the lengths are spread as in the dataset. Of several
batch sizes, shared by torch's own threads or, without ever waiting for each other, by a thread a core that has its own
network, the best in short trials is timed again, for longer: on a machine that others use, the highest of many short
trials is one of a lucky second.
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
"""Batches that are held for a size: so many lengths, evenly spread over the tweets."""
TRIAL_SECONDS, BEST_SECONDS = 1.0, 10.0
SHAPE = LSTMConfig(1, **Settings().network.model_dump())


@dataclass(frozen=True, eq=False)
class Held:
    """B tweets of T stems in memory."""

    places: Tensor
    """Rows of the weights: (B, T)."""
    weight: Tensor
    """Of the stems that occur: (U, D)."""
    labels: Tensor
    """(B,)"""


def best_speed(side: Rows, seed: int, precision: torch.dtype) -> dict[str, Any]:
    """The best speed over batch sizes and ways to share the cores, in values that JSON knows."""
    torch.manual_seed(seed)
    ways: dict[str, Callable[[float], float]] = {}
    for size in BATCHES:
        chosen = held_rows(side, size, np.random.default_rng(seed))
        ways[f"batch {size}, torch's {CORES} threads"] = partial(speed_of_torch, side, chosen, precision)
        ways[f"batch {size}, a thread on each of {CORES} cores"] = partial(speed_of_lanes, side, chosen, precision)
    trials = {way: measure(TRIAL_SECONDS) for way, measure in ways.items()}
    best = max(trials, key=trials.__getitem__)
    mean = float(np.mean([side.lengths[rows[0]] for rows in held_rows(side, 1, np.random.default_rng(seed))]))
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


def held_rows(side: Rows, size: int, draws: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rows of each batch, all of one length: the lengths of evenly spread tweets in the order of lengths."""
    spread = ((np.arange(LENGTHS) + 0.5) / LENGTHS * len(side)).astype(int)
    return [
        draws.choice(same, size, replace=len(same) < size)
        for length in np.sort(side.lengths)[spread]
        for same in [np.flatnonzero(side.lengths == length)]
    ]


def hold(side: Rows, chosen: NDArray[np.int64], precision: torch.dtype) -> Held:
    tokens = side.tokens(chosen, int(side.lengths[chosen[0]]))
    stems, places = np.unique(tokens, return_inverse=True)
    weight = torch.empty(len(stems), SHAPE.embedding).uniform_(-0.05, 0.05).to(precision)
    labels = torch.from_numpy(side.labels[chosen]).to(precision)
    return Held(torch.from_numpy(places.reshape(tokens.shape)), weight, labels)


def go_through(network: LSTM, batches: list[Held], times: int) -> None:
    """Forward and backward through all batches, so many times."""
    for _ in range(times):
        for batch in batches:
            weight = batch.weight.detach().requires_grad_()
            last = network.dropout(network.encode(embedding(batch.places, weight), network.initial_state()))
            binary_cross_entropy_with_logits(network.classify(last), batch.labels).backward()
            network.zero_grad()


def speed_of_torch(side: Rows, chosen: list[NDArray[np.int64]], precision: torch.dtype, seconds: float) -> float:
    """Rows a second where torch's threads share each sum."""
    with threads(CORES):
        network, batches = build(SHAPE).to(precision), [hold(side, rows, precision) for rows in chosen]
        return rows_a_second(sum(map(len, chosen)), partial(go_through, network, batches), seconds)


def speed_of_lanes(side: Rows, chosen: list[NDArray[np.int64]], precision: torch.dtype, seconds: float) -> float:
    """Rows a second where a thread a core goes through its share of each batch."""
    with threads(1), ThreadPoolExecutor(CORES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        shares = [
            [hold(side, np.array_split(rows, CORES)[lane], precision) for rows in chosen] for lane in range(CORES)
        ]
        networks = [build(SHAPE).to(precision) for _ in shares]

        def run(times: int) -> None:
            list(pool.map(go_through, networks, shares, [times] * CORES))

        return rows_a_second(sum(map(len, chosen)), run, seconds)


def rows_a_second(rows: int, run: Callable[[int], None], seconds: float) -> float:
    """Rows a second of a run that lasts about so long, after a warm-up."""
    started = time.perf_counter()
    run(1)
    times = max(1, round(seconds / (time.perf_counter() - started)))
    started = time.perf_counter()
    run(times)
    return rows * times / (time.perf_counter() - started)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch computes in so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
