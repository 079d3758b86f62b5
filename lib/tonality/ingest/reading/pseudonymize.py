"""Pseudonymisation: applies the privacy policy to each tweet as soon as its record has been parsed."""

from tonality.ingest.formats.record import Tweet
from tonality.privacy.digests import SaltedDigests
from tonality.privacy.keys import Keys
from tonality.privacy.mentions import remove_usernames
from tonality.privacy.policy import Policy
from tonality.privacy.pseudonyms import Pseudonyms

__all__ = ["Pseudonymizer"]


class Pseudonymizer:
    """A policy with its keys, and the salt of erased tweets' digests."""

    def __init__(self, policy: Policy, keys: Keys | None, salt: str) -> None:
        """The salt is in hex, empty if nothing has been erased. A policy that hides authors or ids needs keys."""
        assert keys or policy.model_copy(update={"mentions": "keep"}) == Policy(), "hiding authors or ids needs keys"
        self._policy = policy
        self._authors = Pseudonyms(keys.authors) if keys and policy.authors == "hash" else None
        self._ids = Pseudonyms(keys.ids) if keys and policy.ids != "keep" else None
        self._digests = SaltedDigests(bytes.fromhex(salt)) if salt else None
        self.enabled = policy.hides or bool(salt)
        """False if tweets are stored as they are, without digests."""

    def pseudonymize(self, tweet: Tweet) -> Tweet:
        """The tweet as stored. Ids to be dropped are replaced here and removed later, after deduplication."""
        policy = self._policy
        author, text = tweet.author, tweet.text
        if policy.authors != "keep":
            author = self._authors.author(author) if self._authors and author else None
        if policy.mentions == "drop":
            text = remove_usernames(text)
        return tweet._replace(tweet_id=self.tweet_id(tweet.tweet_id), author=author, text=text)

    def tweet_id(self, number: int) -> int:
        """The id that identifies a tweet during the run."""
        return self._ids.tweet_id(number) if self._ids else number

    def digests(self, tweet: Tweet) -> list[bytes] | None:
        """The digests by which an erased tweet is recognised; None if nothing has been erased."""
        digests = self._digests
        if digests is None:
            return None
        of_author = [digests.author(tweet.author)] if tweet.author else []
        of_text = digests.texts(tweet.text) if tweet.is_retweet else []
        return [digests.tweet(tweet.tweet_id), *of_author, *of_text]
