from datetime import UTC, date, datetime, timedelta, timezone

import pandas as pd
import pytest

from tonality.ingest.formats import timestamps
from tonality.ingest.formats.record import RejectedRecord
from tonality.ingest.formats.timestamps import microseconds

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
def test_a_time_is_parsed_in_every_format_of_archives(value):
    assert microseconds(value) == SECONDS * 1_000_000


def test_parts_of_a_second_are_kept():
    assert microseconds("2015-12-10T08:01:02.123456Z") == SECONDS * 1_000_000 + 123_456
    assert microseconds(SECONDS + 0.25) == SECONDS * 1_000_000 + 250_000
    assert microseconds(SECONDS * 1000 + 7) == SECONDS * 1_000_000 + 7_000


@pytest.mark.parametrize("value", ["2015-12-10", date(2015, 12, 10)])
def test_a_day_without_a_time_is_its_midnight(value):
    assert microseconds(value) == microseconds("2015-12-10T00:00:00Z")


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_time_is_no_date(value):
    with pytest.raises(RejectedRecord) as caught:
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
def test_a_value_that_is_no_time_in_twitters_lifetime_is_rejected(value):
    with pytest.raises(RejectedRecord) as caught:
        microseconds(value)
    assert caught.value.reason == "bad-date"
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (True, "True: a bool is not a time"),
        ([], "[]: a list is not a time"),
        ("2015-12-10" + " " * 55, f"2015-12-10{' ' * 55}: 65 characters are too long for a date"),
        (datetime(2005, 12, 31, tzinfo=UTC), "2005-12-31 00:00:00+00:00: year 2005"),
        (datetime(2100, 1, 1, tzinfo=UTC), "2100-01-01 00:00:00+00:00: year 2100"),
    ],
)
def test_the_reason_why_a_date_is_rejected_is_given(value, detail):
    with pytest.raises(RejectedRecord) as caught:
        microseconds(value)
    assert caught.value.detail == detail


@pytest.mark.parametrize(
    ("value", "detail"), [(10**11, "100000000000: year 1973"), (10**11 - 1, "99999999999: year 5138")]
)
def test_a_number_is_in_milliseconds_from_ten_to_the_eleventh(value, detail):
    with pytest.raises(RejectedRecord) as caught:
        microseconds(value)
    assert caught.value.detail == detail


@pytest.mark.parametrize(
    ("text", "hours"), [("PDT", -7), ("PST", -8), ("UTC", 0), ("GMT", 0), ("+0530", 5.5), ("-0330", -3.5)]
)
def test_a_zone_is_parsed_by_its_name_or_its_offset(text, hours):
    local = microseconds(f"Mon Apr 06 22:19:45 {text} 2009")
    assert local == microseconds("2009-04-06T22:19:45Z") - hours * 3_600_000_000


@pytest.mark.parametrize("text", ["MSK", "XYZ", "pdt", "PDTX", "PD"])
def test_an_unknown_zone_is_rejected_and_not_guessed(text):
    with pytest.raises(RejectedRecord) as caught:
        microseconds(f"Mon Apr 06 22:19:45 {text} 2009")
    assert caught.value.reason == "bad-date"


def test_a_rejected_zone_is_named():
    with pytest.raises(RejectedRecord) as caught:
        microseconds("Mon Apr 06 22:19:45 MSK 2009")
    assert caught.value.detail == "Mon Apr 06 22:19:45 MSK 2009: zone MSK is not known"


@pytest.mark.parametrize(
    "form", ["Thu Dec 10 08:01:{} +0000 2015", "2015-12-10T08:01:{}Z", "2015-12-10 08:01:{}+00:00"]
)
def test_the_seconds_of_a_minute_are_distinguished(form):
    minute = int(datetime(2015, 12, 10, 8, 1, tzinfo=UTC).timestamp())
    assert [microseconds(form.format(second)) for second in ("00", "07", "59")] == [
        (minute + second) * 1_000_000 for second in (0, 7, 59)
    ]
    with pytest.raises(RejectedRecord):
        microseconds(form.format("60"))


@pytest.mark.parametrize(
    "form", ["Thu Dec 10 08:01:{:02} +0000 2015", "2015-12-10T08:01:{:02}Z", "2015-12-10 08:01:{:02}"]
)
def test_a_minute_is_parsed_once(form):
    timestamps._cached_microseconds.cache_clear()
    for second in range(60):
        microseconds(form.format(second))
    assert timestamps._cached_microseconds.cache_info().misses == 1


def test_the_minutes_of_an_offset_are_not_seconds():
    assert microseconds("2015-12-10 08+05:30") == microseconds("2015-12-10T02:30:00")


def test_a_text_longer_than_any_date_is_not_cached():
    before = timestamps._cached_microseconds.cache_info().currsize
    for text in ("2015-12-10" + " " * 1000, "x" * 65, "Thu Dec 10 08:01:02 +0000 2015".ljust(65)):
        with pytest.raises(RejectedRecord) as caught:
            microseconds(text)
        assert caught.value.reason == "bad-date"
        assert len(caught.value.detail) < 200
    assert timestamps._cached_microseconds.cache_info().currsize == before
    assert microseconds("2015-12-10".ljust(64)) == microseconds("2015-12-10")
