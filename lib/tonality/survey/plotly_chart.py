"""The interactive chart as Plotly's own terms: plain values that become JSON in the page."""

from typing import Any, Final

import numpy as np
import pandas as pd

from tonality.model.evaluation.plot_style import INK, PAPER, RULE, SOFT_INK, VOLUME
from tonality.runtime.storage.schema import DAY
from tonality.survey.chart_style import BAND, FEW_DAYS, LOOKS, day_limits, lone_days, runs, share_limits
from tonality.survey.daily_shares import TONED

__all__ = ["figure", "interval", "percent"]

_DAY_MS: Final = 86_400_000
_WEEK: Final = 7


def figure(dynamics: pd.DataFrame, voters: str = "tweets") -> dict[str, Any]:
    """What Plotly.newPlot takes, as `data`, `layout` and `config`; dynamics of `with_shares` with at least one day.

    `voters` says whose shares they are: tweets or authors.

    Every text in it is made of numbers and our own words, since Plotly reads some HTML in its texts.
    """
    bands = [_band(dynamics, tone) for tone in TONED]
    lines = [_line(dynamics, tone, voters) for tone in TONED]
    return {"data": [*bands, *lines, _volume(dynamics, voters)], "layout": _layout(dynamics), "config": _CONFIG}


def percent(share: float) -> str:
    """A share from 0 to 1 as a person reads it, to a tenth of a per cent; a dash for NaN."""
    return "–" if np.isnan(share) else f"{share:.1%}"


def interval(low: float, high: float) -> str:
    """An interval of shares as `40.1–42.3%`; empty for NaN."""
    return "" if np.isnan(low) else f"{100 * low:.1f}–{high:.1%}"


def _line(dynamics: pd.DataFrame, tone: str, voters: str) -> dict[str, Any]:
    look = LOOKS[tone]
    alone = dynamics.index.isin(lone_days(dynamics))
    share, low, high = (dynamics[f"{tone}_{part}"] for part in ("share", "low", "high"))
    marked = alone | (len(dynamics) <= FEW_DAYS)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": look.label,
        "legendgroup": tone,
        "x": _iso(dynamics[DAY]),
        "y": _or_none(share),
        "text": _hover_texts(dynamics, tone, voters),
        "hovertemplate": "%{text}",
        "line": {"color": look.colour, "dash": look.dash, "width": look.width},
        "marker": {
            "symbol": look.marker,
            "size": np.where(marked, 4 * look.width, 0).tolist(),
            "opacity": 1,
            "line": {"width": 0},
        },
        "error_y": {
            "type": "data",
            "array": _or_none((high - share).where(alone)),
            "arrayminus": _or_none((share - low).where(alone)),
            "thickness": 1.5,
            "width": 0,
        },
    }


def _or_none(values: pd.Series) -> list[float | None]:
    return [None if np.isnan(value) else round(value, 6) for value in values]


def _hover_texts(dynamics: pd.DataFrame, tone: str, voters: str) -> list[str]:
    columns = (dynamics[f"{tone}_{part}"] for part in ("share", "low", "high"))
    return [
        f"{percent(share)} ({interval(low, high)}), {count:,} {voters}"
        for share, low, high, count in zip(*columns, dynamics[tone], strict=True)
    ]


def _band(dynamics: pd.DataFrame, tone: str) -> dict[str, Any]:
    """A tone's intervals as one closed outline for each run of days: Plotly fills broken lines across their gaps."""
    x: list[str | None] = []
    y: list[float | None] = []
    days = _iso(dynamics[DAY])
    low, high = (dynamics[f"{tone}_{end}"].round(6).tolist() for end in ("low", "high"))
    for run in runs(dynamics):
        x += [*days[run], *days[run][::-1], None]
        y += [*low[run], *high[run][::-1], None]
    red, green, blue = bytes.fromhex(LOOKS[tone].colour.removeprefix("#"))
    return {
        "type": "scatter",
        "mode": "lines",
        "legendgroup": tone,
        "showlegend": False,
        "hoverinfo": "skip",
        "x": x,
        "y": y,
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},{BAND})",
        "line": {"width": 0},
    }


def _volume(dynamics: pd.DataFrame, voters: str) -> dict[str, Any]:
    counts = list(dynamics[["tweets", "voters", "none"]].itertuples(index=False, name=None))
    if voters == "tweets":
        texts = [f"{tweets:,}, of which {none:,} without a tone" for tweets, _, none in counts]
    else:
        texts = [f"{tweets:,}, from {known:,} known {voters}" for tweets, known, _ in counts]
    return {
        "type": "bar",
        "name": "Tweets",
        "showlegend": False,
        "x": _iso(dynamics[DAY]),
        "y": dynamics["tweets"].tolist(),
        "yaxis": "y2",
        "width": _DAY_MS,
        "text": texts,
        "textposition": "none",
        "hovertemplate": "%{text}",
        "marker": {"color": VOLUME, "line": {"width": 0}},
    }


def _layout(dynamics: pd.DataFrame) -> dict[str, Any]:
    y_axis = {"gridcolor": RULE, "zeroline": False, "fixedrange": True}
    return {
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": SOFT_INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        # Above: Plotly's buttons, and below them the legend, small enough for one line on a phone.
        "margin": {"l": 40, "r": 8, "t": 64, "b": 40},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": RULE, "font": {"color": INK}},
        "dragmode": "zoom",
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "font": {"size": 12}},
        "xaxis": _day_axis(dynamics[DAY], [f"{end:%Y-%m-%d %H:%M}" for end in day_limits(dynamics)]),
        "yaxis": {**y_axis, "domain": [0.28, 1], "range": list(share_limits(dynamics)), "tickformat": ".0%"},
        "yaxis2": {**y_axis, "domain": [0, 0.2], "rangemode": "tozero", "tickformat": "~s", "nticks": 3},
    }


def _day_axis(days: pd.Series, ends: list[str]) -> dict[str, Any]:
    every_day = {"tick0": _iso(days)[0], "dtick": _DAY_MS} if len(days) <= _WEEK else {}
    return {
        "type": "date",
        "anchor": "y2",
        "range": ends,
        "minallowed": ends[0],
        "maxallowed": ends[1],
        "showgrid": False,
        "linecolor": RULE,
        "hoverformat": "%A %-d %B %Y",
        # Zoomed in below a day there is nothing to tell: those ticks get no label.
        "tickformatstops": [
            {"dtickrange": [None, _DAY_MS - 1], "value": " "},
            {"dtickrange": [_DAY_MS, "M1"], "value": "%-d %b\n%Y"},
            {"dtickrange": ["M1", "M12"], "value": "%b\n%Y"},
            {"dtickrange": ["M12", None], "value": "%Y"},
        ],
        **every_day,
    }


def _iso(days: pd.Series) -> list[str]:
    return list(days.dt.strftime("%Y-%m-%d"))


_CONFIG: Final = {
    "responsive": True,
    "displaylogo": False,
    # These alone: Plotly's default buttons include one that uploads the chart to its maker's site, and an image export
    # that the page's policy forbids.
    "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}
