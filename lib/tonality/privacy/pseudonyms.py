"""Pseudonyms: keyed hashes (BLAKE2b, RFC 7693), constant for one key and impossible to guess without it."""

from hashlib import blake2b
from typing import Final

__all__ = ["Pseudonyms"]

_AUTHOR_BYTES: Final = 16
_ID_BYTES: Final = 8
_CHECK_BYTES: Final = 8


class Pseudonyms:
    """Pseudonyms of authors and tweets under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(key, digest_size=64, person=b"tonality key").digest()
        self._author_hash = blake2b(key=self._key, digest_size=_AUTHOR_BYTES, person=b"author")
        self._id_hash = blake2b(key=self._key, digest_size=_ID_BYTES, person=b"tweet")

    def author(self, name: str) -> str:
        """Return 32 hex digits for a name, regardless of case: Twitter ignores it, and archives vary in it."""
        hashed = self._author_hash.copy()
        hashed.update(name.lower().encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()

    def tweet_id(self, number: int) -> int:
        """Return a positive 63-bit number for a tweet's id. Among a billion tweets, a collision has a chance of 5 %."""
        hashed = self._id_hash.copy()
        hashed.update(str(number).encode())
        return int.from_bytes(hashed.digest(), "big") >> 1 or 1

    @property
    def check(self) -> str:
        """The key check value: 16 hex digits that identify the key and reveal nothing else of it."""
        return blake2b(key=self._key, digest_size=_CHECK_BYTES, person=b"check").hexdigest()
