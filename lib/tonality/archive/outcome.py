"""What a record of an archive turns out to be: a tweet, a notice, or a reject."""

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

__all__ = ["Notice", "Rejected", "Tweet"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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

    @property
    def day(self) -> date:
        """The day it belongs to, UTC."""
        return (_EPOCH + timedelta(microseconds=self.created_at)).date()


class Notice(NamedTuple):
    """A record that belongs to a stream but is no tweet: a delete, a limit, a keep-alive."""

    kind: str


class Rejected(Exception):
    """A record that is neither tweet nor notice. The reason is a word that can be counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
