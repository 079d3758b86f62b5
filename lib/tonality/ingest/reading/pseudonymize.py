"""What the rows of a pass show of their authors, and the digests that they carry: made as soon as a record is read."""

from tonality.ingest.formats.record import Tweet
from tonality.privacy.digests import SaltedDigests
from tonality.privacy.keys import Keys
from tonality.privacy.mentions import without_names
from tonality.privacy.policy import Policy
from tonality.privacy.pseudonyms import Pseudonyms

__all__ = ["Pseudonymizer"]


class Pseudonymizer:
    """A policy at work, and the digests of a salt where something was forgotten."""

    def __init__(self, policy: Policy, keys: Keys | None, salt: str) -> None:
        """The salt as hex digits; empty where nothing was forgotten. A policy that hides authors or ids needs keys."""
        assert keys or policy.model_copy(update={"mentions": "keep"}) == Policy(), "the reader of a pass has its keys"
        self._policy = policy
        self._authors = Pseudonyms(keys.authors) if keys and policy.authors == "hash" else None
        self._ids = Pseudonyms(keys.ids) if keys and policy.ids != "keep" else None
        self._digests = SaltedDigests(bytes.fromhex(salt)) if salt else None
        self.acts = policy.hides or bool(salt)
        """Whether it does anything at all."""

    def shown(self, tweet: Tweet) -> Tweet:
        """The tweet as it is stored. Ids that are to be dropped are taken away later, when copies have been found."""
        policy = self._policy
        author, text = tweet.author, tweet.text
        if policy.authors != "keep":
            author = self._authors.author(author) if self._authors and author else None
        if policy.mentions == "drop":
            text = without_names(text)
        return tweet._replace(tweet_id=self.tweet_id(tweet.tweet_id), author=author, text=text)

    def tweet_id(self, number: int) -> int:
        """The number by which a tweet is known while the pass is put in order."""
        return self._ids.tweet_id(number) if self._ids else number

    def digests(self, tweet: Tweet) -> list[bytes] | None:
        """By which it would be known if it was forgotten; None where nothing was."""
        digests = self._digests
        if digests is None:
            return None
        of_author = [digests.author(tweet.author)] if tweet.author else []
        of_text = [digests.text(tweet.text)] if tweet.is_retweet else []
        return [digests.tweet(tweet.tweet_id), *of_author, *of_text]
