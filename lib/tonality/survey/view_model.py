"""What a survey tells, as plain values: the stage gathers them, the page and the tables show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

__all__ = ["Comparison", "Coverage", "Question", "Survey"]


@dataclass(frozen=True)
class Question:
    """What was asked, and how votes were counted."""

    positive: float
    """Positive from this probability on."""
    negative: float
    """Negative up to this probability; neutral between."""
    hashtags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    """The topic, as the user wrote it; neither: all tweets."""
    retweets: Literal["keep", "drop"] = "keep"
    voting: Literal["tweet", "author"] = "tweet"


@dataclass(frozen=True)
class Coverage:
    """Where the archive's records went: records = tweets + notices + filtered + duplicates + rejects."""

    files: int
    records: int
    tweets: int
    notices: int
    filtered: int
    duplicates: int
    rejects: int
    reasons: Mapping[str, int]
    """Of the rejects."""
    damaged: int
    """Files that broke off or were damaged."""
    damage: Mapping[str, str]
    """What broke, of at most twenty of them, by file."""


@dataclass(frozen=True)
class Comparison:
    """The network beside the linear models, on held-out labelled tweets."""

    rows: int
    models: Mapping[str, Mapping[str, Any]]
    """Measures by model, the network first: accuracy, accuracy_low, accuracy_high, macro_f1, auc, log_loss."""
    picture: bytes
    """PNG: ROC curves, confusion, reliability."""


@dataclass(frozen=True)
class Survey:
    """Everything on the page."""

    title: str
    question: Question
    dynamics: pd.DataFrame
    """Of `dynamics.with_shares`."""
    examples: pd.DataFrame
    """Of `examples.choose`."""
    coverage: Coverage | None
    comparison: Comparison | None
    """Of the model that scored; none where it was not evaluated."""
    facts: Mapping[str, str]
    """Labels and values, in their order."""
    picture: bytes
    """The chart of `chart.draw_png`."""
