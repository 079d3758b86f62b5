import bz2
import gzip
import io
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tonality.ingest.planning.files import check_columns, find_files
from tonality.runtime.diagnostics.errors import InputError

COLUMNS = {"created_at": "when", "text": "text"}
EVERY = COLUMNS | {"id": "id", "author": "who", "lang": "lang", "retweet": "rt"}
DAY = "2015-12-10"


def table(*rows, header="when,text"):
    return "\n".join([header, *rows, ""]).encode()


def test_a_row_becomes_a_tweet_by_the_names_of_its_columns(read):
    content = table(f"yes,Russian,vasya,7,{DAY},Привет #Кино,unused", header="rt,lang,who,id,when,text,more")
    (tweet,) = read(content, columns=EVERY).tweets
    assert (tweet["tweet_id"], tweet["author"], tweet["lang"], tweet["text"]) == (7, "vasya", "Russian", "Привет #Кино")
    assert (str(tweet["created_at"]), tweet["hashtags"], tweet["is_retweet"]) == (
        f"{DAY} 00:00:00+00:00",
        ["кино"],
        True,
    )
    assert (tweet["offset"], tweet["line"], tweet["stems"]) == (30, 2, "привет кин")


def test_a_table_without_a_column_has_no_such_value(read):
    (tweet,) = read(table(f"{DAY},кот"), columns=COLUMNS).tweets
    assert (tweet["author"], tweet["lang"], tweet["is_retweet"]) == (None, None, False)


def test_an_empty_field_is_no_value(read):
    (tweet,) = read(table(f"7,{DAY},кот,,,", header="id,when,text,who,lang,rt"), columns=EVERY).tweets
    assert (tweet["author"], tweet["lang"], tweet["is_retweet"]) == (None, None, False)


@pytest.mark.parametrize("value", ["1", "1.0", "true", "TRUE", "t", "Yes", " y "])
def test_a_retweet_is_marked_in_many_ways(read, value):
    assert read(table(f"{DAY},кот,{value}", header="when,text,rt"), columns=COLUMNS | {"retweet": "rt"}).tweets[0][
        "is_retweet"
    ]


@pytest.mark.parametrize("value", ["0", "false", "", "нет"])
def test_anything_else_is_no_retweet(read, value):
    rows = read(table(f"{DAY},кот,{value}", header="when,text,rt"), columns=COLUMNS | {"retweet": "rt"})
    assert not rows.tweets[0]["is_retweet"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#Раз и #два_2", ["раз", "два_2"]),
        ("(#раз)#два", ["раз", "два"]),
        ("＃раз", ["раз"]),
        ("#мои\u0306 #йод", ["мой", "йод"]),
        ("номер #1 и #2015 но #2015год", ["2015год"]),
        ("http://t.co/#якорь #раз", ["раз"]),
        ("слово#раз &#39; #", []),
    ],
)
def test_hashtags_are_found_in_the_text(read, text, tags):
    assert read(table(f"{DAY},{text}"), columns=COLUMNS).tweets[0]["hashtags"] == tags


def test_character_references_are_read(read):
    assert read(table(f"{DAY},R&amp;D ?a=1&copy=2"), columns=COLUMNS).tweets[0]["text"] == "R&D ?a=1&copy=2"


def test_a_derived_id_stays_the_same_for_ever(read):
    columns = COLUMNS | {"author": "who"}
    rows = (f"{DAY},кот,vasya", f"{DAY},кот,petya", f"{DAY},кот,vasya", "2015-12-11,кот,vasya", f"{DAY},дом,vasya")
    ids = read(table(*rows, header="when,text,who"), columns=columns).ids
    assert ids[0] == ids[2] == 1155974492572213009
    assert len(set(ids)) == 4
    assert all(0 <= number < 2**63 for number in ids)


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        (b"7,2015-12-10", "malformed-csv", "2 fields, expected 3"),
        (b"7,2015-12-10,a,b", "malformed-csv", "4 fields, expected 3"),
        (b'7,2015-12-10,"a"b', "malformed-csv", "',' expected after '\"'"),
        (b"7,2015-12-10,a\rb", "malformed-csv", "new-line character seen"),
        (b"7,2015-12-10,a\0b", "nul-byte", ""),
        (b"7,2015-12-10,a\xff", "invalid-utf8", "'utf-8' codec can't decode byte 0xff"),
        (b"7,2015-12-10,", "no-text", ""),
        (b"7,,a", "no-date", ""),
        (b"7,2015-13-10,a", "bad-date", "2015-13-10: "),
        (b",2015-12-10,a", "no-id", ""),
        (b"x,2015-12-10,a", "wrong-type", "id is 'x', not a positive 64-bit number"),
        (b"7,2015-12-10," + b"x" * 2000, "too-long", "2013 bytes, at most 1024"),
        (b'7,2015-12-10,"' + b"x" * 2000, "too-long", "2014 bytes, at most 1024"),
    ],
)
def test_a_row_that_is_no_tweet_is_rejected_alone(read, row, reason, detail):
    content = b"id,when,text\n1,2015-12-10,a\n" + row + b"\n3,2015-12-10,c\n"
    rows = read(content, columns=COLUMNS | {"id": "id"}, max_record=1024)
    assert rows.ids == [1, 3]
    ((reject),) = rows.rejects
    assert (reject["reason"], reject["offset"], reject["line"]) == (reason, 28, 3)
    assert reject["detail"].startswith(detail)
    assert reject["raw"] == row[:1024]


def test_a_quoted_text_may_hold_delimiters_quotes_and_line_breaks(read):
    content = table(f'{DAY},"раз, ""два""\nтри\r\n\nчетыре"', f"{DAY},пять")
    rows = read(content, columns=COLUMNS)
    assert [tweet["text"] for tweet in rows.tweets] == ['раз, "два"\nтри\n\nчетыре', "пять"]
    assert [tweet["line"] for tweet in rows.tweets] == [2, 6]
    assert content[rows.tweets[1]["offset"] :].decode() == f"{DAY},пять\n"
    assert rows.counts["lines"] == 2


def test_a_reject_over_several_lines_keeps_them_all(read):
    (reject,) = read(table('никогда,"раз\nдва"'), columns=COLUMNS).rejects
    assert reject["raw"].decode() == 'никогда,"раз\nдва"'


@pytest.mark.parametrize("following", [1, 5, 300])
def test_a_stray_quote_that_never_closes_gives_up_its_own_line_alone(read, following):
    rows = [f"{DAY},до", f'{DAY},"открыл', *(f"{DAY},строка {n}" for n in range(following))]
    content = table(*rows)
    got = read(content, columns=COLUMNS)
    assert [tweet["text"] for tweet in got.tweets] == ["до", *(f"строка {n}" for n in range(following))]
    assert [content[tweet["offset"] :].split(b"\n")[0].decode() for tweet in got.tweets] == [rows[0], *rows[2:]]
    assert [(reject["reason"], reject["detail"], reject["line"]) for reject in got.rejects] == [
        ("malformed-csv", "a quoted field that never ends", 3)
    ]


def test_a_stray_quote_that_closes_in_a_later_row_gives_up_its_own_line_alone(read):
    got = read(table(f'{DAY},"открыл', f"{DAY},раз", f'{DAY},"два"'), columns=COLUMNS)
    assert [tweet["text"] for tweet in got.tweets] == ["раз", "два"]
    assert got.counts == {"lines": 3, "kept": 2, "notices": 0, "filtered": 0, "rejects": 1}


def test_a_quote_may_run_over_two_hundred_lines_and_no_more(read):
    for lines, kept in ((200, 1), (201, 0)):
        got = read(table(f'{DAY},"' + "\n".join(["х"] * lines) + '"'), columns=COLUMNS)
        assert got.counts["kept"] == kept


def test_a_table_full_of_stray_quotes_is_read_in_a_moment(read):
    rows = [f'{DAY},"строка {n}' if n % 100 == 0 else f"{DAY},строка {n}" for n in range(20_000)]
    started = time.process_time()
    got = read(table(*rows), columns=COLUMNS)
    assert time.process_time() - started < 5
    assert got.counts == {"lines": 20_000, "kept": 19_800, "notices": 0, "filtered": 0, "rejects": 200}


ROW_PIECES = st.lists(
    st.sampled_from([f"{DAY},", '"', '""', "а", ",", "\n", "\r\n", "\n\n", f'\n{DAY},"б"\n']), max_size=40
)


@settings(max_examples=150, deadline=None)
@given(ROW_PIECES.map("".join))
def test_whatever_the_quotes_no_line_is_lost_or_read_twice(read, body):
    got = read(f"when,text\n{body}".encode(), columns=COLUMNS)
    spans = []
    for row in got.tweets:
        spans += range(row["line"], row["line"] + row["text"].count("\n") + 1)
    spans += [row["line"] + n for row in got.rejects for n in range(row["raw"].count(b"\n") + 1)]
    assert len(set(spans)) == len(spans)
    assert set(spans) <= set(range(2, body.count("\n") + 3))
    whole = body.split("\n") if body and not body.endswith("\n") else body.split("\n")[:-1]
    blank = got.counts["notices"]
    assert len(spans) + blank == len(whole)


def test_a_blank_row_is_a_notice(read):
    assert read(table(f"{DAY},а", "", "\r", f"{DAY},б"), columns=COLUMNS).counts["notices"] == 2


@pytest.mark.parametrize("header", ["when,text", '"when","text"'])
def test_a_byte_order_mark_and_windows_line_breaks_change_nothing(read, header):
    content = f"\ufeff{header}\r\n{DAY},а\r\n{DAY},б".encode()
    assert [tweet["text"] for tweet in read(content, columns=COLUMNS).tweets] == ["а", "б"]


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_fields_are_parted_by_the_delimiter(read, delimiter):
    content = f'when{delimiter}text\n{DAY}{delimiter}"раз, два"\n'.encode()
    assert read(content, columns=COLUMNS, delimiter=delimiter).tweets[0]["text"] == "раз, два"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_compressed_table_is_read_as_what_it_holds(read, pack):
    assert read(pack(table(f"{DAY},кот")), columns=COLUMNS).counts["kept"] == 1


def test_a_table_cut_off_keeps_its_whole_rows(read):
    first = gzip.compress(table(f"{DAY},кот") + f"{DAY},до".encode())
    got = read(first + gzip.compress(b"x" * 1000)[:9], columns=COLUMNS)
    assert (got.counts["kept"], got.reasons) == (1, ["cut-off"])
    assert got.damage.startswith("gzip stream cut off")


def test_a_header_alone_is_an_empty_table(read):
    got = read(b"when,text\n", columns=COLUMNS)
    assert (got.counts["lines"], got.damage) == (0, "")


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b"when,content\n1,2\n", "no column text; there are when, content"),
        (b"", ""),
        (b'"when,text\n', "no column when, text; there are none"),
        (b"\xff\n", "no column when, text; there are none"),
    ],
)
def test_a_table_without_the_columns_says_which_and_what_it_has(read, content, damage):
    got = read(content, columns=COLUMNS)
    assert (got.counts["lines"], got.damage) == (0, damage)


def test_a_first_table_without_the_columns_is_refused_with_those_it_has(read_options, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"when,content\n")
    request = read_options(tmp_path, columns=COLUMNS)
    with pytest.raises(
        InputError, match=r"a\.csv has no such column: archive\.columns\.text = 'text'; it has when, content"
    ):
        check_columns(find_files(request.paths), request)


@pytest.mark.parametrize(("header", "delimiter"), [(b"when\ttext\n", "tab"), (b"when;text\n", ";")])
def test_a_table_with_another_delimiter_is_told_which(read_options, tmp_path, header, delimiter):
    (tmp_path / "a.csv").write_bytes(header)
    request = read_options(tmp_path, columns=COLUMNS)
    with pytest.raises(InputError, match=rf'it has one column: set archive\.delimiter = "{delimiter}"\?'):
        check_columns(find_files(request.paths), request)


def test_of_tables_the_first_that_is_not_empty_is_checked(read_options, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "b.csv").write_bytes(b"when,content\n")
    request = read_options(tmp_path, columns=COLUMNS)
    with pytest.raises(InputError, match=r"b\.csv has no such column: archive\.columns\.text = 'text'"):
        check_columns(find_files(request.paths), request)


def test_a_table_without_a_header_that_can_be_read_is_refused(read_options, tmp_path):
    (tmp_path / "a.csv").write_bytes(b'"when,text\n')
    request = read_options(tmp_path, columns=COLUMNS)
    with pytest.raises(InputError, match="it has no header"):
        check_columns(find_files(request.paths), request)


def column_error(files, options):
    try:
        check_columns(files, options)
    except InputError as error:
        return str(error)
    return ""


def test_tables_with_the_columns_and_archives_of_json_pass_the_check(read_options, tmp_path):
    table, json = read_options(tmp_path, columns=COLUMNS), read_options(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"when,more\n")
    files = find_files(table.paths)
    assert "archive.columns.text" in column_error(files, table)
    assert column_error(files, json) == column_error([], table) == ""
    (tmp_path / "a.csv").write_bytes(b"text,when,more\n")
    assert column_error(files, table) == ""


def parquet(columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def test_a_parquet_table_is_read_by_its_columns(read):
    when = pa.array([1449734462, None], pa.int64()).cast(pa.timestamp("s"))
    got = read(
        parquet({"more": [1, 2], "id": [7, 8], "when": when, "text": ["кот", "дом"], "who": ["я", None],
                 "lang": ["ru", "ru"], "rt": [True, False]}),
        columns=EVERY,
    )  # fmt: skip
    (tweet,) = got.tweets
    assert (tweet["tweet_id"], tweet["author"], tweet["is_retweet"]) == (7, "я", True)
    assert str(tweet["created_at"]) == "2015-12-10 08:01:02+00:00"
    (reject,) = got.rejects
    assert (reject["reason"], reject["offset"], reject["line"]) == ("no-date", 1, 2)
    assert reject["raw"].decode() == '{"id": 8, "when": null, "who": null, "text": "дом", "lang": "ru", "rt": false}'


def test_one_parquet_column_may_hold_two_things(read):
    got = read(parquet({"id": [7], "when": [DAY], "text": ["кот"]}), columns=COLUMNS | {"id": "id", "author": "id"})
    assert (got.ids, got.tweets[0]["author"]) == ([7], "7")


def test_text_that_a_parquet_writer_left_as_bytes_is_read(read):
    invalid = pa.array([b"\xff", "дом".encode()]).view(pa.string())
    got = read(parquet({"when": [DAY] * 2, "text": invalid}), columns=COLUMNS)
    assert ([tweet["text"] for tweet in got.tweets], got.reasons) == (["дом"], ["invalid-utf8"])


def test_a_parquet_table_without_the_column_says_what_it_has(read, read_options, tmp_path):
    content = parquet({"when": [DAY], "content": ["кот"]})
    assert read(content, columns=COLUMNS).damage == "no column text; there are when, content"
    (tmp_path / "a.parquet").write_bytes(content)
    request = read_options(tmp_path, columns=COLUMNS)
    with pytest.raises(InputError, match="it has when, content"):
        check_columns(find_files(request.paths), request)


def test_a_broken_parquet_table_is_damage(read, read_options, tmp_path):
    content = parquet({"when": [DAY], "text": ["кот"]})[:-20]
    assert read(content, columns=COLUMNS).damage.startswith("Parquet file broken: ")
    (tmp_path / "a.parquet").write_bytes(content)
    request = read_options(tmp_path, columns=COLUMNS)
    with pytest.raises(InputError, match="it has no header"):
        check_columns(find_files(request.paths), request)
