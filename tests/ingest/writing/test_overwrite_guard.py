import pytest

from tonality.ingest.writing.overwrite_guard import DateRange, refuse_to_drop_days
from tonality.runtime.diagnostics.errors import SettingsError
from tonality.runtime.settings.sections import ArchiveSettings


def date_range(since="", until=""):
    return DateRange(ArchiveSettings(since=since, until=until))


def test_a_bounded_range_is_all_its_days():
    requested = date_range("2015-12-30", "2016-01-02")
    assert requested.days() == ["2015-12-30", "2015-12-31", "2016-01-01", "2016-01-02"]
    assert (requested.name, requested.bounded) == ("2015-12-30..2016-01-02", True)


@pytest.mark.parametrize(
    ("since", "until", "name"),
    [("", "", "start..end"), ("2015-12-30", "", "2015-12-30..end"), ("", "2016-01-02", "start..2016-01-02")],
)
def test_an_open_range_names_no_days(since, until, name):
    requested = date_range(since, until)
    assert (requested.days(), requested.name, requested.bounded) == ([], name, False)


@pytest.mark.parametrize(
    ("first", "last", "covered"),
    [
        ("2015-12-10", "2015-12-12", True),
        ("2015-12-11", "2015-12-11", True),
        ("2015-12-09", "2015-12-11", False),
        ("2015-12-11", "2015-12-13", False),
        ("start", "2015-12-11", False),
        ("2015-12-11", "end", False),
    ],
)
def test_a_bounded_range_covers_only_what_lies_within_it(first, last, covered):
    assert date_range("2015-12-10", "2015-12-12").covers(first, last) is covered
    assert date_range().covers(first, last)


def test_published_days_without_tweets_in_the_archive_are_refused_unless_the_range_is_bounded():
    published = ["2015-12-09", "2015-12-10", "2015-12-11", "2015-12-12"]
    message = r"^tweets/ holds 2 day\(s\) without any tweet in this archive, from 2015-12-10 to 2015-12-12\."
    with pytest.raises(SettingsError, match=message):
        refuse_to_drop_days(published, {"2015-12-11"}, date_range(since="2015-12-10"))
    refuse_to_drop_days(published, {"2015-12-11"}, date_range("2015-12-10", "2015-12-12"))
    refuse_to_drop_days(published, set(published), date_range())
