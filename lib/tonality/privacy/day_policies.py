"""Notes in the tables' folders: the policy and key that each day was cleaned by, and the salt of what was forgotten."""

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
    "policies",
    "policy_of",
    "record_policy",
    "record_salt",
    "refuse_other_policies",
]

ERASED_TABLE: Final = "forgotten"

_POLICY: Final = "_privacy.json"
_SALT: Final = "_salt.json"
_RUN: Final = "run"
_SHOWN: Final = ("authors", "ids", "mentions", "key")


def policy_of(privacy: PrivacySettings) -> Policy:
    """The policy that the settings ask for."""
    return Policy(**privacy.model_dump(exclude={"key"}))


def key_check(privacy: PrivacySettings) -> str:
    """The check of the key that pseudonyms are made by; empty where there are none.

    Raises SettingsError where the key cannot be read or is too short.
    """
    return Pseudonyms(read_key(privacy.key)).check if policy_of(privacy).needs_key else ""


def record_policy(transaction: Transaction, days: Iterable[str], policy: Policy, key: str) -> None:
    """Note in staged days of tweets/ by which policy they were cleaned, and the check of its key; nothing of one that
    keeps everything.
    """
    if policy.hides:
        for day in days:
            transaction.write_partition_file("tweets", DAY, day, _POLICY, _noted(policy, key))


def policies(spark: SparkSession, root: str, days: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What was noted of each of these days of tweets/; of one without a note, the policy that keeps everything."""
    notes = tables.partition_files(spark, root, "tweets", DAY, days, _POLICY)
    return {day: note or _noted(Policy(), "") for day, note in notes.items()}


def refuse_other_policies(spark: SparkSession, root: str, days: Sequence[str], policy: Policy, key: str) -> None:
    """Raise SettingsError where one of these days of tweets/ was cleaned by another policy or with another key."""
    expected = _noted(policy, key)
    others = {day: note for day, note in policies(spark, root, days).items() if note != expected}
    if not others:
        return
    first, note = min(others.items())
    raise SettingsError(
        f"tweets/ holds {len(others):,} day(s) that were cleaned by other settings of [privacy], from {first} to "
        f"{max(others)}: found {_in_words(note)}; expected {_in_words(expected)}. Nothing was published: one table "
        "shows all authors alike. Take those settings and that key, or clean all days again in one run, or take another "
        "paths.root"
    )


def erasure_salt(spark: SparkSession, root: str) -> str:
    """The salt of the digests in forgotten/, in hex; empty where nothing was forgotten.

    Raises UserError where the table has lost it, so that nobody could tell what was forgotten.
    """
    runs = tables.partitions(spark, root, ERASED_TABLE, _RUN)
    if not runs:
        return ""
    notes = tables.partition_files(spark, root, ERASED_TABLE, _RUN, runs, _SALT)
    salts = {str(note["salt"]) for note in notes.values() if "salt" in note}
    if len(salts) != 1:
        found = "has lost its salt" if not salts else "has parts of several salts"
        raise UserError(
            f"{ERASED_TABLE}/ under {root} {found} ({_SALT} in its folders): without it nobody can tell what was "
            "forgotten. Bring the table back from a backup, or remove it and run `forget` with all lists again"
        )
    return salts.pop()


def record_salt(transaction: Transaction, run: str, salt: str) -> None:
    """Note the salt in a staged part of forgotten/."""
    transaction.write_partition_file(ERASED_TABLE, _RUN, run, _SALT, {"salt": salt})


def _noted(policy: Policy, key: str) -> dict[str, Any]:
    return {**policy.model_dump(), "key": key}


def _in_words(note: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(note.get(name))}" for name in _SHOWN if note.get(name))
