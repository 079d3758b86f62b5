"""What a table may show of who wrote a tweet, as one value that travels to the workers and into the table's notes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Policy"]


class Policy(BaseModel):
    """What becomes of authors, of ids and of the names in texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authors: Literal["keep", "drop", "hash"] = "keep"
    ids: Literal["keep", "drop", "hash"] = "keep"
    mentions: Literal["keep", "drop"] = "keep"

    @property
    def needs_key(self) -> bool:
        """Whether something becomes a pseudonym."""
        return "hash" in (self.authors, self.ids)

    @property
    def hides(self) -> bool:
        """Whether anything is hidden: then no raw record may be kept either, which would show it."""
        return self != Policy()
