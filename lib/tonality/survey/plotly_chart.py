"""The interactive chart as a Plotly figure of plain values, which becomes JSON in the page."""

from typing import Any, Final

import numpy as np
import pandas as pd

from tonality.model.evaluation.plot_style import INK, PAPER, RULE, SOFT_INK, VOLUME
from tonality.runtime.storage.schema import DAY
from tonality.survey.chart_style import BAND, FEW_DAYS, TONE_STYLES, day_limits, isolated_days, runs, share_limits
from tonality.survey.daily_shares import TONED

__all__ = ["figure", "interval", "percent"]

_DAY_MS: Final = 86_400_000
_WEEK: Final = 7


def figure(daily_shares: pd.DataFrame, voters: str = "tweets") -> dict[str, Any]:
    """The arguments of Plotly.newPlot (`data`, `layout`, `config`) for daily shares of `with_shares`, at least one day.

    `voters` is "tweets" or "authors".

    Plotly interprets some HTML in texts, so every text here consists of numbers and fixed words only.
    """
    bands = [_band(daily_shares, tone) for tone in TONED]
    lines = [_line(daily_shares, tone, voters) for tone in TONED]
    return {"data": [*bands, *lines, _volume(daily_shares, voters)], "layout": _layout(daily_shares), "config": _CONFIG}


def percent(share: float) -> str:
    """A share from 0 to 1 as a percentage with one decimal; a dash for NaN."""
    return "–" if np.isnan(share) else f"{share:.1%}"


def interval(low: float, high: float) -> str:
    """An interval of shares, such as `40.1–42.3%`; empty for NaN."""
    return "" if np.isnan(low) else f"{100 * low:.1f}–{high:.1%}"


def _line(daily_shares: pd.DataFrame, tone: str, voters: str) -> dict[str, Any]:
    style = TONE_STYLES[tone]
    isolated = daily_shares.index.isin(isolated_days(daily_shares))
    share, low, high = (daily_shares[f"{tone}_{part}"] for part in ("share", "low", "high"))
    has_marker = isolated | (len(daily_shares) <= FEW_DAYS)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": style.label,
        "legendgroup": tone,
        "x": _iso(daily_shares[DAY]),
        "y": _or_none(share),
        "text": _hover_texts(daily_shares, tone, voters),
        "hovertemplate": "%{text}",
        "line": {"color": style.colour, "dash": style.dash, "width": style.width},
        "marker": {
            "symbol": style.marker,
            "size": np.where(has_marker, 4 * style.width, 0).tolist(),
            "opacity": 1,
            "line": {"width": 0},
        },
        "error_y": {
            "type": "data",
            "array": _or_none((high - share).where(isolated)),
            "arrayminus": _or_none((share - low).where(isolated)),
            "thickness": 1.5,
            "width": 0,
        },
    }


def _or_none(values: pd.Series) -> list[float | None]:
    return [None if np.isnan(value) else round(value, 6) for value in values]


def _hover_texts(daily_shares: pd.DataFrame, tone: str, voters: str) -> list[str]:
    columns = (daily_shares[f"{tone}_{part}"] for part in ("share", "low", "high"))
    return [
        f"{percent(share)} ({interval(low, high)}), {count:,} {voters}"
        for share, low, high, count in zip(*columns, daily_shares[tone], strict=True)
    ]


def _band(daily_shares: pd.DataFrame, tone: str) -> dict[str, Any]:
    """A tone's intervals as one closed outline per run of days, since Plotly's fill would span the gaps of a line."""
    x: list[str | None] = []
    y: list[float | None] = []
    days = _iso(daily_shares[DAY])
    low, high = (daily_shares[f"{tone}_{end}"].round(6).tolist() for end in ("low", "high"))
    for run in runs(daily_shares):
        x += [*days[run], *days[run][::-1], None]
        y += [*low[run], *high[run][::-1], None]
    red, green, blue = bytes.fromhex(TONE_STYLES[tone].colour.removeprefix("#"))
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


def _volume(daily_shares: pd.DataFrame, voters: str) -> dict[str, Any]:
    counts = list(daily_shares[["tweets", "voters", "none"]].itertuples(index=False, name=None))
    if voters == "tweets":
        texts = [f"{tweets:,}, of which {none:,} without a tone" for tweets, _, none in counts]
    else:
        texts = [f"{tweets:,}, from {known:,} known {voters}" for tweets, known, _ in counts]
    return {
        "type": "bar",
        "name": "Tweets",
        "showlegend": False,
        "x": _iso(daily_shares[DAY]),
        "y": daily_shares["tweets"].tolist(),
        "yaxis": "y2",
        "width": _DAY_MS,
        "text": texts,
        "textposition": "none",
        "hovertemplate": "%{text}",
        "marker": {"color": VOLUME, "line": {"width": 0}},
    }


def _layout(daily_shares: pd.DataFrame) -> dict[str, Any]:
    y_axis = {"gridcolor": RULE, "zeroline": False, "fixedrange": True}
    return {
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": SOFT_INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        # The top margin holds Plotly's buttons and, below them, the legend, which fits on one line on a phone.
        "margin": {"l": 40, "r": 8, "t": 64, "b": 40},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": RULE, "font": {"color": INK}},
        "dragmode": "zoom",
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "font": {"size": 12}},
        "xaxis": _day_axis(daily_shares[DAY], [f"{end:%Y-%m-%d %H:%M}" for end in day_limits(daily_shares)]),
        "yaxis": {**y_axis, "domain": [0.28, 1], "range": list(share_limits(daily_shares)), "tickformat": ".0%"},
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
        # Ticks within a day, visible when zoomed in, get no label.
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
    # Plotly's default buttons also include an upload to its maker's site, and an image export that the page's policy
    # blocks.
    "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}
