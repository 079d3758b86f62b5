"""Metadata files in the tables' folders: the policy and key of each cleaned day, and the salt of forgotten/."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pyspark.sql import SparkSession

from tonality.privacy.keys import read_key
from tonality.privacy.policy import Policy
from tonality.privacy.pseudonyms import Pseudonyms
from tonality.runtime.diagnostics.errors import SettingsError, UserError
from tonality.runtime.settings.sections import PrivacySettings
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.transaction import Transaction

__all__ = [
    "ERASED_TABLE",
    "erasure_salt",
    "key_check",
    "policy_of",
    "read_policies",
    "record_policy",
    "record_salt",
    "refuse_other_policies",
]

ERASED_TABLE: Final = "forgotten"

_POLICY_FILE: Final = "_privacy.json"
_SALT_FILE: Final = "_salt.json"
_RUN: Final = "run"
_SHOWN: Final = ("authors", "ids", "mentions", "key")


def policy_of(privacy: PrivacySettings) -> Policy:
    """Return the policy of the settings."""
    return Policy(**privacy.model_dump(exclude={"key"}))


def key_check(privacy: PrivacySettings) -> str:
    """Return the check value of the pseudonymisation key; empty if the policy needs none.

    Raises SettingsError if the key cannot be read or is too short.
    """
    return Pseudonyms(read_key(privacy.key)).check if policy_of(privacy).needs_key else ""


def record_policy(transaction: Transaction, days: Iterable[str], policy: Policy, key: str) -> None:
    """Record the policy and key check of staged days of tweets/; a policy that keeps everything is not recorded."""
    if policy.hides:
        for day in days:
            transaction.write_partition_file("tweets", DAY, day, _POLICY_FILE, _metadata(policy, key))


def read_policies(spark: SparkSession, root: str, days: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the recorded policy of each of these days of tweets/; days without a record keep everything."""
    recorded = tables.read_partition_files(spark, root, "tweets", DAY, days, _POLICY_FILE)
    return {day: metadata or _metadata(Policy(), "") for day, metadata in recorded.items()}


def refuse_other_policies(spark: SparkSession, root: str, days: Sequence[str], policy: Policy, key: str) -> None:
    """Raise SettingsError if one of these days of tweets/ was cleaned with another policy or another key."""
    expected = _metadata(policy, key)
    others = {day: found for day, found in read_policies(spark, root, days).items() if found != expected}
    if not others:
        return
    first, found = min(others.items())
    raise SettingsError(
        f"tweets/ holds {len(others):,} day(s) that were cleaned with other settings of [privacy], from {first} to "
        f"{max(others)}: found {_format(found)}; expected {_format(expected)}. Nothing was published: a table must "
        "treat all authors alike. Use those settings and that key, or clean all days again in one run, or choose "
        "another paths.root"
    )


def erasure_salt(spark: SparkSession, root: str) -> str:
    """Return the salt of the digests in forgotten/, in hex; empty if nothing has been erased.

    Raises UserError if the salt is lost, since erased tweets could no longer be recognised.
    """
    runs = tables.partitions(spark, root, ERASED_TABLE, _RUN)
    if not runs:
        return ""
    recorded = tables.read_partition_files(spark, root, ERASED_TABLE, _RUN, runs, _SALT_FILE)
    salts = {str(metadata["salt"]) for metadata in recorded.values() if "salt" in metadata}
    if len(salts) != 1:
        found = "has lost its salt" if not salts else "has parts with different salts"
        raise UserError(
            f"{ERASED_TABLE}/ under {root} {found} ({_SALT_FILE} in its folders): without it, erased tweets cannot be "
            "recognised. Restore the table from a backup, or remove it and run `forget` with all lists again"
        )
    return salts.pop()


def record_salt(transaction: Transaction, run: str, salt: str) -> None:
    """Record the salt in a staged partition of forgotten/."""
    transaction.write_partition_file(ERASED_TABLE, _RUN, run, _SALT_FILE, {"salt": salt})


def _metadata(policy: Policy, key: str) -> dict[str, Any]:
    return {**policy.model_dump(), "key": key}


def _format(metadata: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(metadata.get(name))}" for name in _SHOWN if metadata.get(name))
