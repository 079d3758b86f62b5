import csv
import io
import json

import pytest

from tonality.ingest.containers.streams import Block, FileStream
from tonality.ingest.formats.known_tables import known_table
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import ControlMessage, RejectedRecord, Tweet
from tonality.ingest.formats.rutweetcorp import RuTweetCorpRecords, rutweetcorp_tweet

TWARC_CSV = (
    "id,conversation_id,referenced_tweets.replied_to.id,referenced_tweets.retweeted.id,referenced_tweets.quoted.id,"
    "author_id,in_reply_to_user_id,in_reply_to_username,retweeted_user_id,retweeted_username,quoted_user_id,"
    "quoted_username,created_at,text,lang,source,public_metrics.impression_count,public_metrics.like_count,"
    "edit_history_tweet_ids,entities.hashtags,author.id,author.created_at,author.username,author.name,__twarc.version"
)
TWARC_CSV_0_1 = (
    "reply_settings,possibly_sensitive,id,context_annotations,source,text,author_id,conversation_id,created_at,lang,"
    "entities.mentions,public_metrics.retweet_count,author.username,entities.hashtags,type,referenced_tweets"
)
TWARC_1 = (
    "id,tweet_url,created_at,parsed_created_at,user_screen_name,text,tweet_type,coordinates,hashtags,lang,"
    "retweet_count,retweet_or_quote_id,user_id,user_name"
)
SENTIMENT = '"0","1467810369","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","_TheSpecialOne_","{}"'
RUSSIAN = '"{}";"1386325927";"pleease_shut_up";"{}";"1";"0";"0";"0";"7569";"62";"61";"0"'


def lines_of(content, max_record=2**20):
    return Lines(FileStream(io.BytesIO(content)).blocks(), max_record)


def read(content):
    """The records of a file that tells itself what it is."""
    known = known_table(content.split(b"\n")[0].decode("utf-8", "replace"))
    return list(known.records(lines_of(content)))


def tweets(content):
    return [record.outcome for record in read(content) if isinstance(record.outcome, Tweet)]


def written(header, *rows):
    """A table as the CSV writers of Python and pandas write it."""
    file = io.StringIO()
    writer = csv.DictWriter(file, header.split(","), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def row(**fields):
    return {"id": "7", "created_at": "2021-04-08T19:34:16.000Z", "text": "hello"} | fields


# What is known


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (TWARC_CSV, "twarc-csv"),
        (TWARC_CSV_0_1 + "\r\n", "twarc-csv"),
        ("\ufeff" + ",".join(f'"{name}"' for name in TWARC_CSV.split(",")), "twarc-csv"),
        ("id,created_at,author.username,text", "twarc-csv"),
        (TWARC_1, "twarc"),
        (SENTIMENT.format("hello"), "Sentiment140"),
        ('4,3,Mon May 11 03:17:40 UTC 2009,kindle2,tpryan,"never closed', "Sentiment140"),
        (RUSSIAN.format(408906692374446080, "привет"), "RuTweetCorp"),
        ("\ufeff" + RUSSIAN.format(1, "привет"), "RuTweetCorp"),
        ('408906692374446080;1386325927;author;"a text whose end is on another line', "RuTweetCorp"),
    ],
)
def test_a_table_is_known_by_its_first_line(line, name):
    assert known_table(line).name == name


@pytest.mark.parametrize(
    "line",
    [
        *["", "id,created_at,text", "id,text,author.username", "when,text", '"id,created_at,author.username,text'],
        *["id;created_at;author.username;text", "1;2;3", '{"id": 1, "text": "1;1386325927;"}', "привет", "\ufffd\0"],
        *["id,created_at,username,public_metrics.tweet_count", "0,1,2015-12-10,q,u,t"],
    ],
)
def test_any_other_table_is_not(line):
    assert known_table(line) is None


# twarc-csv


def test_twarc_csv_is_read_by_its_own_columns():
    fields = {"author.username": "vasya", "author_id": "17", "lang": "ru"}
    content = written(TWARC_CSV, row(text="Привет #кино", **fields))
    assert tweets(content) == [Tweet(7, 1617910456000000, "vasya", "ru", "Привет #кино", ["кино"], False)]


def test_twarc_csv_may_have_only_the_columns_that_somebody_chose():
    (tweet,) = tweets(written("id,author_id,created_at,text,public_metrics.like_count", row(author_id="17")))
    assert (tweet.author, tweet.lang, tweet.is_retweet) == ("17", None, False)


@pytest.mark.parametrize(
    ("header", "fields", "expected"),
    [
        (TWARC_CSV, {"referenced_tweets.retweeted.id": "1380175475545362437"}, True),
        (TWARC_CSV, {"referenced_tweets.retweeted.id": "1.3801754755453624e+18"}, True),
        (TWARC_CSV, {"referenced_tweets.quoted.id": "1380175475545362437", "text": "RT @vasya: hello"}, False),
        (TWARC_CSV_0_1, {"referenced_tweets": '[{"type": "retweeted", "id": "138"}]'}, True),
        (TWARC_CSV_0_1, {"referenced_tweets": '[{"type": "quoted", "id": "138"}]'}, False),
        ("id,created_at,text,author.id,retweeted_user_id", {"retweeted_user_id": "12"}, True),
        ("id,created_at,text,author.id", {"text": "RT @vasya: hello"}, True),
        ("id,created_at,text,author.id", {"text": "not RT @vasya: hello"}, False),
    ],
)
def test_twarc_csv_tells_a_retweet_by_the_best_column_that_is_there(header, fields, expected):
    assert tweets(written(header, row(**fields)))[0].is_retweet is expected


def test_line_breaks_that_twarc_csv_wrote_as_two_characters_are_line_breaks_again():
    assert tweets(written(TWARC_CSV, row(text=r"one\ntwo")))[0].text == "one\ntwo"


def test_fields_that_twarc_csv_wrote_as_json_are_read():
    encoded = {name: json.dumps(value) for name, value in row(text='"so"\nпривет').items()}
    content = written(TWARC_CSV, encoded | {"author.username": '"vasya"', "lang": '"ru"'})
    assert tweets(content) == [Tweet(7, 1617910456000000, "vasya", "ru", '"so"\nпривет', [], False)]


def test_texts_that_the_first_twarc_csv_wrote_as_json_are_read():
    assert tweets(written(TWARC_CSV_0_1, row(text=r'"can\u2019t \n wait"')))[0].text == "can’t \n wait"


@pytest.mark.parametrize("header", [TWARC_CSV, TWARC_CSV_0_1])
def test_half_of_a_character_that_twarc_csv_wrote_as_json_is_one_that_cannot_be_shown(header):
    encoded = {name: json.dumps(value) for name, value in row(text="a\ud83d").items()}
    (tweet,) = tweets(written(header, encoded | {"author.username": r'"\udc00 b"', "lang": '"ru"'}))
    assert (tweet.text, tweet.author) == ("a\ufffd", "\ufffd b")


@pytest.mark.parametrize(
    ("header", "text"),
    [(TWARC_CSV, '"quoted"'), (TWARC_CSV, '"'), (TWARC_CSV, '"a" b "c"'), (TWARC_CSV_0_1, '"a" b "c"')],
)
def test_a_text_in_quotes_that_is_no_json_keeps_them(header, text):
    assert tweets(written(header, row(text=text)))[0].text == text


@pytest.mark.parametrize(("kind", "expected"), [("retweet", True), ("original", False), ("quote", False)])
def test_the_csv_of_twarc_1_is_read_by_its_own_columns(kind, expected):
    fields = {"created_at": "Thu Dec 10 08:01:02 +0000 2015", "user_screen_name": "vasya", "lang": "ru"}
    content = written(TWARC_1, row(text="one\ntwo", tweet_type=kind, retweet_count="5", **fields))
    assert tweets(content) == [Tweet(7, 1449734462000000, "vasya", "ru", "one\ntwo", [], expected)]


# Sentiment140


def test_sentiment140_is_read_as_it_was_published():
    content = (SENTIMENT.format("caf\xe9 &quot;x&quot;") + "\n" + SENTIMENT.format("RT @a: b") + "\n").encode("latin-1")
    first, second = read(content)
    assert first.outcome == Tweet(1467810369, 1239081585000000, "_TheSpecialOne_", None, 'caf\xe9 "x"', [], False)
    assert (first.offset, first.number) == (0, 1)
    assert second.outcome.is_retweet


# RuTweetCorp


def test_rutweetcorp_is_read_as_it_was_published():
    (record,) = read(RUSSIAN.format(408906692374446080, "Да, ну #кино").encode() + b"\n")
    tweet = Tweet(408906692374446080, 1386325927000000, "pleease_shut_up", None, "Да, ну #кино", ["кино"], False)
    assert (record.offset, record.number, record.outcome) == (0, 1, tweet)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("раз\nдва", "раз\nдва"),
        ("раз\r\n\r\nдва", "раз\n\nдва"),
        ('он ""да"" сказал', 'он "да" сказал'),
        ('стр"ая кавычка', 'стр"ая кавычка'),
        ("раз; два; три", "раз; два; три"),
        ("смайл ;) и ;-)", "смайл ;) и ;-)"),
        ("1;2;3;4", "1;2;3;4"),
    ],
)
def test_a_text_of_rutweetcorp_may_hold_anything(written, text):
    content = "\n".join([RUSSIAN.format(1, "до"), RUSSIAN.format(2, written), RUSSIAN.format(3, "после"), ""])
    assert [tweet.text for tweet in tweets(content.encode())] == ["до", text, "после"]


def test_a_retweet_of_rutweetcorp_is_told_by_its_text():
    content = "\n".join(RUSSIAN.format(n, text) for n, text in enumerate(["RT @a: да", "да RT @a: да"], 1))
    assert [tweet.is_retweet for tweet in tweets(content.encode())] == [True, False]


def test_fields_of_rutweetcorp_need_no_quotes():
    content = RUSSIAN.replace('"', "").format(5, "привет; вот")
    assert [(tweet.tweet_id, tweet.text) for tweet in tweets(content.encode())] == [(5, "привет; вот")]


@pytest.mark.parametrize(
    ("broken", "reasons"),
    [
        ('"2";"1386325927";"who";"no end', ["malformed-csv"]),
        ('"2";"1386325927";"who";"no end\nat all', ["malformed-csv"]),
        ('"2";"1386325927";"no author"' + ";0" * 8, ["malformed-csv"]),
        ("no start;" + RUSSIAN[4:], ["malformed-csv"]),
        ("no start\nat all", ["malformed-csv"] * 2),
        (RUSSIAN.format(2, ""), ["no-text"]),
        (RUSSIAN.format("9" * 25, "a"), ["wrong-type"]),
        (RUSSIAN.format(2, "a").replace("1386325927", "000000000"), ["bad-date"]),
        (RUSSIAN.format(2, "a\0"), ["nul-byte"]),
        (RUSSIAN.format(2, "a\nb\0"), ["nul-byte"]),
        (RUSSIAN.format(2, "a\nb\udcff\nc"), ["invalid-utf8"]),
        ("\n\n", []),
    ],
)
def test_a_broken_row_of_rutweetcorp_costs_no_neighbour(broken, reasons):
    content = "\n".join([RUSSIAN.format(1, "до"), broken, RUSSIAN.format(3, "после\nвсего")])
    records = read(content.encode("utf-8", "surrogateescape"))
    assert [record.outcome.tweet_id for record in (records[0], records[-1])] == [1, 3]
    found = [record.outcome.reason for record in records if isinstance(record.outcome, RejectedRecord)]
    assert found == reasons
    spans = [record.number + n for record in records for n in range(record.raw.count(b"\n") + 1)]
    assert spans == list(range(1, content.count("\n") + 2))


def test_blank_lines_between_rows_of_rutweetcorp_are_notices():
    content = "\n".join([RUSSIAN.format(1, "до"), "", "\r", RUSSIAN.format(3, "после")])
    assert [record.outcome for record in read(content.encode())][1:3] == [ControlMessage("blank")] * 2


def test_a_row_of_rutweetcorp_that_does_not_end_is_given_up_line_by_line():
    content = "\n".join([RUSSIAN.format(1, "до"), RUSSIAN.format(2, "\n" * 500), RUSSIAN.format(3, "после")])
    records = read(content.encode())
    assert [tweet.tweet_id for tweet in tweets(content.encode())] == [1, 3]
    assert [record.number for record in records] == list(range(1, 504))
    assert {record.outcome.reason for record in records[1:-1] if isinstance(record.outcome, RejectedRecord)} == {
        "malformed-csv"
    }


def test_a_row_of_rutweetcorp_that_is_too_long_is_a_reject_alone():
    content = "\n".join([RUSSIAN.format(1, "до"), RUSSIAN.format(2, "x" * 900), RUSSIAN.format(3, "после")])
    outcomes = [record.outcome for record in RuTweetCorpRecords(lines_of(content.encode(), 500), rutweetcorp_tweet)]
    assert [getattr(outcome, "reason", "") for outcome in outcomes] == ["", "too-long", ""]


def test_the_row_in_which_rutweetcorp_breaks_off_is_a_reject_with_all_its_lines():
    whole, start = RUSSIAN.format(1, "до").encode(), b'"2";"1386325927";"who";"one\ntwo'
    records = RuTweetCorpRecords(
        Lines(iter([Block(whole + b"\n" + start), Block(b"", "cut off")]), 2**20), rutweetcorp_tweet
    )
    first, second = records
    assert (first.outcome.text, second.raw, second.outcome.reason) == ("до", start, "cut-off")
    assert records.damage == "cut off"


def test_what_follows_a_break_in_rutweetcorp_is_no_part_of_the_row_before_it():
    blocks = [Block(b'"2";"1386325927";"who";"one'), Block(b"", "broken"), Block(b"x\nrest\n")]
    blocks.append(Block(RUSSIAN.format(3, "после").encode()))
    outcomes = [record.outcome for record in RuTweetCorpRecords(Lines(iter(blocks), 2**20), rutweetcorp_tweet)]
    assert [getattr(outcome, "reason", "") for outcome in outcomes] == ["cut-off", "malformed-csv", ""]


def test_a_last_row_of_rutweetcorp_without_its_end_is_a_reject():
    content = RUSSIAN.format(1, "до") + '\n"2";"1386325927";"who";"no end\nat all\n'
    assert [getattr(record.outcome, "reason", "") for record in read(content.encode())] == ["", "malformed-csv"]


def test_a_byte_order_mark_costs_rutweetcorp_nothing():
    content = "\ufeff" + RUSSIAN.format(1, "раз\nдва")
    assert [tweet.text for tweet in tweets(content.encode())] == ["раз\nдва"]
