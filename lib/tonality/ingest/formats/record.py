"""What a record of an archive turns out to be: a tweet, a notice, or a reject."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

__all__ = ["ControlMessage", "Record", "Records", "RejectedRecord", "Tweet"]


class Tweet(NamedTuple):
    """A tweet as the archive has it."""

    tweet_id: int
    created_at: int
    """Microseconds since 1970, UTC."""
    author: str | None
    lang: str | None
    text: str
    hashtags: list[str]
    is_retweet: bool


class ControlMessage(NamedTuple):
    """A record that belongs to a stream but is no tweet: a delete, a limit, a keep-alive."""

    kind: str
    deleted: int | None = None
    """The id of the tweet that a delete withdraws."""


class RejectedRecord(Exception):
    """A record that is neither tweet nor notice. The reason is a word that can be counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Record(NamedTuple):
    """One record and what became of it."""

    offset: int
    """Bytes of the uncompressed stream before it; rows of the file, where it is Parquet."""
    number: int
    """Its line, from 1."""
    raw: bytes
    outcome: Tweet | ControlMessage | RejectedRecord


class Records(Protocol):
    """The records of a stream, in their order."""

    @property
    def damage(self) -> str:
        """After the iteration, what broke the stream; empty where nothing did."""
        ...

    def __iter__(self) -> Iterator[Record]: ...
