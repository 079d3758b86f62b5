"""Salted digests: erased tweets are recognised by them when they return, and cannot be read from them.

They are of what the archive says, before any pseudonym, so that they hold whatever a table's policy or key is.
"""

import re
from hashlib import blake2b
from typing import Final

from tonality.privacy.mentions import without_names

__all__ = ["DIGEST_BYTES", "SALT_BYTES", "SaltedDigests"]

DIGEST_BYTES: Final = 16
SALT_BYTES: Final = 32

_RETWEET: Final = re.compile(r"(?:\s*RT\s+[@＠]\w*:?\s)+")


class SaltedDigests:
    """SaltedDigests by one salt."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def tweet(self, number: int) -> bytes:
        """Of a tweet, by its id."""
        return self._mark(b"tweet", str(number))

    def author(self, name: str) -> bytes:
        """Of an author, by the name or number, whatever its case."""
        return self._mark(b"author", name.lower())

    def text(self, text: str) -> bytes:
        """Of what a tweet says. A retweet has that of what it repeats: without "RT @name:", and whoever it mentions."""
        begin = _RETWEET.match(text)
        said = text[begin.end() :] if begin else text
        return self._mark(b"text", without_names(said).strip())

    def _mark(self, kind: bytes, value: str) -> bytes:
        content = value.encode("utf-8", "surrogatepass")
        return blake2b(content, key=self._salt, digest_size=DIGEST_BYTES, person=kind).digest()
