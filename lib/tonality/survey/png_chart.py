"""The static chart: shares by day with their intervals, above the number of tweets."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

from tonality.model.evaluation.plot_style import SOFT_INK, VOLUME, new_figure, strip_frame, to_png
from tonality.runtime.storage.schema import DAY
from tonality.survey.chart_style import BAND, FEW_DAYS, TONE_STYLES, day_limits, isolated_days, share_limits
from tonality.survey.daily_shares import TONED

__all__ = ["draw_png"]

_DASHES: Final = {"solid": "-", "dot": ":", "dash": "--"}
_MARKERS: Final = {"circle": "o", "diamond": "D", "square": "s"}
_TICKED_DAYS: Final = 16
"""Up to this many days ticks are days; longer periods have ticks at weeks, months or years."""


def draw_png(
    daily_shares: pd.DataFrame, title: str, voters: str = "tweets", width: int = 1600, height: int = 900
) -> bytes:
    """Plot the daily shares (of `with_shares`) as a PNG of width × height pixels; voters are "tweets" or "authors".

    Days without shares are gaps. Without any days the chart contains only a message.
    """
    figure = new_figure(title, width, height)
    if daily_shares.empty:
        figure.text(0.5, 0.5, "No scored tweets in this period", ha="center", color=SOFT_INK, fontsize=13)
    else:
        share_axes, volume_axes = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        _draw_shares(share_axes, daily_shares, voters)
        _draw_volume(volume_axes, daily_shares)
        _set_day_ticks(volume_axes, daily_shares[DAY])
    return to_png(figure)


def _draw_shares(axes: Axes, daily_shares: pd.DataFrame, voters: str) -> None:
    for tone in TONED:
        _draw_tone(axes, daily_shares, tone)
    axes.set_xlim(*map(date2num, day_limits(daily_shares)))
    axes.set_ylim(*share_limits(daily_shares))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel(f"Share of {voters} with a tone", color=SOFT_INK)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, borderaxespad=0.3, handlelength=3.5)
    strip_frame(axes)


def _draw_tone(axes: Axes, daily_shares: pd.DataFrame, tone: str) -> None:
    style = TONE_STYLES[tone]
    days = daily_shares[DAY].to_numpy()
    share, low, high = (daily_shares[f"{tone}_{part}"].to_numpy() for part in ("share", "low", "high"))
    isolated = isolated_days(daily_shares)
    axes.fill_between(days, low, high, color=style.colour, alpha=BAND, linewidth=0)
    axes.vlines(days[isolated], low[isolated], high[isolated], color=style.colour, alpha=0.6, linewidth=1.5)
    axes.plot(
        days,
        share,
        label=style.label,
        color=style.colour,
        linestyle=_DASHES[style.dash],
        linewidth=style.width if len(days) <= FEW_DAYS else 0.6 * style.width,
        marker=_MARKERS[style.marker],
        markersize=2.5 * style.width,
        markevery=None if len(days) <= FEW_DAYS else isolated,
    )


def _draw_volume(axes: Axes, daily_shares: pd.DataFrame) -> None:
    days = daily_shares[DAY].to_numpy()
    noon = np.timedelta64(12, "h")
    # One outline instead of a bar per day: hundreds of thin bars blur into stripes.
    axes.stairs(daily_shares["tweets"].to_numpy(), np.append(days - noon, days[-1] + noon), fill=True, color=VOLUME)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel("Tweets", color=SOFT_INK)
    strip_frame(axes)


def _set_day_ticks(axes: Axes, days: pd.Series) -> None:
    if len(days) <= _TICKED_DAYS:
        ticked = days.iloc[:: 1 if len(days) <= _TICKED_DAYS // 2 else 2]
        axes.set_xticks(ticked.to_numpy(), [f"{day.day} {day:%b}" for day in ticked])
        axes.set_xlabel(" – ".join(str(year) for year in days.dt.year.unique()), color=SOFT_INK)
    else:
        locator = AutoDateLocator(minticks=4, maxticks=13)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
