"""The privacy policy: how tables show authors, ids and mentions."""

from tonality.runtime.settings.sections import PrivacyChoices

__all__ = ["Policy"]


class Policy(PrivacyChoices):
    """A policy, as sent to the workers and recorded beside the tables."""

    @property
    def needs_key(self) -> bool:
        """True if authors or ids become pseudonyms."""
        return "hash" in (self.authors, self.ids)

    @property
    def hides(self) -> bool:
        """True if anything is hidden; then no raw record may be kept, since it would reveal it."""
        return self != Policy()
