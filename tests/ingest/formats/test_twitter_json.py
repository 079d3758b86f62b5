from datetime import UTC, datetime

import orjson
import pytest

from tonality.ingest.formats.record import ControlMessage, RejectedRecord
from tonality.ingest.formats.twitter_json import parse_line

WHEN = "Thu Dec 10 08:01:02 +0000 2015"


def status(**fields):
    return {"id": 7, "created_at": WHEN, "text": "Привет", "user": {"screen_name": "vasya"}, "lang": "ru"} | fields


def without(*keys, **fields):
    return {key: value for key, value in status(**fields).items() if key not in keys}


def tags(*texts):
    return {"hashtags": [{"text": text, "indices": [0, 1]} for text in texts]}


def parsed(record):
    return parse_line(orjson.dumps(record))


def rejected(line):
    with pytest.raises(RejectedRecord) as caught:
        parse_line(line)
    return caught.value.reason


def test_a_plain_status_is_a_tweet():
    tweet = parsed(status(entities=tags("Кино", "СТАРТ")))
    assert tweet._asdict() == {
        "tweet_id": 7,
        "created_at": int(datetime(2015, 12, 10, 8, 1, 2, tzinfo=UTC).timestamp()) * 1_000_000,
        "author": "vasya",
        "lang": "ru",
        "text": "Привет",
        "hashtags": ["кино", "старт"],
        "is_retweet": False,
    }


def test_full_text_takes_precedence_over_text():
    assert parsed(status(full_text="Привет, мир", text="При…")).text == "Привет, мир"
    assert parsed(without("text", full_text="Привет, мир")).text == "Привет, мир"


def test_an_extended_tweet_has_the_full_text_and_its_hashtags():
    extended = {"full_text": "Привет, мир #раз #два", "entities": tags("раз", "два")}
    tweet = parsed(status(text="Привет, … #раз", truncated=True, entities=tags("раз"), extended_tweet=extended))
    assert (tweet.text, tweet.hashtags) == ("Привет, мир #раз #два", ["раз", "два"])


def test_an_extended_tweet_without_entities_keeps_the_outer_hashtags():
    assert parsed(status(entities=tags("раз"), extended_tweet={"full_text": "мир #раз"})).hashtags == ["раз"]


def test_a_malformed_extended_tweet_is_ignored():
    assert parsed(status(truncated=True, extended_tweet={"full_text": None})).text == "Привет"
    assert parsed(status(extended_tweet=None)).text == "Привет"


def test_a_retweet_has_the_original_text_and_its_own_id_time_and_author():
    original = status(id=1, created_at="Mon Dec 07 00:00:00 +0000 2015", text="Оригинал #да", entities=tags("да"))
    tweet = parsed(status(text="RT @petya: Ориг…", retweeted_status=original | {"user": {"screen_name": "petya"}}))
    assert (tweet.text, tweet.hashtags, tweet.is_retweet) == ("Оригинал #да", ["да"], True)
    assert (tweet.tweet_id, tweet.author, tweet.created_at) == (7, "vasya", parsed(status()).created_at)


def test_a_retweet_of_a_long_tweet_has_its_full_text():
    original = status(text="Ориг…", extended_tweet={"full_text": "Оригинал целиком", "entities": tags("х")})
    tweet = parsed(status(text="RT @petya: Ориг…", retweeted_status=original))
    assert (tweet.text, tweet.hashtags) == ("Оригинал целиком", ["х"])


@pytest.mark.parametrize("original", [{}, {"id": 2}, {"text": None}, {"extended_tweet": {}}])
def test_a_retweet_of_an_original_without_a_text_has_its_own(original):
    tweet = parsed(status(text="RT @x: hi #да", entities=tags("да"), retweeted_status=original))
    assert (tweet.text, tweet.hashtags, tweet.is_retweet) == ("RT @x: hi #да", ["да"], True)


def test_a_retweet_of_an_empty_text_has_an_empty_text():
    assert parsed(status(retweeted_status={"text": ""})).text == ""


def test_a_quote_is_no_retweet_and_has_its_own_text():
    tweet = parsed(status(quoted_status=status(text="Цитата")))
    assert (tweet.text, tweet.is_retweet) == ("Привет", False)


@pytest.mark.parametrize(
    ("escaped", "shown"),
    [
        ("a &amp; b &lt;3 &gt;", "a & b <3 >"),
        ("&amp;lt;", "&lt;"),
        ("&quot;кот&#39;&#x41f;", "\"кот'П"),
        ("?a=1&copy=2&lt=3", "?a=1&copy=2&lt=3"),
        ("R&D; &нет; &notit;", "R&D; &нет; &notit;"),
        ("Don&#039 &#x41f stop", "Don' П stop"),
        ("&", "&"),
        ("&#xD800;", "\ufffd"),
        (f"&#{'9' * 5000};", f"&#{'9' * 5000};"),
    ],
)
def test_character_references_are_replaced_once_and_named_ones_only_with_a_semicolon(escaped, shown):
    assert parsed(status(text=escaped)).text == shown


@pytest.mark.parametrize("record", [without("user"), status(user=None), status(user={}), status(user={"name": "x"})])
def test_a_tweet_without_a_user_has_no_author(record):
    assert parsed(record).author is None


def test_a_tweet_without_a_language_has_none():
    assert parsed(status(lang=None)).lang is None
    assert parsed(without("lang")).lang is None


@pytest.mark.parametrize(
    ("record", "number"),
    [
        (status(id="123"), 123),
        (without("id", id_str="123"), 123),
        (status(id=None, id_str="123"), 123),
        (status(id=6.7e17, id_str="674000000000000001"), 674000000000000001),
        (status(id=2**63 - 1), 2**63 - 1),
    ],
)
def test_an_id_may_be_a_number_or_a_string(record, number):
    assert parsed(record).tweet_id == number


@pytest.mark.parametrize("entities", [None, [], {}, {"hashtags": None}, {"hashtags": [None, {"text": 1}, "x"]}])
def test_malformed_entities_cost_no_tweet(entities):
    assert parsed(status(entities=entities)).hashtags == []


def test_an_empty_text_is_a_tweet():
    assert parsed(status(text="")).text == ""


MESSAGES = [
    "delete",
    "limit",
    "scrub_geo",
    "status_withheld",
    "user_withheld",
    "disconnect",
    "warning",
    "friends",
    "friends_str",
    "event",
    "user_update",
    "control",
    "for_user",
    "user_delete",
    "user_undelete",
    "user_protect",
    "user_unprotect",
    "user_suspend",
    "user_unsuspend",
    "errors",
]


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_of_the_stream_is_a_control_message(kind):
    assert parsed({kind: {"status": {"id": 1}}, "timestamp_ms": "1"}).kind == kind


def test_a_tweet_with_a_key_of_a_message_is_a_tweet():
    assert parsed(status(warning="18+", withheld_in_countries=["XY"])).tweet_id == 7


@pytest.mark.parametrize("line", [b"", b"\r", b" \t"])
def test_a_blank_line_is_a_keep_alive(line):
    assert parse_line(line) == ControlMessage("keep-alive")


def test_a_byte_order_mark_costs_no_tweet():
    assert parse_line(b"\xef\xbb\xbf" + orjson.dumps(status())).tweet_id == 7


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": 7', "malformed-json"),
        (b'{"text": "\\ud83d"', "malformed-json"),
        (b'{"text": "\\ud83"}', "malformed-json"),
        (b"\xef\xbb\xbf", "malformed-json"),
        (b'{"text": "\xff"}', "invalid-utf8"),
        (b'{"text": "\0"}', "nul-byte"),
        (b"[]", "wrong-type"),
        (b"7", "wrong-type"),
        (b"null", "wrong-type"),
    ],
)
def test_a_line_that_is_no_object_is_rejected(line, reason):
    assert rejected(line) == reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (without("id"), "no-id"),
        (status(id=None), "no-id"),
        (without("text"), "no-text"),
        (status(text=None), "no-text"),
        (without("text", retweeted_status={}), "no-text"),
        (without("created_at"), "no-date"),
        (status(created_at=""), "no-date"),
        (status(created_at="Thu Feb 30 08:01:02 +0000 2015"), "bad-date"),
        (status(created_at="Thu Abc 10 08:01:02 +0000 2015"), "bad-date"),
        (status(created_at="Thu Jan 01 00:00:00 +0000 1970"), "bad-date"),
        (status(created_at="yesterday"), "bad-date"),
        (status(created_at={}), "bad-date"),
        (status(id=True), "wrong-type"),
        (status(id=-1), "wrong-type"),
        (status(id=0), "wrong-type"),
        (status(id=2**63), "wrong-type"),
        (status(id="7a"), "wrong-type"),
        (status(id="٣"), "wrong-type"),
        (status(id=7.5), "wrong-type"),
        (status(text=7), "wrong-type"),
        (status(user="vasya"), "wrong-type"),
        (status(user={"screen_name": 7}), "wrong-type"),
        (status(lang=["ru"]), "wrong-type"),
        (status(retweeted_status="да"), "wrong-type"),
    ],
)
def test_a_status_without_a_required_field_is_rejected(record, reason):
    assert rejected(orjson.dumps(record)) == reason


def test_a_rejected_record_has_a_detail():
    with pytest.raises(RejectedRecord) as caught:
        parsed(status(created_at="Thu Feb 30 08:01:02 +0000 2015"))
    assert caught.value.detail == "Thu Feb 30 08:01:02 +0000 2015: day is out of range for month"


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_byte_order_marks_of_empty_files_before_a_record_cost_no_record(count):
    assert parse_line(b"\xef\xbb\xbf" * count + orjson.dumps(status())).tweet_id == 7
    assert parse_line(b"\xef\xbb\xbf" * count + b'{"limit": {"track": 7}}') == ControlMessage("limit")


@pytest.mark.parametrize("key", ["zz", "delete", "extended_tweet", "created_at", "author_id", "id"])
@pytest.mark.parametrize("nest", [("[", "]"), ('{"a":', "}")])
def test_a_record_of_any_nesting_depth_is_a_tweet_a_control_message_or_rejected(key, nest):
    begin, end = nest
    for depth in range(800, 1010):
        inside = begin * depth + ("" if begin == "[" else "1") + end * depth
        for rest in ("", f',"text":"x","created_at":"{WHEN}"'):
            try:
                parse_line(f'{{"{key}":{inside}{rest}}}'.encode())
            except RejectedRecord as reject:
                assert reject.reason in {"malformed-json", "no-text", "no-id", "wrong-type", "bad-date"}


LONE_SURROGATES = [
    (r"a\ud83d", "a\ufffd"),
    (r"\ud83d b and more", "\ufffd b and more"),
    (r"\uD83D\n\u0041", "\ufffd\nA"),
    (r"\udc00", "\ufffd"),
    (r"\ud83d\ud83d\ude00", "\ufffd😀"),
    (r"\ude00\ud83d", "\ufffd\ufffd"),
    (r"\\ud83d \ud83d", "\\ud83d \ufffd"),
    (r"\\\ud83d", "\\\ufffd"),
    (r"\"\ud83d\"", '"\ufffd"'),
]


@pytest.mark.parametrize(("escaped", "shown"), LONE_SURROGATES)
def test_a_lone_surrogate_is_a_replacement_character(escaped, shown):
    line = orjson.dumps(status(text="?")).replace(b"?", escaped.encode())
    assert parse_line(line).text == shown
    assert parse_line(b"\xef\xbb\xbf" + line).text == shown


@pytest.mark.parametrize(("escaped", "shown"), LONE_SURROGATES)
def test_a_lone_surrogate_in_a_skipped_field_costs_no_tweet(escaped, shown):
    user = {"screen_name": "vasya", "description": "?"}
    lines = [orjson.dumps(status(**fields)) for fields in ({"user": user}, {"zz": {"?": 1}}, {"extended_tweet": ["?"]})]
    assert [parse_line(line.replace(b"?", escaped.encode())) for line in lines] == [parsed(status())] * 3


def test_a_control_message_may_contain_a_lone_surrogate():
    assert parse_line(rb'{"delete": {"status": {"id": 7}, "zz": "\ud83d"}}') == ControlMessage("delete", 7)
    assert parse_line(b"\xef\xbb\xbf" + rb'{"limit": {"\ud83d": 7}}') == ControlMessage("limit")
