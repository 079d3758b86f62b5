"""Records of an archive, each a tweet, a control message or a rejected record."""

from collections.abc import Iterator
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

__all__ = [
    "CONTROL_MESSAGES",
    "STREAM_STATUS",
    "USER_REMOVED",
    "USER_RESTORED",
    "ControlMessage",
    "Record",
    "Records",
    "RejectedRecord",
    "Tweet",
    "parse_id",
]

T = TypeVar("T")

# Keys of control messages: "Streaming message types" and "Compliance data objects" of API v1.1.
USER_REMOVED: Final = frozenset({"user_delete", "user_protect", "user_suspend"})
USER_RESTORED: Final = frozenset({"user_undelete", "user_unprotect", "user_unsuspend"})
STREAM_STATUS: Final = frozenset(
    ["control", "disconnect", "event", "for_user", "friends", "friends_str", "limit", "user_update", "warning"]
)
"""Messages about the stream and its account, which concern no tweet."""
CONTROL_MESSAGES: Final = frozenset(
    ["delete", "scrub_geo", "status_withheld", "user_withheld", *USER_REMOVED, *USER_RESTORED, *STREAM_STATUS]
)
"""All of them."""


class Tweet(NamedTuple):
    """A tweet as stored in the archive."""

    tweet_id: int
    created_at: int
    """Microseconds since 1970, UTC."""
    author: str | None
    lang: str | None
    text: str
    hashtags: list[str]
    is_retweet: bool


class ControlMessage(NamedTuple):
    """A valid record of a stream other than a tweet: a delete, a limit, a keep-alive."""

    kind: str
    deleted: int | None = None
    """The id of the tweet that a delete message removes."""


class RejectedRecord(Exception):
    """A record that is neither a tweet nor a control message. Rejected records are counted by their reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Record(NamedTuple, Generic[T]):
    """A record as read, and its outcome."""

    offset: int
    """Position in the uncompressed stream, in bytes; for Parquet, in rows of the file."""
    number: int
    """Line number, from 1."""
    raw: bytes
    outcome: T | ControlMessage | RejectedRecord


class Records(Protocol[T]):
    """The records of a stream, in order."""

    @property
    def damage(self) -> str:
        """Damage of the stream, known after the iteration; empty if there is none."""
        ...

    def __iter__(self) -> Iterator[Record[T]]: ...


def parse_id(value: object, id_str: object = None) -> int:
    """Return the id of a tweet or a user, a positive number below 2**63, from a number or its digits.

    Unless the value is an integer, Twitter's `id_str` takes precedence: JavaScript rounds ids to floating point. Raises
    RejectedRecord if the id is missing (no-id) or invalid (wrong-type).
    """
    if type(value) is not int:
        value = id_str or value
        if value is None:
            raise RejectedRecord("no-id")
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
    if type(value) is not int or not 0 < value < 2**63:
        raise RejectedRecord("wrong-type", f"id is {str(value)[:100]!r}, not a positive 64-bit number")
    return value
