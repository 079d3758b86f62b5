"""What a record of an archive turns out to be: a tweet, a notice, or a reject."""

from typing import NamedTuple

__all__ = ["Notice", "Rejected", "Tweet"]


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


class Notice(NamedTuple):
    """A record that belongs to a stream but is no tweet: a delete, a limit, a keep-alive."""

    kind: str


class Rejected(Exception):
    """A record that is neither tweet nor notice. The reason is a word that can be counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
