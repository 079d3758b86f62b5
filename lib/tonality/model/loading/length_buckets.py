"""Rows as batches of tweets of one length, so that a network never computes padding.

Batches are drawn from windows: so many rows are collected, shuffled and dealt out by length, and what does not fill a
batch waits for the next window. In the last window tweets of neighbouring lengths share what batches are left, in a
segment a length. The batches of a window come in random order.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tonality.model.loading.ragged_rows import Rows

__all__ = ["Batch", "Segment", "count_batches", "in_batches"]


class Segment(NamedTuple):
    """B tweets of T stems each."""

    places: NDArray[np.int64]
    """Which of the batch's distinct stems stands where: (B, T)."""
    labels: NDArray[np.float32]
    """1 positive, 0 negative: (B,)."""


class Batch(NamedTuple):
    """Tweets of one step."""

    stems: NDArray[np.int64]
    """The ids that occur, each once: (U,)."""
    segments: tuple[Segment, ...]
    """One for each length that occurs: nearly always one."""
    rows: int


def count_batches(rows: int, batch_size: int) -> int:
    """How many batches so many rows make: every one is full but one."""
    return -(-rows // batch_size)


def in_batches(
    groups: Iterable[Rows], batch_size: int, window: int, generator: np.random.Generator | None
) -> Iterator[Batch]:
    """All rows, each once, in batches of batch_size, of which one may be smaller.

    A window has at least `window` rows, where so many are left. Without a generator nothing is shuffled.
    """
    left: Rows | None = None
    for drawn, is_last in _windows(groups, window):
        rows = drawn if left is None else Rows.concatenate([left, drawn])
        del drawn  # a window is large
        order = np.arange(len(rows)) if generator is None else generator.permutation(len(rows))
        batches, others = _deal(rows, order, batch_size)
        if is_last:
            # among the full ones: were they all learned at the end, weights would lean towards them
            batches += [others[at : at + batch_size] for at in range(0, len(others), batch_size)]
        numbers = range(len(batches)) if generator is None else generator.permutation(len(batches))
        for number in numbers:
            yield _batch(rows, batches[number])
        left = rows.take(others)
        del rows  # before the next window is read


def _windows(groups: Iterable[Rows], window: int) -> Iterator[tuple[Rows, bool]]:
    """At least so many rows at a time, each time with whether they are the last."""
    waiting: list[Rows] = []
    for rows in groups:
        if sum(map(len, waiting)) >= window:
            yield _drained(waiting), False
        waiting.append(rows)
    if waiting:
        yield _drained(waiting), True


def _drained(waiting: list[Rows]) -> Rows:
    """All that waits as one; nothing waits then, nor takes memory."""
    whole = Rows.concatenate(waiting) if len(waiting) > 1 else waiting[0]
    waiting.clear()
    return whole


def _deal(rows: Rows, order: NDArray[np.int64], batch_size: int) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """The rows of each full batch, and the rows that fill none, by length."""
    by_length = order[np.argsort(rows.lengths[order], kind="stable")]
    bounds = np.flatnonzero(np.diff(rows.lengths[by_length])) + 1
    full, others = [], []
    for same in np.split(by_length, bounds):
        end = len(same) - len(same) % batch_size
        full += [same[at : at + batch_size] for at in range(0, end, batch_size)]
        others.append(same[end:])
    return full, np.concatenate(others)


def _batch(rows: Rows, chosen: NDArray[np.int64]) -> Batch:
    """The chosen rows, which lie in order of their lengths."""
    lengths = rows.lengths[chosen]
    parts = np.split(chosen, np.flatnonzero(np.diff(lengths)) + 1)
    tokens = [rows.tokens(part, int(rows.lengths[part[0]])) for part in parts]
    stems, places = _distinct(np.concatenate([part.ravel() for part in tokens]))
    ends = np.cumsum([part.size for part in tokens])[:-1]
    shaped = [flat.reshape(part.shape) for flat, part in zip(np.split(places, ends), tokens, strict=True)]
    segments = [Segment(place, rows.labels[part]) for place, part in zip(shaped, parts, strict=True)]
    return Batch(stems, tuple(segments), len(chosen))


def _distinct(tokens: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct tokens, and for each token which of them it is."""
    stems, places = np.unique(tokens, return_inverse=True)
    return stems.astype(np.int64), places
