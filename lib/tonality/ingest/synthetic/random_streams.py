"""Reproducible randomness: named streams of random numbers, and draws that use only `Random.random`.

Of all methods of `Random`, Python guarantees the same numbers in every version only for `random()`.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

__all__ = ["ZipfSampler", "pick", "random_below", "random_stream"]

T = TypeVar("T")

_EXPONENT = 1.2
_SHIFT = 4
"""The shift of the ranks, which flattens the head: the first item is drawn 1.3 times as often as the second, not twice.
"""


def random_stream(seed: int, *names: object) -> Random:
    """An independent stream for every name, so that draws for one part of the sample do not affect others."""
    return Random(":".join(map(str, (seed, *names))))  # noqa: S311 (no secrets here)


def pick(random: Random, items: Sequence[T]) -> T:
    """Draw an item uniformly."""
    return items[int(random.random() * len(items))]


def random_below(random: Random, below: int) -> int:
    """Draw an integer in [0, below) uniformly."""
    return int(random.random() * below)


class ZipfSampler(Generic[T]):
    """A sampler of items with Zipf-Mandelbrot frequencies, as in natural language: a few are common, most are rare."""

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self._cumulative = list(accumulate((rank + _SHIFT) ** -_EXPONENT for rank in range(len(items))))
        self._total = self._cumulative[-1]

    def draw(self, random: Random) -> T:
        """Draw an item; earlier ones are more likely."""
        return self.items[bisect(self._cumulative, random.random() * self._total, 0, len(self.items) - 1)]
