from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.storage.day_paths import DayLocations, day_locations, fixed_part, has_day

EVE, NEW_YEAR = date(2015, 12, 31), date(2016, 1, 1)


def filled(location: str, day: date = EVE) -> str:
    (found,) = day_locations([location], day, day).required
    return found


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/data/{day}.json.gz", "/data/2015-12-31.json.gz"),
        ("s3://archive/{day:%Y/%m/%d}/*.gz", "s3://archive/2015/12/31/*.gz"),
        ("/data/{day:%Y}/{day:%m}/tweets-{day}.gz", "/data/2015/12/tweets-2015-12-31.gz"),
        ("{day:%Y%m%d}", "20151231"),
        ("{day:%y-%j}", "15-365"),
        ("{day:%F}", "2015-12-31"),
        ("{day:100%% of %d. %b}", "100% of 31. Dec"),
        ("/data/день {day:%d-го}", "/data/день 31-го"),
    ],
)
def test_every_placeholder_is_filled_with_the_day_in_its_format(location, found):
    assert has_day(location)
    assert filled(location) == found


def test_every_day_has_its_location_in_order_and_none_twice():
    found = day_locations(["/a/{day}", "/b/{day:%Y-%m}", "/b/{day:%Y-%m}", "/c"], EVE, NEW_YEAR)
    assert found == DayLocations(("/a/2015-12-31", "/a/2016-01-01", "/b/2015-12", "/b/2016-01", "/c"), ())


def test_the_days_before_and_after_are_optional():
    found = day_locations(["/{day}", "/late"], EVE, NEW_YEAR, lookback=1, lookahead=2)
    assert found.required == ("/2015-12-31", "/2016-01-01", "/late")
    assert found.optional == ("/2015-12-30", "/2016-01-02", "/2016-01-03")


def test_a_month_with_days_of_the_range_is_not_optional():
    found = day_locations(["/{day:%Y-%m}"], EVE, EVE, lookback=31, lookahead=31)
    assert found == DayLocations(("/2015-12",), ("/2015-11", "/2016-01"))


def test_optional_days_end_with_the_calendar():
    assert day_locations(["{day}"], date.min, date.min, lookback=2).optional == ()
    assert day_locations(["{day}"], date.max, date.max, lookahead=2).optional == ()


@given(st.dates(), st.integers(0, 40), st.integers(0, 9), st.integers(0, 9))
def test_no_day_is_missing_and_none_is_in_both(since, length, lookback, lookahead):
    until = date.fromordinal(min(since.toordinal() + length, date.max.toordinal()))
    found = day_locations(["{day}"], since, until, lookback, lookahead)
    days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
    assert list(found.required) == [day.isoformat() for day in days]
    assert not set(found.required) & set(found.optional)
    assert len(found.optional) <= lookback + lookahead


@pytest.mark.parametrize(
    "location", ["/data/a.gz", "/data/{a,b}.gz", "/data/{", "/data/day}", "/data/{birthday}", "/data/%Y", "/{}"]
)
def test_braces_that_mean_no_day_are_braces(location):
    assert not has_day(location)
    assert day_locations([location], None, None, 1, 1) == DayLocations((location,), ())


@pytest.mark.parametrize(
    "location",
    [
        "/{date}",
        "/{Day}",
        "/{days}",
        "/{ day }",
        "/{day",
        "/{day:%Y",
        "/{date:%Y}",
        "/{day}}",
        "/{{day}}",
        "/{day}/{a,b}",
        "/{day}/{hour}",
        "/{day}/{date}",
        "/{day:{day}}",
    ],
)
def test_a_malformed_day_is_refused_with_the_expected_form(location):
    expected = (
        "expected {day}, which is 2015-12-10, or another format as in {day:%Y/%m/%d}, and no other braces beside it"
    )
    for call in (lambda: has_day(location), lambda: day_locations([location], EVE, EVE)):
        with pytest.raises(SettingsError) as raised:
            call()
        assert str(raised.value) == f"{location}: {expected}"


@pytest.mark.parametrize(
    ("form", "unknown"), [("%Q", "%Q"), ("%Y-%H-%M", "%H %M"), ("%Y%", "%"), ("%-d", "%-"), ("%Y %q", "%q")]
)
def test_a_format_without_a_day_is_refused_with_the_known_directives(form, unknown):
    with pytest.raises(SettingsError) as raised:
        has_day(f"/{{day:{form}}}")
    assert str(raised.value) == (
        f"/{{day:{form}}}: {unknown} in {{day:{form}}} does not format a day; "
        "there are %Y %y %m %d %j %F %G %V %u %U %W %w %b %B %a %A"
    )


@pytest.mark.parametrize("form", ["", "x", "%%", "2015-12-10"])
def test_a_format_that_is_the_same_on_every_day_is_refused(form):
    with pytest.raises(SettingsError, match=r"is the same on every day: expected {day}, which is 2015-12-10, or "):
        has_day(f"/{{day}}/{{day:{form}}}")


@pytest.mark.parametrize(("since", "until"), [(None, None), (EVE, None), (None, EVE)])
def test_a_day_needs_both_bounds(since, until):
    with pytest.raises(SettingsError, match=r"^/{day}: {day} needs both archive\.since and archive\.until$"):
        day_locations(["/{day}"], since, until)


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("/data/{day}/a/*.gz", "/data/"),
        ("/data/a-{day:%Y/%m}.gz", "/data/"),
        ("{day}.gz", "."),
        ("/{day}", "/"),
        ("s3://{day}/a", "s3://"),
        ("s3://bucket/a/{day}/{day:%F}", "s3://bucket/a/"),
    ],
)
def test_the_fixed_part_is_the_folder_before_the_first_day(location, folder):
    assert fixed_part(location) == folder
