"""What the picture and the interactive chart draw alike: how a tone looks, where gaps are, how far the axes reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from tonality.runtime.storage.schema import DAY, NEGATIVE, NEUTRAL, POSITIVE

__all__ = [
    "BAND",
    "FEW_DAYS",
    "LOOKS",
    "Look",
    "day_limits",
    "lone_days",
    "runs",
    "share_limits",
]


@dataclass(frozen=True)
class Look:
    """A tone's line: told apart by dash and marker too, for eyes and printers that see no colour."""

    label: str
    colour: str
    """As #rrggbb."""
    dash: str
    """As Plotly names it; Matplotlib knows the same by other names."""
    marker: str
    """As Plotly names it."""
    width: float
    """Line width in points."""


LOOKS: Final[Mapping[str, Look]] = {
    POSITIVE: Look("Positive", "#0072b2", "solid", "circle", 2.0),
    NEUTRAL: Look("Neutral", "#767676", "dot", "diamond", 1.2),
    NEGATIVE: Look("Negative", "#d55e00", "dash", "square", 2.0),
}
"""Blue and vermillion of the palette that M. Okabe and K. Ito proposed for all kinds of colour vision (2008)."""

BAND: Final = 0.18
"""The opacity of an interval's band."""

FEW_DAYS: Final = 35
"""Up to so many days every day has a marker; more of them would hide the line."""


def runs(dynamics: pd.DataFrame) -> list[slice]:
    """The unbroken stretches of days that have shares, as slices of the rows."""
    shared = dynamics["positive_share"].notna().to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shared, [False]]))).tolist()
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def lone_days(dynamics: pd.DataFrame) -> list[int]:
    """The rows of days that stand alone between gaps: they have neither line nor area, and want a mark of their own."""
    return [run.start for run in runs(dynamics) if run.stop - run.start == 1]


def day_limits(dynamics: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The ends of the day axis, with some air."""
    air = pd.Timedelta(days=1.5 if len(dynamics) < 3 else 0.7)
    return dynamics[DAY].min() - air, dynamics[DAY].max() + air


def share_limits(dynamics: pd.DataFrame) -> tuple[float, float]:
    """The ends of the share axis, from 0 to just above the highest interval, with air for the markers of both ends.

    Where no day has shares it ends at 1.
    """
    highest = float(dynamics[[f"{tone}_high" for tone in LOOKS]].max().max())
    top = 1.0 if np.isnan(highest) else highest
    return -0.03 * top, 1.03 * top
