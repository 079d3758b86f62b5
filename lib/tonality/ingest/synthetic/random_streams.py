"""Chance that repeats: streams of random numbers by name, and draws that need nothing but `Random.random`.

Python promises that `random()` gives the same numbers in every version, and promises it of nothing else in that module,
so nothing else is called.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

__all__ = ["Ranked", "pick", "stream", "whole_number"]

T = TypeVar("T")

_EXPONENT = 1.2
_HEAD = 4
"""Flattens the head of the curve: the first item is drawn 1.3 times as often as the second, not twice."""


def stream(seed: int, *names: object) -> Random:
    """Random numbers of their own for every name: what one part of the sample draws moves no other part."""
    return Random(":".join(map(str, (seed, *names))))  # noqa: S311 (no secrets here)


def pick(random: Random, items: Sequence[T]) -> T:
    """One of the items, all equally likely."""
    return items[int(random.random() * len(items))]


def whole_number(random: Random, below: int) -> int:
    """A number from 0 to one less than `below`, all equally likely."""
    return int(random.random() * below)


class Ranked(Generic[T]):
    """Items of falling frequency, as Zipf found words to be: a few are everywhere, most are rare."""

    def __init__(self, items: Sequence[T]) -> None:
        self.items = items
        self._cumulative = list(accumulate((rank + _HEAD) ** -_EXPONENT for rank in range(len(items))))
        self._total = self._cumulative[-1]

    def draw(self, random: Random) -> T:
        """One of the items, the earlier the likelier."""
        return self.items[bisect(self._cumulative, random.random() * self._total, 0, len(self.items) - 1)]
