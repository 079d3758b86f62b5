"""Salted digests: they recognise erased tweets when these return, and reveal nothing of them.

They are computed from the archive's content, before any pseudonymisation, so they hold under every policy and key.
"""

import re
from hashlib import blake2b
from typing import Final

from tonality.privacy.mentions import remove_usernames
from tonality.text.tweet_markup import without_retweet_prefix

__all__ = ["DIGEST_BYTES", "SALT_BYTES", "SaltedDigests"]

DIGEST_BYTES: Final = 16
SALT_BYTES: Final = 32

_FORMER_PREFIX: Final = re.compile(r"^(?:\s*RT\s+[@＠]\w*:?\s)+")
"""The prefix of a retweet in earlier versions, whose digests remain in forgotten/: case-sensitive, no space before the
colon. Whatever it matches, RETWEET_PREFIX matches too."""


class SaltedDigests:
    """Digests (BLAKE2b, RFC 7693) keyed with a salt."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def tweet(self, number: int) -> bytes:
        """Return the digest of a tweet's id."""
        return self._digest(b"tweet", str(number))

    def author(self, name: str) -> bytes:
        """Return the digest of an author's name or number, regardless of case."""
        return self._digest(b"author", name.lower())

    def text(self, text: str) -> bytes:
        """Return the digest of a tweet's text, regardless of the users it mentions.

        A retweet has the digest of the original: its prefix, "RT @name:", does not count.
        """
        return self._text(without_retweet_prefix(text))

    def texts(self, text: str) -> list[bytes]:
        """Return the digests that forgotten/ may hold for the text: that of `text`, and that of earlier versions.

        There is a second one only for a retweet whose prefix earlier versions did not recognise.
        """
        original = without_retweet_prefix(text)
        digests = [self._text(original)]
        prefix = text[: len(text) - len(original)]
        if prefix and not _FORMER_PREFIX.fullmatch(prefix):
            digests.append(self._text(_FORMER_PREFIX.sub("", text)))
        return digests

    def _text(self, original: str) -> bytes:
        return self._digest(b"text", remove_usernames(original).strip())

    def _digest(self, kind: bytes, value: str) -> bytes:
        content = value.encode("utf-8", "surrogatepass")
        return blake2b(content, key=self._salt, digest_size=DIGEST_BYTES, person=kind).digest()
