"""Keys: read from a file, by the driver alone, and never written, logged or shown."""

import secrets
from typing import Final, NamedTuple

from tonality.privacy.policy import Policy
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.storage.urls import filesystem

__all__ = ["Keys", "keys_of_pass", "read_key"]

_LEAST_BYTES: Final = 16
_TOO_MANY: Final = 2**16
"""Bytes of a file that is no key, but something else that was named for it."""


class Keys(NamedTuple):
    """What a pass over an archive makes pseudonyms by."""

    authors: bytes
    ids: bytes

    def __repr__(self) -> str:
        """No message may show them."""
        return "Keys(...)"


def read_key(location: str) -> bytes:
    """The key in a file. Raises SettingsError where there is none, or one that is too short."""
    system, path = filesystem(location)
    try:
        size = system.size(path) if system.isfile(path) else None
        content: bytes = system.cat_file(path) if size is not None and size <= _TOO_MANY else b""
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsError(f"privacy.key: {location} cannot be read: {why}") from None
    if size is None:
        raise SettingsError(
            f"privacy.key: no file at {location}. Make a key, and keep it as long as the tables: "
            f"head -c 32 /dev/urandom > {location}; chmod 600 {location}"
        )
    if not _LEAST_BYTES <= size <= _TOO_MANY:
        expected = f"a key of {_LEAST_BYTES} bytes or more is expected, and of no more than {_TOO_MANY:,}"
        raise SettingsError(f"privacy.key: {location} has {size:,} bytes: {expected}")
    return content


def keys_of_pass(policy: Policy, location: str) -> Keys:
    """The keys that a policy needs. Ids that are to be dropped get one that nobody keeps: tweets must be told apart
    while the pass is put in order.
    """
    key = read_key(location) if policy.needs_key else b""
    return Keys(authors=key, ids=key if policy.ids == "hash" else secrets.token_bytes(32))
