"""The text rules as one value that travels: to the workers, into every tweet's row and into the model."""

import hashlib
import json
from typing import Final, Literal

import Stemmer
from pydantic import BaseModel, ConfigDict

from tonality.text.language import Language

__all__ = ["Rules"]

_ALGORITHM: Final = 1
"""Raised whenever cleaning.py gives other stems for the same rules."""


class Rules(BaseModel):
    """Everything that decides which stems a text has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The language as the settings name it, for people."""
    language: Language
    links: Literal["drop", "keep"]
    mentions: Literal["drop", "keep"]

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that differ where the rules, the algorithm or the stemmer's version do."""
        facts = {"algorithm": _ALGORITHM, "stemmer": Stemmer.version(), **self.model_dump(exclude={"name"})}
        canonical = json.dumps(facts, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]
