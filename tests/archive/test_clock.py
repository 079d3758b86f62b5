from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest

from tonality.archive.clock import microseconds
from tonality.archive.outcome import Rejected

MOMENT = datetime(2015, 12, 10, 8, 1, 2, tzinfo=UTC)
SECONDS = int(MOMENT.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        "Thu Dec 10 08:01:02 +0000 2015",
        "Thu Dec 10 11:01:02 +0300 2015",
        "Wed Dec 09 23:31:02 -0830 2015",
        "2015-12-10T08:01:02Z",
        "2015-12-10 08:01:02",
        " 2015-12-10 11:01:02+03:00 ",
        str(SECONDS),
        f"{SECONDS}000",
        f"{SECONDS}.0",
        SECONDS,
        SECONDS * 1000,
        float(SECONDS),
        MOMENT,
        MOMENT.replace(tzinfo=None),
        MOMENT.astimezone(timezone(timedelta(hours=3))),
        pd.Timestamp(MOMENT),
    ],
)
def test_a_time_is_read_in_every_form_that_archives_write(value):
    assert microseconds(value) == SECONDS * 1_000_000


def test_parts_of_a_second_are_kept():
    assert microseconds("2015-12-10T08:01:02.123456Z") == SECONDS * 1_000_000 + 123_456
    assert microseconds(SECONDS + 0.25) == SECONDS * 1_000_000 + 250_000
    assert microseconds(SECONDS * 1000 + 7) == SECONDS * 1_000_000 + 7_000


@pytest.mark.parametrize("value", ["2015-12-10", date(2015, 12, 10)])
def test_a_day_alone_is_its_midnight(value):
    assert microseconds(value) == microseconds("2015-12-10T00:00:00Z")


@pytest.mark.parametrize("value", [None, ""])
def test_no_time_is_no_date(value):
    with pytest.raises(Rejected) as caught:
        microseconds(value)
    assert caught.value.reason == "no-date"


@pytest.mark.parametrize(
    "value",
    [
        *["yesterday", "2015-13-01", "Thu Feb 30 08:01:02 +0000 2015", "Thu Dec 10 25:01:02 +0000 2015", "12/10/2015"],
        *["0", "-1449734462", -1449734462, "1e9", 0, 1e300, float("nan"), float("inf"), "9" * 19, 10**30],
        *["1969-12-31", "2005-12-31T23:59:59Z", "2100-01-01", "0001-01-01T00:00:00+14:00", date.min, pd.NaT],
        *[True, [], {}, b"2015-12-10"],
    ],
)
def test_what_is_no_time_that_twitter_has_seen_is_rejected(value):
    with pytest.raises(Rejected) as caught:
        microseconds(value)
    assert caught.value.reason == "bad-date"
    assert len(caught.value.detail) < 200
