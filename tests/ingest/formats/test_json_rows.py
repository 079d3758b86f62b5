import io
import json

import pytest

from tonality.ingest.containers.streams import Block, FileStream
from tonality.ingest.formats.json_rows import JsonTableRecords
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import ControlMessage, RejectedRecord, Tweet
from tonality.ingest.formats.row_mapping import TweetMapper
from tonality.runtime.settings.sections import ColumnNames

COLUMNS = ColumnNames(id="id", created_at="when", text="text", author="user.screen_name", lang="lang", retweet="of")
GOOD = b'{"id": 7, "when": "2015-12-10", "text": "hello"}'


def read(content, columns=COLUMNS, max_record=2**20):
    records = JsonTableRecords(Lines(FileStream(io.BytesIO(content)).blocks(), max_record), TweetMapper(columns))
    return list(records), records.damage


def outcome(row, columns=COLUMNS):
    ((record,), _) = read(row if isinstance(row, bytes) else json.dumps(row).encode(), columns)
    return record.outcome


def test_an_object_is_a_row_by_its_keys():
    row = {"id": "7", "when": 1449734462, "text": "Привет", "user": {"screen_name": "vasya"}, "lang": "ru", "of": 5}
    assert outcome(row) == Tweet(7, 1449734462000000, "vasya", "ru", "Привет", [], True)


def test_records_have_their_positions():
    records, damage = read(GOOD + b"\r\n\n" + GOOD)
    assert [(record.offset, record.number) for record in records] == [(0, 1), (50, 2), (51, 3)]
    assert (records[2].raw, damage) == (GOOD, "")


def test_a_missing_key_is_a_missing_value():
    found = outcome(GOOD)
    assert (found.author, found.lang, found.is_retweet) == (None, None, False)


@pytest.mark.parametrize(
    ("row", "author"),
    [
        ({"user": {"screen_name": "nested"}}, "nested"),
        ({"user.screen_name": "literal", "user": {"screen_name": "nested"}}, "literal"),
        ({"user": {"screen_name": None}}, None),
        ({"user": "screen_name"}, None),
        ({"user": None}, None),
        ({"user": [1]}, None),
        ({}, None),
    ],
)
def test_a_dotted_name_that_is_no_key_refers_to_a_nested_object(row, author):
    assert outcome(json.loads(GOOD) | row).author == author


def test_a_dotted_name_may_refer_to_a_deeply_nested_dotted_key():
    columns = ColumnNames(created_at="when.$date", text="a.b.c")
    row = {"when": {"$date": 1449734462000}, "a": {"b.c": "deep"}}
    assert outcome(row, columns).text == "deep"


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b"  \n"])
def test_a_blank_line_is_a_control_message(line):
    assert [record.outcome for record in read(line)[0]] == [ControlMessage("blank")]


def test_a_byte_order_mark_changes_nothing():
    assert outcome(b"\xef\xbb\xbf" + GOOD) == outcome(GOOD)


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (b"{", "malformed-json", "unexpected end of data"),
        (b'{"id": 7,}', "malformed-json", "trailing comma"),
        (GOOD + b",", "malformed-json", "unexpected content"),
        (b'{"text": "\xff"}', "invalid-utf8", "'utf-8' codec can't decode byte 0xff"),
        (b'{"text": "a\0b"}', "nul-byte", ""),
        (b"\0\0\0", "nul-byte", ""),
        (b"[1]", "wrong-type", "the record is a list, not an object"),
        (b'"text"', "wrong-type", "the record is a str, not an object"),
        (b"null", "wrong-type", "the record is a NoneType, not an object"),
        (b"{}", "no-text", ""),
        (b'{"text": 5}', "wrong-type", "text is a int"),
        (b'{"text": "a"}', "no-date", ""),
        (b'{"text": "a", "when": "never"}', "bad-date", "never"),
        (b'{"text": "a", "when": "2015-12-10"}', "no-id", ""),
        (b'{"text": "a", "when": "2015-12-10", "id": 1440716895355764736.0}', "wrong-type", "id is "),
        (b'{"text": "' + b"x" * 2000 + b'"}', "too-long", "2012 bytes, at most 1024"),
    ],
)
def test_a_line_that_is_no_tweet_costs_no_other(line, reason, detail):
    records, damage = read(GOOD + b"\n" + line + b"\n" + GOOD + b"\n", max_record=1024)
    before, reject, after = (record.outcome for record in records)
    assert (reject.reason, before.text, after.text, damage) == (reason, "hello", "hello", "")
    assert reject.detail.startswith(detail)
    assert records[1].raw == line[:1024]


def test_the_line_in_which_a_file_is_cut_off_is_rejected_and_the_break_is_damage():
    blocks = iter([Block(GOOD + b"\n" + GOOD), Block(b"", "cut off")])
    records = JsonTableRecords(Lines(blocks, 2**20), TweetMapper(COLUMNS))
    first, second = (record.outcome for record in records)
    assert (first.text, second.reason, second.detail, records.damage) == ("hello", "cut-off", "cut off", "cut off")
    assert isinstance(second, RejectedRecord)


@pytest.mark.parametrize("key", ["id", "when"])
def test_a_field_nested_too_deeply_for_python_costs_no_other_line(key):
    deep = f'{{"id": 7, "text": "x", "{key}": {"[" * 1010}{"]" * 1010}}}\n'.encode()
    records, _ = read(deep + GOOD)
    assert [type(record.outcome) for record in records] == [RejectedRecord, Tweet]


@pytest.mark.parametrize(("escaped", "shown"), [(r"a\ud83d", "a\ufffd"), (r"\\ud83d \udc00.", "\\ud83d \ufffd.")])
def test_a_lone_surrogate_is_a_replacement_character(escaped, shown):
    assert outcome(GOOD.replace(b"hello", escaped.encode())).text == shown
    assert outcome(GOOD.replace(b"}", f', "zz": "{escaped}"}}'.encode())).text == "hello"
