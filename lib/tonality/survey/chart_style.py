"""Common to the PNG and the interactive chart: the style of each tone, the gaps, the limits of the axes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from tonality.runtime.storage.schema import DAY, NEGATIVE, NEUTRAL, POSITIVE

__all__ = [
    "BAND",
    "FEW_DAYS",
    "TONE_STYLES",
    "ToneStyle",
    "day_limits",
    "isolated_days",
    "runs",
    "share_limits",
]


@dataclass(frozen=True)
class ToneStyle:
    """Line style of a tone; dash and marker differ too, for colour-blind readers and monochrome printers."""

    label: str
    colour: str
    """As #rrggbb."""
    dash: str
    """Plotly's name of the dash pattern; Matplotlib's differ."""
    marker: str
    """Plotly's name of the marker."""
    width: float
    """Line width in points."""


TONE_STYLES: Final[Mapping[str, ToneStyle]] = {
    POSITIVE: ToneStyle("Positive", "#0072b2", "solid", "circle", 2.0),
    NEUTRAL: ToneStyle("Neutral", "#767676", "dot", "diamond", 1.2),
    NEGATIVE: ToneStyle("Negative", "#d55e00", "dash", "square", 2.0),
}
"""Blue and vermilion from the colour-blind-safe palette of M. Okabe and K. Ito (2008)."""

BAND: Final = 0.18
"""The opacity of an interval's band."""

FEW_DAYS: Final = 35
"""Up to this many days every day has a marker; more would hide the line."""


def runs(daily_shares: pd.DataFrame) -> list[slice]:
    """Runs of consecutive days with shares, as slices of the rows."""
    defined = daily_shares["positive_share"].notna().to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], defined, [False]]))).tolist()
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def isolated_days(daily_shares: pd.DataFrame) -> list[int]:
    """Rows of days between two gaps: they have neither line nor band and need a marker."""
    return [run.start for run in runs(daily_shares) if run.stop - run.start == 1]


def day_limits(daily_shares: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The limits of the day axis, with a margin."""
    margin = pd.Timedelta(days=1.5 if len(daily_shares) < 3 else 0.7)
    return daily_shares[DAY].min() - margin, daily_shares[DAY].max() + margin


def share_limits(daily_shares: pd.DataFrame) -> tuple[float, float]:
    """The limits of the share axis: from 0 to the highest interval bound, with a margin for markers at both ends.

    The upper limit is 1 if no day has shares.
    """
    highest = float(daily_shares[[f"{tone}_high" for tone in TONE_STYLES]].max().max())
    top = 1.0 if np.isnan(highest) else highest
    return -0.03 * top, 1.03 * top
