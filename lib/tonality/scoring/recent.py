"""The probabilities of recent tweets, for archives that say the same thing again and again."""

from typing import Final

import numpy as np
import numpy.typing as npt

from tonality.text.numbering import Numbers

__all__ = ["RecentProbabilities"]

_PLACES: Final = 2**20
"""Tweets that are remembered at most, in 20 bytes each."""
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)

Keys = npt.NDArray[np.uint64]


class RecentProbabilities:
    """Remembers the probability of as many tweets as it has places for; a newer one takes the place of an older.

    A tweet is known by 128 bits of its numbers, two multilinear hashes of random coefficients that are drawn anew each
    time, so that nobody can write two tweets that are taken for one, nor does it happen by chance.
    """

    def __init__(self, vocabulary: int, max_length: int, places: int = _PLACES) -> None:
        """For numbers below vocabulary and tweets of no more than max_length; places is a power of two."""
        draws = np.random.default_rng()
        self._coefficients = draws.integers(0, 2**64, (2, vocabulary), np.uint64)
        self._powers = np.cumprod(np.full(max_length, _ODD))
        self._keys = np.zeros((2, places), np.uint64)
        self._probabilities = np.full(places, np.nan, np.float32)
        self._mask = np.uint64(places - 1)

    def keys(self, numbers: Numbers) -> Keys:
        """What the tweets that have numbers, 1 or more, are known by: (2, tweets)."""
        powers = self._powers[numbers.places]
        filled = numbers.starts[numbers.lengths > 0]
        if not len(filled):
            return np.empty((2, 0), np.uint64)
        return np.stack([np.add.reduceat(row[numbers.flat] * powers, filled) for row in self._coefficients])

    def find(self, keys: Keys) -> npt.NDArray[np.float32]:
        """The probabilities of the tweets of these keys, NaN of those that are not remembered."""
        places = keys[0] & self._mask
        same = (self._keys[0, places] == keys[0]) & (self._keys[1, places] == keys[1])
        return np.where(same, self._probabilities[places], np.float32(np.nan))

    def remember(self, keys: Keys, probabilities: npt.NDArray[np.float32]) -> None:
        """Keep what was computed."""
        places = keys[0] & self._mask
        self._keys[:, places] = keys
        self._probabilities[places] = probabilities
