"""Pseudonymisation keys: only the driver reads them, and they are never written, logged or shown."""

import secrets
from typing import Final, NamedTuple

from tonality.privacy.policy import Policy
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.storage.urls import filesystem

__all__ = ["Keys", "load_keys", "read_key"]

_MIN_BYTES: Final = 16
_MAX_BYTES: Final = 2**16
"""A larger file is not a key: the setting must name the wrong one."""


class Keys(NamedTuple):
    """The keys of the pseudonyms that one run of `clean` assigns."""

    authors: bytes
    ids: bytes

    def __repr__(self) -> str:
        """Hide the keys, which must not appear in any message."""
        return "Keys(...)"


def read_key(location: str) -> bytes:
    """Read a key from a file. Raises SettingsError if there is none, or its size is not that of a key."""
    system, path = filesystem(location)
    try:
        size = system.size(path) if system.isfile(path) else None
        content: bytes = system.cat_file(path) if size is not None and size <= _MAX_BYTES else b""
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"privacy.key: {location} cannot be read: {reason}") from None
    if size is None:
        raise SettingsError(
            f"privacy.key: no file at {location}. Make a key, and keep it as long as the tables: "
            f"head -c 32 /dev/urandom > {location}; chmod 600 {location}"
        )
    if not _MIN_BYTES <= size <= _MAX_BYTES:
        expected = f"expected a key of {_MIN_BYTES} to {_MAX_BYTES:,} bytes"
        raise SettingsError(f"privacy.key: {location} has {size:,} bytes: {expected}")
    return content


def load_keys(policy: Policy, location: str) -> Keys:
    """Load the keys that a policy needs.

    Ids that are to be dropped get a random key that is not kept: until duplicates are removed, tweets still need ids.
    """
    key = read_key(location) if policy.needs_key else b""
    return Keys(authors=key, ids=key if policy.ids == "hash" else secrets.token_bytes(32))
