import csv
import io

import pytest

from tonality.ingest.containers.streams import Block, FileStream
from tonality.ingest.formats.csv_rows import CsvRecords, Layout, csv_columns
from tonality.ingest.formats.lines import Lines
from tonality.ingest.formats.record import ControlMessage, RejectedRecord, Tweet
from tonality.ingest.formats.row_mapping import TweetMapper
from tonality.runtime.settings.sections import ColumnNames

DAY = "2015-12-10"
PLAIN = Layout()
MAPPER = TweetMapper(ColumnNames(id="id", created_at="when", text="text"))
HEAD = b"id,when,text\n"


def lines_of(content, max_record=2**20):
    return Lines(FileStream(io.BytesIO(content)).blocks(), max_record)


def read(content, layout=PLAIN, max_record=2**20):
    records = CsvRecords(lines_of(content, max_record), layout, MAPPER)
    return list(records), records.damage


def outcomes(content, layout=PLAIN, **options):
    return [record.outcome for record in read(content, layout, **options)[0]]


def texts(content, layout=PLAIN, **options):
    return [outcome.text for outcome in outcomes(content, layout, **options) if isinstance(outcome, Tweet)]


def reasons(content, layout=PLAIN, **options):
    found = outcomes(content, layout, **options)
    return [outcome.reason for outcome in found if isinstance(outcome, RejectedRecord)]


# Headers


def test_a_row_is_read_by_the_names_in_the_header_whatever_their_order():
    (record,), damage = read(b"more,text,id,when\nx,hello,7,2015-12-10\n")
    assert (record.offset, record.number, record.raw) == (18, 2, b"x,hello,7,2015-12-10")
    assert record.outcome == Tweet(7, 1449705600000000, None, None, "hello", [], False)
    assert damage == ""


def test_a_file_without_a_header_is_read_by_the_names_that_its_layout_has():
    layout = Layout(header=("label", "id", "when", "text"))
    content = b"4,7,2015-12-10,first\n4,8,2015-12-10\n4,9,2015-12-10,third\n"
    assert (texts(content, layout), reasons(content, layout)) == (["first", "third"], ["malformed-csv"])
    assert read(content, layout)[0][0][:2] == (0, 1)


def test_a_layout_that_lacks_a_named_column_says_so():
    layout = Layout(header=("label", "id", "text"))
    assert read(b"4,7,first\n", layout) == ([], "no column when; there are label, id, text")


def test_blank_lines_before_the_header_are_notices():
    found = outcomes(b"\n\r\n" + HEAD + b"7,2015-12-10,hello\n")
    assert found[:2] == [ControlMessage("blank"), ControlMessage("blank")]
    assert [outcome.text for outcome in found[2:]] == ["hello"]


def test_the_header_again_is_a_notice_as_files_put_one_behind_the_other_have_it():
    content = HEAD + b"7,2015-12-10,a\n\xef\xbb\xbf" + HEAD + b"8,2015-12-10,b\n"
    assert outcomes(content)[1] == ControlMessage("header")
    assert texts(content) == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\n", HEAD, HEAD[:-1]])
def test_a_file_without_a_row_is_empty_and_not_damaged(content):
    records, damage = read(content)
    assert all(record.outcome == ControlMessage("blank") for record in records)
    assert damage == ""


@pytest.mark.parametrize("content", [b'"id,when,text\n', b"\xff\n", b"id,wh\0en,text\n7,2015-12-10,a\n"])
def test_a_header_that_cannot_be_read_is_damage(content):
    assert read(content) == ([], "no column id, when, text; there are none")


@pytest.mark.parametrize(
    ("content", "columns"),
    [(HEAD, ["id", "when", "text"]), (b"\n\xef\xbb\xbf" + HEAD, ["id", "when", "text"]), (b"", []), (b"\xff", [])],
)
def test_the_columns_of_a_file_are_those_of_its_header(content, columns):
    assert csv_columns(lines_of(content), ",") == columns


def test_a_name_that_two_columns_have_is_the_first():
    assert texts(b"id,when,text,text\n7,2015-12-10,one,two\n") == ["one"]


# Fields


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_quoted_and_plain_fields_are_read_alike(delimiter):
    plain = delimiter.join(["id", "when", "text"]) + "\n" + delimiter.join(["7", DAY, "hello"]) + "\n"
    quoted = delimiter.join(['"id"', "when", '"text"']) + "\n" + delimiter.join(["7", f'"{DAY}"', '"hello"']) + "\n"
    layout = Layout(delimiter)
    assert outcomes(plain.encode(), layout) == outcomes(quoted.encode(), layout)
    assert texts(plain.encode(), layout) == ["hello"]


def test_a_quote_inside_a_field_is_a_character():
    assert texts(HEAD + b'7,2015-12-10,5" of rain\n') == ['5" of rain']


@pytest.mark.parametrize("size", [131_072, 131_073, 900_000])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_field_may_be_as_long_as_a_record(size, quote):
    text = "x" * size
    assert texts(HEAD + f"7,{DAY},{quote}{text}{quote}\n8,{DAY},y\n".encode()) == [text, "y"]


def test_a_field_that_is_longer_than_a_record_over_many_lines_costs_no_neighbour():
    long = b'7,2015-12-10,"' + b"\n".join([b"x" * 90] * 150) + b'"\n'
    content = HEAD + b"6,2015-12-10,a\n" + long + b"8,2015-12-10,c\n"
    records, _ = read(content, max_record=1000)
    assert texts(content, max_record=1000) == ["a", "c"]
    (reject,) = (record for record in records if isinstance(record.outcome, RejectedRecord))
    assert (reject.outcome.reason, reject.outcome.detail) == ("too-long", f"{len(long) - 1} bytes, at most 1000")
    assert reject.raw == long[:1000]


def test_reading_never_lowers_the_limit_that_others_have_set():
    before = csv.field_size_limit(5_000_000)
    try:
        texts(HEAD + b'7,2015-12-10,"a"\n')
        assert csv.field_size_limit() == 5_000_000
    finally:
        csv.field_size_limit(before)


def test_latin_1_has_a_character_for_every_byte():
    layout = Layout(encoding="latin-1")
    assert texts(HEAD + b"7,2015-12-10,caf\xe9 \x85\xa0\n", layout) == ["caf\xe9 \x85\xa0"]
    assert reasons(HEAD + b"7,2015-12-10,caf\xe9\n") == ["invalid-utf8"]


def test_what_a_writer_did_to_the_fields_is_mended_before_they_are_read():
    layout = Layout(mend=lambda fields: (fields[0], fields[1], None, fields[3].upper(), None, "yes"))
    (tweet,) = outcomes(HEAD + b"7,2015-12-10,hello\n", layout)
    assert (tweet.text, tweet.is_retweet) == ("HELLO", True)


# Breaks


def test_the_line_in_which_a_file_breaks_off_is_a_reject_and_the_break_is_its_damage():
    blocks = iter([Block(HEAD + b"7,2015-12-10,a\n8,2015-"), Block(b"", "gzip stream cut off")])
    records = CsvRecords(Lines(blocks, 2**20), PLAIN, MAPPER)
    first, second = records
    assert (first.outcome.text, second.outcome.reason, second.outcome.detail) == ("a", "cut-off", "gzip stream cut off")
    assert (second.offset, second.raw, records.damage) == (28, b"8,2015-", "gzip stream cut off")


def test_a_file_that_breaks_off_in_its_header_says_both():
    records = CsvRecords(Lines(iter([Block(b"id,wh"), Block(b"", "cut off")]), 2**20), PLAIN, MAPPER)
    assert list(records) == []
    assert records.damage == "no column id, when, text; there are none; cut off"


def test_a_file_that_breaks_off_before_its_header_says_where():
    records = CsvRecords(Lines(iter([Block(b"", "cut off")]), 2**20), PLAIN, MAPPER)
    assert (list(records), records.damage) == ([], "cut off")


def test_what_follows_a_break_is_read():
    blocks = [Block(HEAD + b'7,2015-12-10,a\n8,2015-12-10,"b'), Block(b"", "broken"), Block(b"x\n9,2015-12-10,c\n")]
    found = [record.outcome for record in CsvRecords(Lines(iter(blocks), 2**20), PLAIN, MAPPER)]
    assert [outcome.text for outcome in found if isinstance(outcome, Tweet)] == ["a", "c"]
    assert [outcome.reason for outcome in found if isinstance(outcome, RejectedRecord)] == ["cut-off"]
