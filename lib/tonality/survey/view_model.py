"""The content of a survey's page as plain values: collected by the stage, rendered by the templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

__all__ = ["Comparison", "Coverage", "Question", "Survey"]


@dataclass(frozen=True)
class Question:
    """The question of a survey, and how votes are counted."""

    positive: float
    """Probabilities at or above it are positive."""
    negative: float
    """Probabilities at or below it are negative; those between are neutral."""
    hashtags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    """The topic as the user wrote it; all tweets if both are empty."""
    retweets: Literal["keep", "drop"] = "keep"
    voting: Literal["tweet", "author"] = "tweet"


@dataclass(frozen=True)
class Coverage:
    """Outcomes of the archive's records: records = tweets + notices + filtered + duplicates + rejects."""

    files: int
    records: int
    tweets: int
    notices: int
    filtered: int
    duplicates: int
    rejects: int
    reasons: Mapping[str, int]
    """Number of rejects by reason."""
    damaged: int
    """Number of truncated or damaged files."""
    damage: Mapping[str, str]
    """Descriptions of the damage by file, for at most twenty files."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of the network with the linear models on held-out labelled tweets."""

    rows: int
    models: Mapping[str, Mapping[str, Any]]
    """Metrics by model, the network first: accuracy, accuracy_low, accuracy_high, macro_f1, auc, log_loss."""
    plot: bytes
    """PNG: ROC curves, reliability, confusion matrices."""


@dataclass(frozen=True)
class Survey:
    """Everything on the page."""

    title: str
    question: Question
    daily_shares: pd.DataFrame
    """The result of `daily_shares.with_shares`."""
    examples: pd.DataFrame
    """The result of `examples.choose`."""
    coverage: Coverage | None
    comparison: Comparison | None
    """Evaluation of the model that scored the tweets; None if it was not evaluated."""
    facts: Mapping[str, str]
    """Labels and values, in the order of display."""
    chart: bytes
    """The PNG of `png_chart.draw_png`."""
