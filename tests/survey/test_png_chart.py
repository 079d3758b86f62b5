import io
import sys
import warnings
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from tonality.survey.chart_style import TONE_STYLES, isolated_days, runs, share_limits
from tonality.survey.daily_shares import with_shares
from tonality.survey.png_chart import draw_png

COUNTS = ["day", "tweets", "voters", "positive", "neutral", "negative", "none", "ties", "anonymous", "mean_probability"]


def shares_of(*offsets):
    """Days, as offsets from 10 December 2015, with 8 tweets each: 4 positive, 1 neutral, 2 negative, 1 without a tone."""
    rows = [(date(2015, 12, 10) + timedelta(days=offset), 8, 8, 4, 1, 2, 1, 0, 0, 0.6) for offset in offsets]
    return with_shares(pd.DataFrame(rows, columns=COUNTS))


def pixels(png):
    return imread(io.BytesIO(png))[:, :, :3]


def has_colour(image, colour):
    return bool((np.abs(image - to_rgb(colour)).max(axis=2) < 0.01).any())


@pytest.mark.parametrize("days", [1, 14, 366])
def test_a_chart_of_any_period_is_a_png_of_the_requested_size(days):
    png = draw_png(shares_of(*range(days)), "Tone")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert pixels(png).shape == (900, 1600, 3)


def test_the_size_is_the_callers_to_choose():
    assert pixels(draw_png(shares_of(0, 1), "Tone", width=800, height=600)).shape == (600, 800, 3)


@pytest.mark.parametrize("tone", TONE_STYLES)
def test_every_tone_is_drawn_in_its_colour(tone):
    assert has_colour(pixels(draw_png(shares_of(0, 1, 2), "Tone")), TONE_STYLES[tone].colour)


def test_nothing_is_drawn_across_a_gap():
    two_gaps = pixels(draw_png(shares_of(0, 1, 9, 10), "Tone"))
    middle = two_gaps[200:700, 700:900]
    assert not any(has_colour(middle, style.colour) for style in TONE_STYLES.values())


def test_a_cyrillic_title_finds_its_letters_and_a_dollar_is_no_formula():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = draw_png(shares_of(0, 1), "Тональность: $100 и \\frac за ёлку, $ещё_раз$ " * 3)
    assert pixels(png).shape == (900, 1600, 3)


def test_without_days_the_chart_is_a_message():
    image = pixels(draw_png(shares_of(), "Tone"))
    assert image.shape == (900, 1600, 3)
    assert image[400:500].min() < 0.5


def test_days_without_any_tone_give_a_chart_of_their_number():
    silent = with_shares(pd.DataFrame([(date(2015, 12, 10), 3, 3, 0, 0, 0, 3, 0, 0, None)], columns=COUNTS))
    assert pixels(draw_png(silent, "Tone")).shape == (900, 1600, 3)
    assert share_limits(silent) == (-0.03, 1.03)


def test_no_figure_stays_open():
    draw_png(shares_of(0), "Tone")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_days_alone_between_gaps_are_found():
    gappy = shares_of(0, 1, 3, 5, 6, 8)
    assert runs(gappy) == [slice(0, 2), slice(3, 4), slice(5, 7), slice(8, 9)]
    assert isolated_days(gappy) == [3, 8]


def test_tones_differ_without_colour():
    assert len({(style.dash, style.marker) for style in TONE_STYLES.values()}) == len(TONE_STYLES)


def test_a_title_is_drawn_without_its_control_characters():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of letters that no font has
        assert draw_png(shares_of(0), "a\nb\x1b\x07\u202e\x9bc") == draw_png(shares_of(0), "a bc")
