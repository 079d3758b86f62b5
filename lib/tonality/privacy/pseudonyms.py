"""Pseudonyms: keyed hashes (BLAKE2b, RFC 7693), always the same for one key, and beyond guessing without it."""

from hashlib import blake2b
from typing import Final

__all__ = ["Pseudonyms"]

_AUTHOR_BYTES: Final = 16
_NUMBER_BYTES: Final = 8
_CHECK_BYTES: Final = 8


class Pseudonyms:
    """Pseudonyms by one key."""

    def __init__(self, key: bytes) -> None:
        whole = blake2b(key, digest_size=64, person=b"tonality key").digest()
        self._authors = blake2b(key=whole, digest_size=_AUTHOR_BYTES, person=b"author")
        self._numbers = blake2b(key=whole, digest_size=_NUMBER_BYTES, person=b"tweet")
        self._key = whole

    def author(self, name: str) -> str:
        """32 hex digits for a name, whatever its case: Twitter's names have none, and archives wrote them in any."""
        named = self._authors.copy()
        named.update(name.lower().encode("utf-8", "surrogatepass"))
        return named.hexdigest()

    def tweet_id(self, number: int) -> int:
        """A positive 63-bit number for a tweet's. Of a billion tweets, two share one with a chance of 5 %."""
        numbered = self._numbers.copy()
        numbered.update(str(number).encode())
        return int.from_bytes(numbered.digest(), "big") >> 1 or 1

    @property
    def check(self) -> str:
        """16 hex digits that tell whether another key is this one, and nothing else of it."""
        return blake2b(key=self._key, digest_size=_CHECK_BYTES, person=b"check").hexdigest()
