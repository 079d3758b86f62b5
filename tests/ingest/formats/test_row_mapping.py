from decimal import Decimal

import pytest

from tonality.ingest.formats.record import RejectedRecord
from tonality.ingest.formats.row_mapping import TweetMapper, missing_columns
from tonality.runtime.settings.sections import ColumnNames

MAPPER = TweetMapper(ColumnNames(id="id", created_at="when", text="text"))


def tweet(number="7", when="2015-12-10", author=None, text="hello", lang=None, retweet=None):
    return MAPPER.map_row((number, when, author, text, lang, retweet))


def refusal(**fields):
    with pytest.raises(RejectedRecord) as caught:
        tweet(**fields)
    return caught.value.reason, caught.value.detail


# Ids


@pytest.mark.parametrize(
    "value", ["123", " 123 ", 123, "123.0", "123.", "1.23e2", "1.23E+02", 123.0, b"123", Decimal("123")]
)
def test_an_id_is_read_in_every_form_that_keeps_its_digits(value):
    assert tweet(value).tweet_id == 123


def test_the_longest_id_of_64_bits_is_read_to_its_last_digit():
    assert tweet(str(2**63 - 1)).tweet_id == tweet(2**63 - 1).tweet_id == 2**63 - 1


def test_a_floating_point_id_is_read_as_far_as_it_is_exact():
    assert tweet(float(2**53 - 1)).tweet_id == tweet("9007199254740991.0").tweet_id == 2**53 - 1


@pytest.mark.parametrize(
    "value", ["1.4407168953557647e+18", 1.4407168953557647e18, "1440716895355764736.0", "9007199254740992.0", 1e300]
)
def test_an_id_that_a_floating_point_number_has_rounded_is_refused_and_called_so(value):
    reason, detail = refusal(number=value)
    assert reason == "wrong-type"
    assert detail == f"id is {str(value)!r}: its last digits were lost in a floating-point number"


@pytest.mark.parametrize(
    "value",
    ["x", "-7", "0", "0.0", "1.5", "7e-1", "1e9999", "٧", "1_0", "0x7", str(2**63), "9" * 25, True, -7, 1.5, "7.0.0"],
)
def test_what_is_no_id_is_refused(value):
    assert refusal(number=value) == ("wrong-type", f"id is {str(value)!r}, not a positive 64-bit number")


@pytest.mark.parametrize("value", [None, "", float("nan")])
def test_a_missing_id_is_no_id(value):
    assert refusal(number=value)[0] == "no-id"


# Retweets


@pytest.mark.parametrize(
    "value",
    [
        *["1", "1.0", "true", "TRUE", "t", "Yes", " y ", "retweet", "RETWEET", "retweeted", True, 1, 1.0, b"1"],
        *["1440716895355764736", "1.4407168953557647e+18", 1440716895355764736, 1.4407168953557647e18, "17", "0.5"],
        *[{"id": 7}, [{"type": "replied_to", "id": "1"}, {"type": "retweeted", "id": "2"}]],
        *['[{"type": "retweeted", "id": "2"}]', "[{'type': 'retweeted', 'id': '2'}]"],
    ],
)
def test_a_retweet_is_marked_by_a_yes_or_by_what_it_repeats(value):
    assert tweet(retweet=value).is_retweet is True


@pytest.mark.parametrize(
    "value",
    [
        *[None, "", "0", "0.0", "false", "False", "no", "нет", "-1", "nan", "inf", "original", "quote", False, 0, 0.0],
        *[float("nan"), {}, [], [{"type": "quoted", "id": "1"}], ["odd"], '[{"type": "replied_to", "id": "2"}]', "[]"],
    ],
)
def test_anything_else_is_no_retweet(value):
    assert tweet(retweet=value).is_retweet is False


# Names


@pytest.mark.parametrize("value", [None, "", b"", float("nan")])
def test_a_missing_author_or_language_is_none(value):
    assert tweet(author=value, lang=value)[2:4] == (None, None)


def test_an_author_that_is_a_number_is_its_digits():
    assert tweet(author=17, lang=b"ru")[2:4] == ("17", "ru")


@pytest.mark.parametrize(("field", "value"), [("author", {"id": 1}), ("lang", ["ru"]), ("text", {"a": 1}), ("text", 5)])
def test_a_field_that_holds_an_object_is_refused_by_its_name(field, value):
    assert refusal(**{field: value}) == ("wrong-type", f"{field} is a {type(value).__name__}")


def test_columns_stand_in_the_order_of_the_fields():
    columns = ColumnNames(retweet="r", lang="l", text="t", author="a", created_at="c", id="i")
    assert TweetMapper(columns).columns == ("i", "c", "a", "t", "l", "r")
    assert TweetMapper(ColumnNames(text="t", created_at="c")).columns == ("", "c", "", "t", "", "")


def test_missing_columns_are_named_beside_those_that_are_there():
    columns = ColumnNames(created_at="when", text="text", lang="lang")
    assert (
        missing_columns(TweetMapper(columns).columns, ["text", "more"]) == "no column when, lang; there are text, more"
    )
    assert missing_columns(TweetMapper(columns).columns, ["lang", "text", "when"]) == ""
