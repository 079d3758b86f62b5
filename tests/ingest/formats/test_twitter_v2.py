"""Tweets of Twitter's API v2, in the formats that twarc2 writes."""

import orjson
import pytest

from tonality.ingest.formats.twitter_json import parse_line

WHEN = "2021-09-22T16:37:29.000Z"


def tweet(number, **fields):
    return {"id": str(number), "created_at": WHEN, "text": f"Кот {number}", "lang": "ru", "author_id": "5"} | fields


def retweeted(number, **fields):
    return [{"type": "retweeted", "id": str(number)} | fields]


def tags(*names):
    return {"hashtags": [{"start": 0, "end": 1, "tag": name} for name in names]}


def archive(*objects):
    return b"".join(orjson.dumps(one) + b"\n" for one in objects)


def test_every_tweet_of_a_page_is_a_record(read):
    got = read(archive({"data": [tweet(1), tweet(2), tweet(3)], "meta": {"result_count": 3}}))
    assert got.ids == [1, 2, 3]
    assert got.counts == {"lines": 3, "kept": 3, "notices": 0, "filtered": 0, "rejects": 0}
    assert [str(row["created_at"]) for row in got.tweets] == ["2021-09-22 16:37:29+00:00"] * 3


def test_the_offset_of_a_tweet_of_a_page_is_the_start_of_its_json(read):
    content = archive({"meta": {}}, {"data": [tweet(1), tweet(1), {"id": "x"}]})
    got = read(content)
    places = [row["offset"] for row in got.tweets]
    assert len(set(places)) == 2
    assert all(content[place:].startswith(orjson.dumps(tweet(1))) for place in places)
    (reject,) = got.rejects
    assert (content[reject["offset"] :][:10], reject["raw"], reject["line"]) == (b'{"id":"x"}', b'{"id":"x"}', 2)


def test_an_included_tweet_of_a_page_is_no_record(read):
    page = {"data": [tweet(1)], "includes": {"tweets": [tweet(2)], "users": [{"id": "5", "username": "vasya"}]}}
    got = read(archive(page))
    assert [(row["tweet_id"], row["author"]) for row in got.tweets] == [(1, "vasya")]


def test_an_author_without_a_name_is_a_user_id(read):
    assert read(archive({"data": [tweet(1)]})).tweets[0]["author"] == "5"


def test_a_retweet_has_the_full_text_and_the_hashtags_of_the_original(read):
    original = tweet(9, text="Оригинал целиком #да", entities=tags("да"))
    page = {"data": [tweet(1, text="RT @a: Ориг…", referenced_tweets=retweeted(9))], "includes": {"tweets": [original]}}
    (row,) = read(archive(page)).tweets
    assert (row["text"], row["hashtags"], row["is_retweet"]) == ("Оригинал целиком #да", ["да"], True)


def test_a_retweet_whose_original_is_not_included_has_its_own_text(read):
    page = {"data": [tweet(1, text="RT @a: Ориг…", entities=tags("ор"), referenced_tweets=retweeted(9))]}
    (row,) = read(archive(page)).tweets
    assert (row["text"], row["hashtags"], row["is_retweet"]) == ("RT @a: Ориг…", ["ор"], True)


def test_a_quote_and_a_reply_are_no_retweets(read):
    others = [{"type": "quoted", "id": "9"}, {"type": "replied_to", "id": "8"}]
    page = {"data": [tweet(1, referenced_tweets=others)], "includes": {"tweets": [tweet(9, text="Цитата")]}}
    (row,) = read(archive(page)).tweets
    assert (row["text"], row["is_retweet"]) == ("Кот 1", False)


def test_a_long_tweet_has_its_full_text(read):
    long = {"text": "Длинный текст целиком #да", "entities": tags("да")}
    (row,) = read(archive({"data": [tweet(1, text="Длинный…", note_tweet=long)]})).tweets
    assert (row["text"], row["hashtags"]) == ("Длинный текст целиком #да", ["да"])


def test_a_retweet_of_a_long_tweet_has_its_full_text(read):
    original = tweet(9, text="Длинный…", note_tweet={"text": "Длинный текст целиком"})
    page = {"data": [tweet(1, referenced_tweets=retweeted(9))], "includes": {"tweets": [original]}}
    assert read(archive(page)).tweets[0]["text"] == "Длинный текст целиком"


def test_an_edited_tweet_is_read_as_it_is(read):
    edited = tweet(2, text="Исправлено", edit_history_tweet_ids=["1", "2"], edit_controls={"edits_remaining": 4})
    (row,) = read(archive({"data": [edited]})).tweets
    assert (row["tweet_id"], row["text"]) == (2, "Исправлено")


def test_character_references_are_replaced(read):
    assert read(archive({"data": [tweet(1, text="a &amp; b")]})).tweets[0]["text"] == "a & b"


def test_a_response_of_one_tweet_is_one_record(read):
    assert read(archive({"data": tweet(1), "matching_rules": [{"id": "7"}]})).ids == [1]


def test_a_flattened_tweet_is_one_record_with_its_author_and_original(read):
    flat = tweet(
        1,
        text="RT @a: Ориг…",
        author={"id": "5", "username": "vasya"},
        referenced_tweets=retweeted(9, text="Оригинал целиком", entities=tags("да"), author={"username": "petya"}),
        __twarc={"version": "2.0"},
    )
    (row,) = read(archive(flat)).tweets
    assert (row["tweet_id"], row["author"], row["text"]) == (1, "vasya", "Оригинал целиком")
    assert (row["hashtags"], row["is_retweet"]) == (["да"], True)


@pytest.mark.parametrize(
    "message",
    [
        {"errors": [{"title": "Not Found Error"}]},
        {"data": [], "meta": {"result_count": 0}},
        {"data": None, "errors": []},
        {"meta": {"result_count": 0}},
        {"data": {"delete": {"tweet": {"id": "7"}}}},
    ],
)
def test_a_response_without_a_tweet_is_a_control_message(read, message):
    got = read(archive(message))
    assert (got.counts["lines"], got.counts["notices"]) == (1, 1)


def test_malformed_includes_cost_no_tweet(read):
    got = read(archive({"data": [tweet(1)], "includes": []}, {"data": [tweet(2)], "includes": {"tweets": [7]}}))
    assert got.ids == [1, 2]


def test_a_page_may_be_longer_than_a_record_but_none_of_its_tweets(read):
    page = {"data": [tweet(n, text="к" * 300) for n in range(1, 9)] + [tweet(9, text="к" * 2000)]}
    got = read(archive(page, {"x": "y" * 3000}), max_record=2000)
    assert (got.ids, got.reasons) == (list(range(1, 9)), ["too-long", "too-long"])


def test_a_page_that_is_too_long_is_one_rejected_record(read):
    got = read(archive({"data": [tweet(n, text="к" * 300) for n in range(1, 90)]}, tweet(90)), max_record=2000)
    assert (got.ids, got.reasons) == ([90], ["too-long"])


def test_a_delete_message_has_the_id_of_its_tweet():
    for message in (
        {"delete": {"status": {"id": 7, "id_str": "7", "user_id": 5}}},
        {"delete": {"tweet": {"id": "7", "author_id": "5"}}},
    ):
        assert parse_line(orjson.dumps(message)).deleted == 7
    assert parse_line(b'{"delete": {"status": {}}}').deleted is None
    assert parse_line(b'{"delete": []}').deleted is None


def test_a_file_may_mix_versions_of_the_api(read):
    old = {"id": 3, "created_at": "Thu Dec 10 08:01:02 +0000 2015", "text": "Дом", "user": {"screen_name": "masha"}}
    assert read(archive({"data": [tweet(1)]}, tweet(2), old)).ids == [1, 2, 3]


def test_a_retweet_whose_included_original_has_no_text_has_its_own(read):
    page = {
        "data": [tweet(1, text="RT @a: Ориг…", referenced_tweets=retweeted(9))],
        "includes": {"tweets": [{"id": "9"}]},
    }
    (row,) = read(archive(page)).tweets
    assert (row["text"], row["is_retweet"]) == ("RT @a: Ориг…", True)


@pytest.mark.parametrize(
    "page",
    [
        r'{"d\u0061ta":[%b,%b]}',
        r'{"meta":{"data":1},"d\u0061ta":[%b,%b]}',
        r'{"data":[{"id":"8"},{"id":"9"}],"data":[%b,%b]}',
        r'{"includes":{"tweets":[%b]},"data":[%b]}',
        '\ufeff{ "data" : [ %b , %b ] }',
        r'{"meta":"\ud83d","data":[%b,%b]}',
    ],
)
def test_every_tweet_of_a_page_has_an_offset_of_its_own(read, page):
    one = orjson.dumps(tweet(1, data=1))
    content = b"\n" + page.encode() % (one, one)
    got = read(content)
    places = [row["offset"] for row in got.tweets]
    assert got.reasons == []
    assert len(set(places)) == len(places) == (1 if b"includes" in content else 2)
    assert all(content[place:].startswith(one) for place in places)
    assert places[-1] == content.rindex(one)


def test_the_raw_record_of_a_rejected_tweet_of_a_page_is_unchanged(read):
    got = read(rb'{"data":[{"id":"x","text":"\ud83d"}]}')
    assert [bytes(row["raw"]) for row in got.rejects] == [rb'{"id":"x","text":"\ud83d"}']
