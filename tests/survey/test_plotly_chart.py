import json
from datetime import date, timedelta

import pandas as pd

from tonality.survey.daily_shares import with_shares
from tonality.survey.plotly_chart import figure, interval, percent

COUNTS = ["day", "tweets", "voters", "positive", "neutral", "negative", "none", "ties", "anonymous", "mean_probability"]


def shares_of(*offsets):
    """Days, as offsets from 10 December 2015, with 8000 tweets each, 1000 of them without a tone.

    The expected intervals are those of scipy.stats.binomtest(...).proportion_ci(method="wilson").
    """
    rows = [(date(2015, 12, 10) + timedelta(days=o), 8000, 8000, 4000, 1000, 2000, 1000, 0, 0, 0.6) for o in offsets]
    return with_shares(pd.DataFrame(rows, columns=COUNTS))


def trace(days, name):
    return next(trace for trace in figure(days)["data"] if trace.get("name") == name)


def band(days, tone):
    return next(t for t in figure(days)["data"] if t.get("fill") == "toself" and t["legendgroup"] == tone)


def test_a_gap_is_a_break_in_the_line():
    positive = trace(shares_of(0, 2), "Positive")
    assert positive["x"] == ["2015-12-10", "2015-12-11", "2015-12-12"]
    assert positive["y"] == [0.571429, None, 0.571429]


def test_a_gap_is_a_break_in_the_band():
    outline = band(shares_of(0, 1, 3, 4), "negative")
    tenth, eleventh, thirteenth, fourteenth = (f"2015-12-{day}" for day in (10, 11, 13, 14))
    first, second = [tenth, eleventh, eleventh, tenth, None], [thirteenth, fourteenth, fourteenth, thirteenth, None]
    assert outline["x"] == first + second
    assert outline["y"] == [0.275251, 0.275251, 0.296412, 0.296412, None] * 2


def test_a_day_alone_between_gaps_shows_its_interval_as_an_error_bar():
    bars = trace(shares_of(0, 1, 3), "Negative")["error_y"]
    assert bars["array"] == [None, None, None, 0.010698]
    assert bars["arrayminus"] == [None, None, None, 0.010463]


def test_hovering_shows_share_interval_and_count():
    assert trace(shares_of(0), "Positive")["text"] == ["57.1% (56.0–58.3%), 4,000 tweets"]
    assert trace(shares_of(0), "Tweets")["text"] == ["8,000, of which 1,000 without a tone"]


def test_no_button_sends_the_chart_anywhere():
    assert figure(shares_of(0))["config"]["modeBarButtons"] == [
        ["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]
    ]


def test_the_chart_is_plain_json_without_nan():
    assert json.dumps(figure(shares_of(0, 5)), allow_nan=False)


def test_every_day_has_a_marker_until_markers_would_hide_the_line():
    assert set(trace(shares_of(*range(35)), "Positive")["marker"]["size"]) == {8.0}
    assert set(trace(shares_of(*range(36)), "Positive")["marker"]["size"]) == {0.0}


def test_shares_and_intervals_read_like_print():
    assert (percent(0.4115), interval(0.4012, 0.4233)) == ("41.1%", "40.1–42.3%")
    assert (percent(float("nan")), interval(float("nan"), float("nan"))) == ("–", "")
