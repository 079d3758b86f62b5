"""The note beside a dataset, dataset.json: how it was made, for whoever learns from it or measures on it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.json_files import first_error
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["DatasetMetadata", "SplitStats", "read_metadata"]


class SplitStats(BaseModel):
    """The rows of one side of the split, as they were written."""

    model_config = ConfigDict(frozen=True)

    rows: int
    positive: int
    content: str = ""
    """A hash of the rows' stems and labels, in whatever order; empty where an earlier version wrote the note."""


class DatasetMetadata(BaseModel):
    """How the dataset was made: what a model must know to number other tweets the same way."""

    model_config = ConfigDict(frozen=True)

    vocabulary: str
    """The vocabulary's fingerprint."""
    stems: int
    """In the vocabulary."""
    rows: dict[str, SplitStats]
    """By side of the split."""
    dropped: dict[str, int]
    """Labelled rows that are on neither side, by reason."""
    max_length: int
    unknown: Literal["train", "drop"]
    seed: int
    valid_fraction: float
    labelled: bool | None = None
    """Whether tweets that `label` labelled are among the rows; None where an earlier version wrote the note."""
    rules_fingerprint: str
    rules: dict[str, Any]
    """The text rules."""

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Rows of each side, and how many of them are positive."""
        return {name: {"rows": side.rows, "positive": side.positive} for name, side in self.rows.items()}

    @property
    def split(self) -> dict[str, float]:
        """What decides on which side a text stands: the same for the same text in every dataset with the same."""
        return {"seed": self.seed, "valid_fraction": self.valid_fraction}

    @property
    def encoding(self) -> tuple[str, str, int]:
        """What decides a tweet's numbers, its stems given: vocabulary, unknown, max_length."""
        return self.vocabulary, self.unknown, self.max_length


def read_metadata(root: str) -> DatasetMetadata:
    """The note of the dataset under root. Raises InputError where there is none or it is not whole."""
    location = join(root, "dataset", "dataset.json")
    system, path = filesystem(location)
    try:
        return DatasetMetadata.model_validate_json(system.cat_file(path))
    except FileNotFoundError:
        raise InputError(f"no dataset: {location} is not there. Run `prepare` first.") from None
    except ValidationError as error:
        raise InputError(f"{location} is broken ({first_error(error)}). Run `prepare` again.") from None
