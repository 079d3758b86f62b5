from datetime import date
from math import isnan

import numpy as np
import pandas as pd
import pytest

from tonality.survey.dynamics import COLUMNS, daily_counts, period_shares, to_csv, wilson, with_shares

COUNTS = ["day", "tweets", "positive", "neutral", "negative", "none", "mean_probability"]
TENTH, ELEVENTH, TWELFTH, THIRTEENTH = (date(2015, 12, day) for day in (10, 11, 12, 13))


def counts(*rows):
    return pd.DataFrame(rows, columns=COUNTS)


def counted(spark, rows):
    scored = spark.createDataFrame(rows, "tweet_id long, probability float, tonality string, day date")
    return {row.day: row.asDict() for row in daily_counts(scored).collect()}


def test_tweets_are_counted_by_day_and_tone(spark):
    days = counted(
        spark,
        [
            (1, 0.75, "positive", TENTH),
            (2, 1.0, "positive", TENTH),
            (3, 0.5, "neutral", TENTH),
            (4, 0.25, "negative", TENTH),
            (5, 0.125, "negative", ELEVENTH),
        ],
    )
    assert days[TENTH] == dict(zip(COUNTS, (TENTH, 4, 2, 1, 1, 0, 0.625), strict=True))
    assert days[ELEVENTH] == dict(zip(COUNTS, (ELEVENTH, 1, 0, 0, 1, 0, 0.125), strict=True))


def test_a_tweet_without_probability_is_counted_and_left_out_of_the_mean(spark):
    days = counted(spark, [(1, 0.75, "positive", TENTH), (2, None, "none", TENTH), (3, None, "none", ELEVENTH)])
    assert days[TENTH] == dict(zip(COUNTS, (TENTH, 2, 1, 0, 0, 1, 0.75), strict=True))
    assert days[ELEVENTH] == dict(zip(COUNTS, (ELEVENTH, 1, 0, 0, 0, 1, None), strict=True))


def test_the_mean_is_taken_in_double_precision(spark):
    days = counted(spark, [(n, np.float32(0.1).item(), "negative", TENTH) for n in range(1000)])
    assert days[TENTH]["mean_probability"] == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_what_spark_counted_becomes_dynamics(spark):
    scored = spark.createDataFrame(
        [(None, "none", TWELFTH), (0.75, "positive", TENTH)], "probability float, tonality string, day date"
    )
    dynamics = with_shares(daily_counts(scored).toPandas())
    assert dynamics["tweets"].tolist() == [1, 0, 1]
    assert dynamics["positive_share"].tolist()[0] == 1
    assert dynamics["mean_probability"].isna().tolist() == [False, True, True]


def test_no_scored_tweets_become_dynamics_without_days(spark):
    scored = spark.createDataFrame([], "probability float, tonality string, day date")
    dynamics = with_shares(daily_counts(scored).toPandas())
    assert dynamics.empty
    assert tuple(dynamics.columns) == COLUMNS


def test_shares_are_of_the_tweets_that_have_a_tone():
    row = with_shares(counts((TENTH, 10, 4, 1, 3, 2, 0.6))).iloc[0]
    assert (row.positive_share, row.neutral_share, row.negative_share) == (0.5, 0.125, 0.375)


def test_a_share_comes_with_its_interval():
    row = with_shares(counts((TENTH, 300, 81, 100, 82, 37, 0.5))).iloc[0]
    assert (row.positive_low, row.positive_high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_that_newcombe_published(hits, total, low, high):
    """R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statist. Med. 17 (1998), table I."""
    found = wilson(np.array([float(hits)]), np.array([float(total)]))
    assert (found[0][0], found[1][0]) == pytest.approx((low, high), abs=5e-5)


def test_an_interval_never_leaves_the_range_from_0_to_1():
    total = np.arange(1.0, 500.0)
    nothing, everything = wilson(np.zeros_like(total), total), wilson(total, total)
    assert nothing[0].min() >= 0 and everything[1].max() <= 1
    assert nothing[1] == pytest.approx(1 - everything[0])


def test_a_day_without_toned_tweets_has_no_shares_rather_than_zeros():
    row = with_shares(counts((TENTH, 3, 0, 0, 0, 3, None))).iloc[0]
    assert row.tweets == 3
    assert all(isnan(row[column]) for column in COLUMNS[COLUMNS.index("mean_probability") :])


def test_a_missing_day_is_inserted_without_tweets():
    dynamics = with_shares(counts((TENTH, 1, 1, 0, 0, 0, 0.9), (THIRTEENTH, 1, 0, 0, 1, 0, 0.1)))
    assert dynamics["day"].dt.date.tolist() == [TENTH, ELEVENTH, TWELFTH, THIRTEENTH]
    assert dynamics["tweets"].tolist() == [1, 0, 0, 1]
    assert dynamics["tweets"].dtype == "int64"
    assert dynamics["negative_share"].isna().tolist() == [False, True, True, False]


def test_days_are_sorted_whatever_order_they_come_in():
    dynamics = with_shares(counts((ELEVENTH, 1, 0, 0, 1, 0, 0.1), (TENTH, 2, 2, 0, 0, 0, 0.9)))
    assert dynamics["day"].dt.date.tolist() == [TENTH, ELEVENTH]
    assert dynamics["mean_probability"].tolist() == [0.9, 0.1]


def test_a_day_counted_twice_is_refused():
    with pytest.raises(ValueError, match=r"days counted twice: 2015-12-10$"):
        with_shares(counts((TENTH, 1, 1, 0, 0, 0, 0.9), (TENTH, 1, 1, 0, 0, 0, 0.9)))


def test_tones_that_do_not_sum_to_the_tweets_are_refused():
    with pytest.raises(ValueError, match=r"tones do not sum to tweets on 2015-12-11$"):
        with_shares(counts((TENTH, 1, 1, 0, 0, 0, 0.9), (ELEVENTH, 2, 1, 0, 0, 0, 0.9)))


def test_the_whole_period_weighs_days_by_their_tweets():
    period = period_shares(with_shares(counts((TENTH, 1, 1, 0, 0, 0, 0.9), (TWELFTH, 4, 0, 1, 2, 1, 0.2)))).iloc[0]
    assert (period.tweets, period.none) == (5, 1)
    assert (period.positive_share, period.neutral_share, period.negative_share) == (0.25, 0.25, 0.5)


def test_the_csv_is_written_to_the_letter():
    dynamics = with_shares(counts((TENTH, 5, 2, 1, 1, 1, 0.5), (TWELFTH, 1, 0, 0, 0, 1, None)))
    assert to_csv(dynamics) == (
        "day,tweets,positive,neutral,negative,none,mean_probability,positive_share,positive_low,positive_high,"
        "neutral_share,neutral_low,neutral_high,negative_share,negative_low,negative_high\n"
        "2015-12-10,5,2,1,1,1,0.500000,0.500000,0.150039,0.849961,0.250000,0.045587,0.699358,0.250000,0.045587,0.699358\n"
        "2015-12-11,0,0,0,0,0,,,,,,,,,,\n"
        "2015-12-12,1,0,0,0,1,,,,,,,,,,\n"
    )


def test_the_csv_of_no_days_is_its_header():
    assert to_csv(with_shares(counts())) == ",".join(COLUMNS) + "\n"
