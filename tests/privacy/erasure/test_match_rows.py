"""Matching of rows to erase: by requests, by words, and by the content of rejects and examples."""

import json

import pytest

from tonality.privacy.digests import SaltedDigests
from tonality.privacy.erasure.adjust_accounts import adjust_accounts
from tonality.privacy.erasure.match_rows import match_requests, match_words
from tonality.privacy.erasure.report_examples import Example, matches_tweet, parse_examples
from tonality.privacy.erasure.scrub_rejects import find_rejects, scrub_rejects

SALT = "5a" * 32
LOCATION = "part string, name string, row long"


def requests(spark, *rows):
    return spark.createDataFrame(list(rows), "tweet_id long, author string")


def test_rows_match_requests_by_id_or_by_author_in_any_case_and_never_by_null(spark):
    rows = [(1, "anna"), (2, "Boris"), (3, None), (None, "clara"), (5, "dora")]
    located = [(number, author, "day=1", "a", index) for index, (number, author) in enumerate(rows)]
    table = spark.createDataFrame(located, f"tweet_id long, author string, {LOCATION}")
    found = match_requests(table, requests(spark, (1, None), (1, None), (None, "boris"), (None, "clara")))
    assert sorted(row.row for row in found.collect()) == [0, 1, 3]


def test_as_many_training_rows_of_the_same_words_match_as_tweets_were_removed(spark):
    rows = [("кин", 1.0)] * 4 + [("кин", 0.0)] * 2 + [("дом", 1.0)] * 2 + [("лес", 0.0)]
    placed = [(stems, label, "split=train", "a", index) for index, (stems, label) in enumerate(rows)]
    dataset = spark.createDataFrame(placed, f"stems string, label float, {LOCATION}")
    removed = [("кин", 1.0)] * 2 + [("дом", 1.0)] * 5 + [("лес", 1.0), ("неизвестн", 0.0)]
    found = match_words(dataset, spark.createDataFrame(removed, "stems string, label float"))
    assert sorted(row.row for row in found.collect()) == [0, 1, 6, 7]


def test_an_account_keeps_its_sum_when_its_tweets_are_erased(spark):
    columns = "source string, run string, lines long, tweets long, filtered long, deleted long"
    accounts = spark.createDataFrame(
        [("a", "r1", 9, 6, 3, 1), ("a", "r2", 9, 6, 3, 1), ("b", "r1", 5, 5, 0, 0)], columns
    )
    removed = spark.createDataFrame([("a", "r2")] * 2 + [("c", "r1")], "source string, run string")
    found = {
        (row.source, row.run): (row.tweets, row.filtered, row.deleted, row.erased)
        for row in adjust_accounts(accounts, removed).collect()
    }
    assert found == {("a", "r1"): (6, 3, 1, 0), ("a", "r2"): (4, 5, 3, 2), ("b", "r1"): (5, 0, 0, 0)}


DIGESTS = SaltedDigests(bytes.fromhex(SALT))
ERASED = [
    DIGESTS.tweet(601430178305220608),
    DIGESTS.author("anna_s"),
    DIGESTS.author("Анна Петрова"),
    DIGESTS.text('Я — "тут", да'),
    DIGESTS.text("мы <3 & ты"),
]


@pytest.mark.parametrize(
    ("raw", "matches"),
    [
        (b'{"id":601430178305220608,"text":', True),
        (b'{"id_str":"601430178305220608"', True),
        (b'{"id":6014301783052206081}', False),
        (b'{"user":{"screen_name":"Anna_S"', True),
        (b'{"text":"@anna_s!"', True),
        (b'{"screen_name":"anna"}', False),
        ('x;Анна Петрова;y'.encode(), True),
        ('1,"анна петрова",z'.encode(), True),
        (json.dumps({"name": "Анна Петрова"}).encode(), True),
        (json.dumps({"text": 'Я — "тут", да'}).encode(), True),
        ('5,"Я — ""тут"", да",1'.encode(), True),
        (json.dumps({"text": "Я — тут, да"}).encode(), False),
        (json.dumps({"text": "мы &lt;3 &amp; ты"}).encode(), True),
        ('{"text":"мы &lt;3 &amp; ты'.encode(), True),
        ('5,мы &lt;3 &amp; ты,1'.encode(), True),
        ('5,мы &amp;lt;3 &amp; ты,1'.encode(), False),
        (b"\xff\xfe 601430178305220608\0", True),
        (b"", False),
        (None, False),
    ],
)  # fmt: skip
def test_a_reject_with_an_id_a_name_or_a_text_is_found_in_any_form(spark, raw, matches):
    rejects = spark.createDataFrame([("window=x", "a", 0, raw, "")], f"{LOCATION}, raw binary, detail string")
    erased = spark.createDataFrame([(digest,) for digest in ERASED], "mark binary")
    assert (find_rejects(rejects, erased, SALT).count() == 1) == matches


def test_a_reject_that_matches_by_its_detail_loses_raw_and_detail_and_no_other_does(spark):
    rows = [("window=x", "a", 0, b"raw", "id is 'anna_s'", "wrong-type"), ("window=x", "a", 1, b"raw", "else", "no-id")]
    rejects = spark.createDataFrame(rows, f"{LOCATION}, raw binary, detail string, reason string")
    locations = find_rejects(rejects, spark.createDataFrame([(digest,) for digest in ERASED], "mark binary"), SALT)
    found = scrub_rejects(rejects, locations).orderBy("row").collect()
    assert [(bytes(row.raw), row.detail, row.reason) for row in found] == [
        (b"", "", "wrong-type"),
        (b"raw", "else", "no-id"),
    ]


def test_an_example_matches_its_tweet_whatever_the_punctuation():
    content = 'tonality,probability,created_at,author,text\n"positive","0.9","2015-12-10T08:00:00Z","\'@anna","\'=да; \'+нет"\n'
    examples = parse_examples(content.encode("utf-8-sig"))
    assert examples == [Example("2015-12-10T08:00:00Z", "@anna", "'=да; '+нет")]
    assert matches_tweet(examples, "2015-12-10T08:00:00Z", "=да;\n+нет")
    assert not matches_tweet(examples, "2015-12-10T08:00:01Z", "=да;\n+нет")
    assert not matches_tweet(examples, "2015-12-10T08:00:00Z", "=да")
    assert parse_examples(b"\x00\x01") == []
