from datetime import date
from math import isnan

import numpy as np
import pandas as pd
import pytest

from tonality.survey.daily_shares import COLUMNS, daily_counts, period_shares, to_csv, with_shares

COUNTS = ["day", "tweets", "voters", "positive", "neutral", "negative", "none", "ties", "anonymous", "mean_probability"]
TENTH, ELEVENTH, TWELFTH, THIRTEENTH = (date(2015, 12, day) for day in (10, 11, 12, 13))


def counts(*rows):
    return pd.DataFrame(rows, columns=COUNTS)


def counted(spark, rows):
    scored = spark.createDataFrame(rows, "tweet_id long, probability float, tonality string, day date")
    return {row.day: row.asDict() for row in daily_counts(scored).collect()}


def voted(spark, *rows):
    """The counts of the only day, with voting by author."""
    scored = spark.createDataFrame(
        [(*row, TENTH) for row in rows], "author string, probability float, tonality string, day date"
    )
    (row,) = daily_counts(scored, "author").collect()
    return row.asDict()


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
    assert days[TENTH] == dict(zip(COUNTS, (TENTH, 4, 4, 2, 1, 1, 0, 0, 0, 0.625), strict=True))
    assert days[ELEVENTH] == dict(zip(COUNTS, (ELEVENTH, 1, 1, 0, 0, 1, 0, 0, 0, 0.125), strict=True))


def test_a_tweet_without_probability_is_counted_but_excluded_from_the_mean(spark):
    days = counted(spark, [(1, 0.75, "positive", TENTH), (2, None, "none", TENTH), (3, None, "none", ELEVENTH)])
    assert days[TENTH] == dict(zip(COUNTS, (TENTH, 2, 2, 1, 0, 0, 1, 0, 0, 0.75), strict=True))
    assert days[ELEVENTH] == dict(zip(COUNTS, (ELEVENTH, 1, 1, 0, 0, 0, 1, 0, 0, None), strict=True))


def test_an_author_has_one_vote_a_day_for_the_most_common_tone(spark):
    day = voted(
        spark,
        *[("bot", 0.9, "positive")] * 98,
        ("bot", 0.1, "negative"),
        ("ann", 0.2, "negative"),
        ("bob", 0.5, "neutral"),
    )
    assert (day["tweets"], day["voters"]) == (101, 3)
    assert (day["positive"], day["neutral"], day["negative"], day["ties"]) == (1, 1, 1, 0)


@pytest.mark.parametrize(
    "tones", [("positive", "negative"), ("positive", "neutral", "negative"), ("neutral", "negative")]
)
def test_a_tie_is_no_vote_and_counted(spark, tones):
    day = voted(spark, *[("ann", 0.5, tone) for tone in tones])
    assert (day["voters"], day["ties"]) == (1, 1)
    assert day["positive"] + day["neutral"] + day["negative"] + day["none"] == 0


def test_an_author_whose_tweets_have_no_tone_has_none(spark):
    day = voted(spark, ("ann", None, "none"), ("ann", None, "none"), ("bob", None, "none"), ("bob", 0.9, "positive"))
    assert (day["voters"], day["none"], day["positive"]) == (2, 1, 1)


def test_tweets_without_an_author_are_counted_and_have_no_vote(spark):
    day = voted(spark, (None, 0.9, "positive"), ("", 0.9, "positive"), ("ann", 0.1, "negative"))
    assert (day["tweets"], day["voters"], day["anonymous"]) == (3, 1, 2)
    assert (day["positive"], day["negative"], day["mean_probability"]) == (0, 1, pytest.approx(0.1))


def test_where_authors_vote_the_mean_is_of_authors(spark):
    assert voted(spark, *[("bot", 1.0, "positive")] * 9, ("ann", 0.0, "negative"))["mean_probability"] == 0.5


def test_an_author_votes_again_the_next_day(spark):
    rows = [("ann", 0.9, "positive", TENTH), ("ann", 0.1, "negative", ELEVENTH)]
    scored = spark.createDataFrame(rows, "author string, probability float, tonality string, day date")
    shares = with_shares(daily_counts(scored, "author").toPandas())
    assert shares[["voters", "positive", "negative"]].to_numpy().tolist() == [[1, 1, 0], [1, 0, 1]]


def test_the_mean_is_taken_in_double_precision(spark):
    days = counted(spark, [(n, np.float32(0.1).item(), "negative", TENTH) for n in range(1000)])
    assert days[TENTH]["mean_probability"] == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_counts_from_spark_become_daily_shares(spark):
    scored = spark.createDataFrame(
        [(None, "none", TWELFTH), (0.75, "positive", TENTH)], "probability float, tonality string, day date"
    )
    shares = with_shares(daily_counts(scored).toPandas())
    assert shares["tweets"].tolist() == [1, 0, 1]
    assert shares["positive_share"].tolist()[0] == 1
    assert shares["mean_probability"].isna().tolist() == [False, True, True]


def test_no_scored_tweets_become_daily_shares_without_days(spark):
    scored = spark.createDataFrame([], "probability float, tonality string, day date")
    shares = with_shares(daily_counts(scored).toPandas())
    assert shares.empty
    assert tuple(shares.columns) == COLUMNS


def test_shares_are_of_the_tweets_that_have_a_tone():
    row = with_shares(counts((TENTH, 10, 10, 4, 1, 3, 2, 0, 0, 0.6))).iloc[0]
    assert (row.positive_share, row.neutral_share, row.negative_share) == (0.5, 0.125, 0.375)


def test_a_share_comes_with_its_interval():
    row = with_shares(counts((TENTH, 300, 300, 81, 100, 82, 37, 0, 0, 0.5))).iloc[0]
    assert (row.positive_low, row.positive_high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_a_day_without_toned_tweets_has_no_shares_rather_than_zeros():
    row = with_shares(counts((TENTH, 3, 3, 0, 0, 0, 3, 0, 0, None))).iloc[0]
    assert row.tweets == 3
    assert all(isnan(row[column]) for column in COLUMNS[COLUMNS.index("mean_probability") :])


def test_a_missing_day_is_inserted_without_tweets():
    shares = with_shares(counts((TENTH, 1, 1, 1, 0, 0, 0, 0, 0, 0.9), (THIRTEENTH, 1, 1, 0, 0, 1, 0, 0, 0, 0.1)))
    assert shares["day"].dt.date.tolist() == [TENTH, ELEVENTH, TWELFTH, THIRTEENTH]
    assert shares["tweets"].tolist() == [1, 0, 0, 1]
    assert shares["tweets"].dtype == "int64"
    assert shares["negative_share"].isna().tolist() == [False, True, True, False]


def test_all_days_of_the_period_are_present_even_without_tweets():
    shares = with_shares(counts((ELEVENTH, 1, 1, 1, 0, 0, 0, 0, 0, 0.9)), [TENTH, TWELFTH])
    assert shares["day"].dt.date.tolist() == [TENTH, ELEVENTH, TWELFTH]
    assert shares["tweets"].tolist() == [0, 1, 0]


def test_days_are_sorted_whatever_order_they_come_in():
    shares = with_shares(counts((ELEVENTH, 1, 1, 0, 0, 1, 0, 0, 0, 0.1), (TENTH, 2, 2, 2, 0, 0, 0, 0, 0, 0.9)))
    assert shares["day"].dt.date.tolist() == [TENTH, ELEVENTH]
    assert shares["mean_probability"].tolist() == [0.9, 0.1]


def test_a_day_counted_twice_is_refused():
    with pytest.raises(ValueError, match=r"days counted twice: 2015-12-10$"):
        with_shares(counts((TENTH, 1, 1, 1, 0, 0, 0, 0, 0, 0.9), (TENTH, 1, 1, 1, 0, 0, 0, 0, 0, 0.9)))


def test_outcomes_that_do_not_sum_to_the_voters_are_refused():
    with pytest.raises(ValueError, match=r"tones and ties do not sum to voters on 2015-12-11$"):
        with_shares(counts((TENTH, 1, 1, 1, 0, 0, 0, 0, 0, 0.9), (ELEVENTH, 2, 2, 1, 0, 0, 0, 0, 0, 0.9)))


def test_the_whole_period_weighs_days_by_their_tweets():
    period = period_shares(
        with_shares(counts((TENTH, 1, 1, 1, 0, 0, 0, 0, 0, 0.9), (TWELFTH, 4, 4, 0, 1, 2, 1, 0, 0, 0.2)))
    ).iloc[0]
    assert (period.tweets, period.none) == (5, 1)
    assert (period.positive_share, period.neutral_share, period.negative_share) == (0.25, 0.25, 0.5)


def test_the_csv_is_written_to_the_letter():
    shares = with_shares(counts((TENTH, 5, 5, 2, 1, 1, 1, 0, 0, 0.5), (TWELFTH, 1, 1, 0, 0, 0, 1, 0, 0, None)))
    assert to_csv(shares) == (
        "day,tweets,voters,positive,neutral,negative,none,ties,anonymous,mean_probability,positive_share,positive_low,positive_high,"
        "neutral_share,neutral_low,neutral_high,negative_share,negative_low,negative_high\n"
        "2015-12-10,5,5,2,1,1,1,0,0,0.500000,0.500000,0.150039,0.849961,0.250000,0.045587,0.699358,0.250000,0.045587,0.699358\n"
        "2015-12-11,0,0,0,0,0,0,0,0,,,,,,,,,,\n"
        "2015-12-12,1,1,0,0,0,1,0,0,,,,,,,,,,\n"
    )


def test_the_csv_of_no_days_is_its_header():
    assert to_csv(with_shares(counts())) == ",".join(COLUMNS) + "\n"
