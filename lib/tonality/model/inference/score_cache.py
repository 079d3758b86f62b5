"""The probabilities of recent tweets, for archives that say the same thing again and again."""

from typing import Final

import numpy as np
import numpy.typing as npt

from tonality.text.token_ids import TokenIds

__all__ = ["ScoreCache"]

_PLACES: Final = 2**20
"""Tweets that are remembered at most, in 20 bytes each."""

Keys = npt.NDArray[np.uint64]


class ScoreCache:
    """Remembers the probability of as many tweets as it has places for; a newer one takes the place of an older.

    A tweet is known by 128 bits of its numbers, two sums of a random factor of each number times one of its place. The
    factors are drawn again each time, so that nobody can write two tweets that are taken for one, nor does it happen by
    chance.
    """

    def __init__(self, vocabulary: int, max_length: int, places: int = _PLACES) -> None:
        """For numbers below vocabulary and tweets of no more than max_length; places is a power of two."""
        draws = np.random.default_rng()
        self._of_numbers = draws.integers(0, 2**64, (2, vocabulary), np.uint64)
        self._of_places = draws.integers(0, 2**64, (2, max_length), np.uint64) | np.uint64(1)  # even ones lose bits
        self._keys = np.zeros((2, places), np.uint64)
        self._probabilities = np.full(places, np.nan, np.float32)
        self._mask = np.uint64(places - 1)

    def keys(self, numbers: TokenIds) -> Keys:
        """What the tweets that have numbers, 1 or more, are known by: (2, tweets)."""
        places = numbers.places
        filled = numbers.starts[numbers.lengths > 0]
        if not len(filled):
            return np.empty((2, 0), np.uint64)
        factors = zip(self._of_numbers, self._of_places, strict=True)
        return np.stack([np.add.reduceat(number[numbers.flat] * place[places], filled) for number, place in factors])

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
