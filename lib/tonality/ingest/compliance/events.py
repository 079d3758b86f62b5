"""Twitter's messages of what was deleted, protected or withheld, and which of them mean that tweets must go.

The forms are those of Twitter's "Compliance data objects" (the Compliance Firehose of API v1.1 and the compliance
streams of API v2), of "Streaming message types" of API v1.1, and of "Batch compliance" of API v2.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

__all__ = ["Deletion", "Meant", "Unknown", "as_id", "deletion"]

Meant = Literal["tweets", "users"]
"""What ids are of where a list does not say."""

_OF_TWEETS: Final = frozenset({"delete", "drop"})
_OF_USERS: Final = frozenset({"user_delete", "user_protect", "user_suspend"})
_WITHHELD: Final = {"status_withheld": "tweets", "withheld": "tweets", "user_withheld": "users"}
_EVERYWHERE: Final = frozenset({"XX", "XY"})
"""Withheld in all countries, and withheld upon a complaint about copyright; other codes are of countries."""
_NOTHING_GOES: Final = frozenset(
    {
        *("undrop", "user_undelete", "user_unprotect", "user_unsuspend"),
        *("tweet_edit", "scrub_geo", "user_profile_modification"),  # places and profiles are in no table
        *("limit", "warning", "disconnect", "control", "event", "friends", "friends_str", "user_update", "for_user"),
    }
)
_NO_TWEET_GOES: Final = frozenset({"scrub_geo"})
"""Reasons of batch compliance for which a place must go and no tweet."""


_EVENT: Final = re.compile(r"[a-z_]{1,40}(?: \([a-z_]{1,40}\))?")


class Deletion(NamedTuple):
    """What a message asks for: one of a tweet's id and an author, or neither, where nothing has to go."""

    event: str
    """In Twitter's word."""
    tweet_id: int | None = None
    author: str | None = None
    """The name or the number."""

    @property
    def is_one(self) -> bool:
        """Whether something has to go."""
        return self.tweet_id is not None or self.author is not None


class Unknown(Exception):
    """A line that is no message that we know."""


def deletion(message: Mapping[str, Any], meant: Meant) -> Deletion:
    """What a message asks for. Raises Unknown where it is none of these."""
    if isinstance(inner := message.get("data"), dict):
        return deletion(inner, meant)
    if "action" in message:
        return _of_batch(message, meant)
    for event, details in message.items():
        if event in _NOTHING_GOES:
            return Deletion(event)
        if event in _OF_TWEETS:
            return Deletion(event, tweet_id=_tweet(details))
        if event in _OF_USERS:
            return Deletion(event, author=_user(details))
        if event in _WITHHELD:
            return _withheld(event, details)
    raise Unknown


def as_id(value: object) -> int:
    """A number of Twitter's, a number or its digits. Raises Unknown where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not 0 < value < 2**63:
        raise Unknown
    return value


def _of_batch(message: Mapping[str, Any], meant: Meant) -> Deletion:
    """A result of a batch compliance job, which does not say whether it was one of tweets or of users."""
    action, reason = str(message["action"]), str(message.get("reason") or "")
    event = f"{action} ({reason})" if reason else action
    if not _EVENT.fullmatch(event):  # which is counted and shown
        raise Unknown
    if action != "delete" or reason in _NO_TWEET_GOES:
        return Deletion(event)
    number = as_id(message.get("id"))
    return Deletion(event, tweet_id=number) if meant == "tweets" else Deletion(event, author=str(number))


def _withheld(event: str, details: object) -> Deletion:
    countries = details.get("withheld_in_countries") if isinstance(details, dict) else None
    if not isinstance(countries, list) or _EVERYWHERE.isdisjoint(map(str, countries)):
        return Deletion(f"{event} in some countries")
    if _WITHHELD[event] == "users":
        return Deletion(event, author=_user(details))
    return Deletion(event, tweet_id=_tweet(details))


def _tweet(details: object) -> int:
    return _number(details, "status", "tweet")


def _user(details: object) -> str:
    return str(_number(details, "user"))


def _number(details: object, *objects: str) -> int:
    """The id of an object, or of the one within it. The string of it has all digits, which a number may have lost."""
    if not isinstance(details, dict):
        raise Unknown
    found = next((details[name] for name in objects if isinstance(details.get(name), dict)), details)
    return as_id(found.get("id_str") or found.get("id"))
