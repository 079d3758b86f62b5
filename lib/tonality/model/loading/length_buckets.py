"""Batches of tweets of equal length, so that the network never computes padding.

Rows are collected into a window, shuffled and grouped by length. Rows that do not fill a batch are carried over to the
next window; in the last window tweets of neighbouring lengths share the remaining batches, with one segment per length.
The batches of a window come in random order.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tonality.model.loading.ragged_rows import Rows

__all__ = ["Batch", "Segment", "batch_by_length", "count_batches"]


class Segment(NamedTuple):
    """B tweets of T stems each."""

    places: NDArray[np.int64]
    """Indices into the batch's `stems`: (B, T)."""
    labels: NDArray[np.float32]
    """1 positive, 0 negative: (B,)."""


class Batch(NamedTuple):
    """The tweets of one training step."""

    stems: NDArray[np.int64]
    """The distinct stem ids of the batch: (U,)."""
    segments: tuple[Segment, ...]
    """One segment per tweet length: nearly always just one."""
    rows: int


def count_batches(rows: int, batch_size: int) -> int:
    """The number of batches for this many rows: all are full except possibly one."""
    return -(-rows // batch_size)


def batch_by_length(
    groups: Iterable[Rows], batch_size: int, window: int, generator: np.random.Generator | None
) -> Iterator[Batch]:
    """Yield every row once, in batches of batch_size, one of which may be smaller.

    A window has at least `window` rows while enough remain. Without a generator nothing is shuffled.
    """
    carried_over: Rows | None = None
    for window_rows, is_last in _windows(groups, window):
        rows = window_rows if carried_over is None else Rows.concatenate([carried_over, window_rows])
        del window_rows  # a window is large
        order = np.arange(len(rows)) if generator is None else generator.permutation(len(rows))
        batches, remaining = _group_by_length(rows, order, batch_size)
        if is_last:
            # shuffled among the full batches: learned all at the end, they would bias the weights
            batches += [remaining[at : at + batch_size] for at in range(0, len(remaining), batch_size)]
        batch_order = range(len(batches)) if generator is None else generator.permutation(len(batches))
        for index in batch_order:
            yield _batch(rows, batches[index])
        carried_over = rows.take(remaining)
        del rows  # before the next window is read


def _windows(groups: Iterable[Rows], window: int) -> Iterator[tuple[Rows, bool]]:
    """Yield at least `window` rows at a time, and True with the last ones."""
    buffered: list[Rows] = []
    for rows in groups:
        if sum(map(len, buffered)) >= window:
            yield _drain(buffered), False
        buffered.append(rows)
    if buffered:
        yield _drain(buffered), True


def _drain(buffered: list[Rows]) -> Rows:
    """Concatenate the buffered rows, and empty the buffer to free its memory."""
    rows = Rows.concatenate(buffered) if len(buffered) > 1 else buffered[0]
    buffered.clear()
    return rows


def _group_by_length(
    rows: Rows, order: NDArray[np.int64], batch_size: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """The rows of each full batch, and the remaining rows by length."""
    by_length = order[np.argsort(rows.lengths[order], kind="stable")]
    bounds = np.flatnonzero(np.diff(rows.lengths[by_length])) + 1
    full, remaining = [], []
    for same in np.split(by_length, bounds):
        end = len(same) - len(same) % batch_size
        full += [same[at : at + batch_size] for at in range(0, end, batch_size)]
        remaining.append(same[end:])
    return full, np.concatenate(remaining)


def _batch(rows: Rows, chosen: NDArray[np.int64]) -> Batch:
    """A batch of the chosen rows, which are sorted by length."""
    lengths = rows.lengths[chosen]
    parts = np.split(chosen, np.flatnonzero(np.diff(lengths)) + 1)
    tokens = [rows.tokens(part, int(rows.lengths[part[0]])) for part in parts]
    stems, indices = _distinct(np.concatenate([part.ravel() for part in tokens]))
    ends = np.cumsum([part.size for part in tokens])[:-1]
    shaped = [flat.reshape(part.shape) for flat, part in zip(np.split(indices, ends), tokens, strict=True)]
    segments = [Segment(index, rows.labels[part]) for index, part in zip(shaped, parts, strict=True)]
    return Batch(stems, tuple(segments), len(chosen))


def _distinct(tokens: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct tokens, and the index of each token among them."""
    stems, indices = np.unique(tokens, return_inverse=True)
    return stems.astype(np.int64), indices
