"""The chart as a picture: shares by day with their intervals, above the number of tweets."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from tonality.model.evaluation.plot_style import SOFT_INK, VOLUME, blank, png, strip
from tonality.runtime.storage.schema import DAY
from tonality.survey.chart_style import BAND, FEW_DAYS, LOOKS, day_limits, lone_days, share_limits
from tonality.survey.daily_shares import TONED

__all__ = ["draw_png"]

_DASHES: Final = {"solid": "-", "dot": ":", "dash": "--"}
_MARKERS: Final = {"circle": "o", "diamond": "D", "square": "s"}
_TICKED_DAYS: Final = 16
"""Up to so many days the ticks are days; a longer period is ticked by weeks, months or years."""


def draw_png(dynamics: pd.DataFrame, title: str, voters: str = "tweets", width: int = 1600, height: int = 900) -> bytes:
    """The dynamics (of `with_shares`) as a PNG of width × height pixels; `voters` says whose shares they are.

    Days without toned tweets are gaps. No days give a picture that says so.
    """
    figure = blank(title, width, height)
    if dynamics.empty:
        figure.text(0.5, 0.5, "No scored tweets in this period", ha="center", color=SOFT_INK, fontsize=13)
    else:
        shares, volume = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        _draw_shares(shares, dynamics, voters)
        _draw_volume(volume, dynamics)
        _tick_days(volume, dynamics[DAY])
    return png(figure)


def _draw_shares(axes: Axes, dynamics: pd.DataFrame, voters: str) -> None:
    for tone in TONED:
        _draw_tone(axes, dynamics, tone)
    axes.set_xlim(*map(date2num, day_limits(dynamics)))
    axes.set_ylim(*share_limits(dynamics))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel(f"Share of {voters} with a tone", color=SOFT_INK)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.3, handlelength=3.5)
    strip(axes)


def _draw_tone(axes: Axes, dynamics: pd.DataFrame, tone: str) -> None:
    look = LOOKS[tone]
    days = dynamics[DAY].to_numpy()
    share, low, high = (dynamics[f"{tone}_{part}"].to_numpy() for part in ("share", "low", "high"))
    alone = lone_days(dynamics)
    axes.fill_between(days, low, high, color=look.colour, alpha=BAND, linewidth=0)
    axes.vlines(days[alone], low[alone], high[alone], color=look.colour, alpha=0.6, linewidth=1.5)
    axes.plot(
        days,
        share,
        label=look.label,
        color=look.colour,
        linestyle=_DASHES[look.dash],
        linewidth=look.width if len(days) <= FEW_DAYS else 0.6 * look.width,
        marker=_MARKERS[look.marker],
        markersize=2.5 * look.width,
        markevery=None if len(days) <= FEW_DAYS else alone,
    )


def _draw_volume(axes: Axes, dynamics: pd.DataFrame) -> None:
    days = dynamics[DAY].to_numpy()
    noon = np.timedelta64(12, "h")
    # One outline instead of a bar each: hundreds of thin bars blur into stripes.
    axes.stairs(dynamics["tweets"].to_numpy(), np.append(days - noon, days[-1] + noon), fill=True, color=VOLUME)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel("Tweets", color=SOFT_INK)
    strip(axes)


def _tick_days(axes: Axes, days: pd.Series) -> None:
    if len(days) <= _TICKED_DAYS:
        ticked = days.iloc[:: 1 if len(days) <= _TICKED_DAYS // 2 else 2]
        axes.set_xticks(ticked.to_numpy(), [f"{day.day} {day:%b}" for day in ticked])
        axes.set_xlabel(" – ".join(str(year) for year in days.dt.year.unique()), color=SOFT_INK)
    else:
        locator = AutoDateLocator(minticks=4, maxticks=13)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
