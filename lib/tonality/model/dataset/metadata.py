"""Metadata of a dataset, `_dataset.json`: how it was made, for training and evaluation."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.json_files import first_error
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["METADATA_FILE", "DatasetMetadata", "SplitStats", "read_metadata"]

METADATA_FILE: Final = "_dataset.json"
"""The underscore hides the file from readers of the table."""
_FORMER_FILE: Final = "dataset.json"
"""Its name in earlier versions."""


class SplitStats(BaseModel):
    """Counts of one part of the split, as written."""

    model_config = ConfigDict(frozen=True)

    rows: int
    positive: int
    content: str = ""
    """A hash of the rows' stems and labels in any order; empty in metadata of earlier versions."""


class DatasetMetadata(BaseModel):
    """Settings and counts of a dataset: everything a model needs to encode other tweets the same way."""

    model_config = ConfigDict(frozen=True)

    vocabulary: str
    """The vocabulary's fingerprint."""
    stems: int
    """Stems in the vocabulary."""
    rows: dict[str, SplitStats]
    """Counts by part of the split."""
    dropped: dict[str, int]
    """Labelled rows in neither part, by reason."""
    max_length: int
    unknown: Literal["train", "drop"]
    seed: int
    valid_fraction: float
    labelled: bool | None = None
    """True if tweets labelled by `label` are among the rows; None in metadata of earlier versions."""
    rules_fingerprint: str
    rules: dict[str, Any]
    """The text rules."""

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Rows and positive rows of each part."""
        return {name: {"rows": part.rows, "positive": part.positive} for name, part in self.rows.items()}

    @property
    def split(self) -> dict[str, float]:
        """The settings of the split: datasets that agree in them hold out the same texts."""
        return {"seed": self.seed, "valid_fraction": self.valid_fraction}

    @property
    def encoding(self) -> tuple[str, str, int]:
        """Everything that determines a tweet's token ids, given its stems: vocabulary, unknown, max_length."""
        return self.vocabulary, self.unknown, self.max_length


def read_metadata(root: str) -> DatasetMetadata:
    """The metadata of the dataset under root, under its present or its former name.

    Raises InputError if there is none or it is broken.
    """
    for name in (METADATA_FILE, _FORMER_FILE):
        location = join(root, "dataset", name)
        system, path = filesystem(location)
        try:
            return DatasetMetadata.model_validate_json(system.cat_file(path))
        except FileNotFoundError:
            continue
        except ValidationError as error:
            raise InputError(f"{location} is broken ({first_error(error)}). Run `prepare` again.") from None
    raise InputError(f"no dataset: {join(root, 'dataset', METADATA_FILE)} is not there. Run `prepare` first.")
