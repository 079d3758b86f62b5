"""What to read and what to keep, as one value that travels from the driver to the workers as JSON."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tonality.privacy.policy import Policy
from tonality.text.rules import Rules

__all__ = ["ColumnNames", "ReadOptions"]


class ColumnNames(BaseModel):
    """Which column of a table holds what; empty where it has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = ""
    created_at: str
    author: str = ""
    text: str
    lang: str = ""
    retweet: str = ""

    def named(self) -> dict[str, str]:
        """The columns that the table has, by what they hold."""
        return {role: name for role, name in self.model_dump().items() if name}


class ReadOptions(BaseModel):
    """One pass over an archive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    paths: tuple[str, ...]
    """Files, folders or globs, as fsspec names them, in which something must be found."""
    besides: tuple[str, ...] = ()
    """Others, in which nothing need be found."""
    rules: Rules
    """The text rules that stems are cut by."""
    format: Literal["auto", "table", "rutweetcorp", "sentiment140", "twarc-csv"] = "auto"
    delimiter: str = ","
    columns: ColumnNames | None = None
    """For format = "table" alone."""
    languages: tuple[str, ...] = ()
    """Values of `lang` that are kept; none: all."""
    since: date | None = None
    until: date | None = None
    """First and last day that are kept, UTC."""
    retweets: Literal["keep", "drop"] = "keep"
    hashtags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    """Tweets with one of these are kept; neither: all."""
    honour_deletes: bool = False
    """Whether to say which tweets the archive's delete notices withdraw."""
    max_record: int = 1_048_576
    """Bytes of the largest record; a longer one is rejected."""
    max_expansion: int = 250
    """How many times its size a compressed stream may expand."""
    task_bytes: int = 33_554_432
    """Bytes that a task reads at most: larger files are cut where their form allows it, smaller ones packed."""
    privacy: Policy = Policy()
    """What the rows may show."""
    key: str = ""
    """Where the key of pseudonyms lies, which the reader of the pass reads on the driver."""
    erasure_salt: str = ""
    """The salt of the marks of what was forgotten, in hex; empty where nothing was."""
    cores: int = 1
    """How many tasks are read at once: a small archive is cut so that each has some."""
