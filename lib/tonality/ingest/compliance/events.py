"""Twitter's messages about deleted, protected or withheld content, and the removals that they require.

The formats are Twitter's "Compliance data objects" (the Compliance Firehose of API v1.1 and the compliance streams of
API v2), "Streaming message types" of API v1.1 and "Batch compliance" of API v2.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from tonality.ingest.formats.record import STREAM_STATUS, USER_REMOVED, USER_RESTORED, RejectedRecord, parse_id

__all__ = ["ComplianceEvent", "IdKind", "parse_message"]

IdKind = Literal["tweets", "users"]
"""Kind of the ids in a list that does not state it."""

_TWEET_REMOVED: Final = frozenset({"delete", "drop"})
_WITHHELD: Final = {"status_withheld": "tweets", "withheld": "tweets", "user_withheld": "users"}
_ALL_COUNTRIES: Final = frozenset({"XX", "XY"})
"""Withheld in all countries, and withheld after a copyright complaint; other codes are countries."""
_NO_REMOVAL: Final = (
    STREAM_STATUS
    | USER_RESTORED
    | {"undrop", "tweet_edit", "scrub_geo", "user_profile_modification"}  # no table has places or profiles
)
_NO_REMOVAL_REASONS: Final = frozenset({"scrub_geo"})
"""Reasons in batch compliance for which the place must be removed but not the tweet."""
_EVENT: Final = re.compile(r"[a-z_]{1,40}(?: \([a-z_]{1,40}\))?")


class ComplianceEvent(NamedTuple):
    """An event that requires the removal of a tweet or of an author's tweets, or of nothing."""

    name: str
    """Twitter's term."""
    tweet_id: int | None = None
    author: str | None = None
    """The author's name or user id."""

    @property
    def requires_removal(self) -> bool:
        """True if the event names a tweet or an author."""
        return self.tweet_id is not None or self.author is not None


def parse_message(message: Mapping[str, Any], ids: IdKind) -> ComplianceEvent:
    """Parse a message. Raises RejectedRecord if it is of no known form."""
    if isinstance(inner := message.get("data"), dict):
        return parse_message(inner, ids)
    if "action" in message:
        return _parse_batch_result(message, ids)
    for key, details in message.items():
        if key in _NO_REMOVAL:
            return ComplianceEvent(key)
        if key in _TWEET_REMOVED:
            return ComplianceEvent(key, tweet_id=_tweet_id(details))
        if key in USER_REMOVED:
            return ComplianceEvent(key, author=_user_id(details))
        if key in _WITHHELD:
            return _parse_withheld(key, details)
    raise RejectedRecord("unknown-message")


def _parse_batch_result(message: Mapping[str, Any], ids: IdKind) -> ComplianceEvent:
    """Parse a result of a batch compliance job, which does not state whether its ids are of tweets or of users."""
    action, reason = str(message["action"]), str(message.get("reason") or "")
    name = f"{action} ({reason})" if reason else action
    if not _EVENT.fullmatch(name):  # the name is shown in the summary
        raise RejectedRecord("unknown-message")
    if action != "delete" or reason in _NO_REMOVAL_REASONS:
        return ComplianceEvent(name)
    number = parse_id(message.get("id"))
    return ComplianceEvent(name, tweet_id=number) if ids == "tweets" else ComplianceEvent(name, author=str(number))


def _parse_withheld(key: str, details: object) -> ComplianceEvent:
    countries = details.get("withheld_in_countries") if isinstance(details, dict) else None
    if not isinstance(countries, list) or _ALL_COUNTRIES.isdisjoint(map(str, countries)):
        return ComplianceEvent(f"{key} in some countries")
    if _WITHHELD[key] == "users":
        return ComplianceEvent(key, author=_user_id(details))
    return ComplianceEvent(key, tweet_id=_tweet_id(details))


def _tweet_id(details: object) -> int:
    return _nested_id(details, "status", "tweet")


def _user_id(details: object) -> str:
    return str(_nested_id(details, "user"))


def _nested_id(details: object, *keys: str) -> int:
    """Return the id of the object nested under one of the keys, or else of the object itself.

    `id_str` has all digits, which a number may have lost.
    """
    if not isinstance(details, dict):
        raise RejectedRecord("unknown-message")
    target = next((details[key] for key in keys if isinstance(details.get(key), dict)), details)
    return parse_id(target.get("id_str") or target.get("id"))
