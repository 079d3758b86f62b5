import csv
import gzip
import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.ingest.formats.corpora import TableFormat, read_corpus
from tonality.runtime.diagnostics.errors import InputError

NUMBERS = ";0;0;0;7569;62;61;0"
LABELS = TableFormat("text", "label", positive=("positive", "1"), negative=("negative", "-1"))


def rutweetcorp_row(text: str, label: int = 1, number: int = 408906692374446080) -> str:
    return f'"{number}";"1386325927";"pleease_shut_up";"{text}";"{label}";"0";"0";"0";"7569";"62";"61";"0"\n'


def read(tmp_path, content, form="rutweetcorp", name="corpus.csv", encoding="utf-8"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    corpus = read_corpus([str(tmp_path / name)], form)
    return [tuple(row.values()) for row in corpus.rows.to_pylist()], dict(corpus.dropped)


# RuTweetCorp


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("хоть я и школота", "хоть я и школота"),
        ("первая\nвторая\n\nчетвёртая", "первая\nвторая\n\nчетвёртая"),
        ("первая\r\nвторая", "первая\nвторая"),
        ('он сказал ""да""', 'он сказал "да"'),
        ('""да"" сказал он', '"да" сказал он'),
        ('одна " кавычка', 'одна " кавычка'),
        ('в конце "', 'в конце "'),
        ("точка; с запятой; и ещё;", "точка; с запятой; и ещё;"),
        ('опасно";"1";"2', 'опасно";"1";"2'),
        ("Tom &amp; Jerry &lt;3 &quot;ok&quot;", 'Tom & Jerry <3 "ok"'),
        ("12;34 счёт\n5;6 опять", "12;34 счёт\n5;6 опять"),
    ],
)  # fmt: skip
def test_a_text_of_rutweetcorp_is_read_whole_whatever_it_holds(tmp_path, written, read_as):
    content = rutweetcorp_row("до", -1) + rutweetcorp_row(written) + rutweetcorp_row("после", -1)
    assert read(tmp_path, content) == ([("до", 0.0), (read_as, 1.0), ("после", 0.0)], {})


def test_rutweetcorp_may_have_carriage_returns_no_quotes_a_byte_order_mark_and_no_last_line_break(tmp_path):
    rows = ["1;1386325927;a;первая;1;0;0;0;7569;62;61;0", "2;1386325927;b;вторая;-1;0;0;0;7569;62;61;0"]
    expected = ([("первая", 1.0), ("вторая", 0.0)], {})
    assert read(tmp_path, "\r\n".join(rows)) == expected
    assert read(tmp_path, "\ufeff" + "\n".join(rows) + "\n\n") == expected


@pytest.mark.parametrize(
    "broken",
    [
        "что-то совсем другое\n",
        "\n",
        '"1";"1386325927";"a";"без хвоста";"1";"0"\n',
        '"1";"1386325927";"a";"другая метка";"5";"0";"0";"0";"7569";"62";"61";"0"\n',
        "мусор\nи ещё; мусор\n",
    ],
)  # fmt: skip
def test_a_malformed_row_of_rutweetcorp_is_counted_by_line_and_its_neighbours_kept(tmp_path, broken):
    rows, dropped = read(tmp_path, rutweetcorp_row("до") + broken + rutweetcorp_row("после"))
    assert rows == [("до", 1.0), ("после", 1.0)]
    assert dropped == ({"malformed-csv": broken.count("\n")} if broken.strip() else {})


def test_a_row_of_rutweetcorp_without_a_text_is_dropped(tmp_path):
    assert read(tmp_path, rutweetcorp_row(" ") + rutweetcorp_row("есть")) == ([("есть", 1.0)], {"no-text": 1})


def test_both_files_of_rutweetcorp_are_read_from_their_folder_packed_or_not_and_none_twice(tmp_path):
    (tmp_path / "negative.csv").write_text(rutweetcorp_row("плохо", -1))
    (tmp_path / "positive.csv.gz").write_bytes(gzip.compress(rutweetcorp_row("хорошо").encode()))
    corpus = read_corpus([str(tmp_path), str(tmp_path / "negative.csv")], "rutweetcorp")
    assert corpus.rows.to_pydict() == {"text": ["плохо", "хорошо"], "label": [0.0, 1.0]}


# Sentiment140


def test_sentiment140_is_read_by_position_in_latin_1(tmp_path):
    content = (
        '"0","1467810369","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","a","@b - caf\xe9, &lt;bad&gt; ""day"""\n'
        '"4","1467810370","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","c","good\nday"\n'
        '"2","1467810371","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","d","neutral"\n'
        '"4","1467810372","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","e"," "\n'
        "\n"
        '"4","too short"\n'
    )
    rows, dropped = read(tmp_path, content, "sentiment140", encoding="latin-1")
    assert rows == [('@b - café, <bad> "day"', 0.0), ("good\nday", 1.0)]
    assert dropped == {"other label": 1, "no-text": 1, "malformed-csv": 1}


# Tables


TABLE = [
    ["id", "label", "text"],
    ["1", "positive", "good, very &amp; good"],
    ["2", " negative ", "bad"],
    ["3", "neutral", "so"],
    ["4", "1", ""],
    ["5", "-1", "line\nbreak"],
]
TABLE_ROWS = [("good, very & good", 1.0), ("bad", 0.0), ("line\nbreak", 0.0)]
TABLE_DROPPED = {"other label": 1, "no-text": 1}


def as_csv(delimiter: str = ",") -> str:
    class Sink(list):
        write = list.append

    csv.writer(sink := Sink(), delimiter=delimiter).writerows(TABLE)
    return "".join(sink)


def test_a_csv_table_is_read_by_its_header_and_dropped_rows_are_counted_by_reason(tmp_path):
    assert read(tmp_path, as_csv(), LABELS) == (TABLE_ROWS, TABLE_DROPPED)


def test_a_csv_table_may_be_packed_or_start_with_a_byte_order_mark(tmp_path):
    assert read(tmp_path, gzip.compress(as_csv().encode()), LABELS, "c.csv.gz") == (TABLE_ROWS, TABLE_DROPPED)
    text_first = "\ufefftext,label\ngood,1\n"
    assert read(tmp_path, text_first, LABELS) == ([("good", 1.0)], {})


def test_a_csv_table_may_have_another_delimiter_and_other_column_names(tmp_path):
    form = TableFormat("tweet", "tone", ("+",), ("-",), "\t")
    assert read(tmp_path, "tone\ttweet\n+\tgood; so, \n-\tbad", form) == ([("good; so, ", 1.0), ("bad", 0.0)], {})


def test_a_row_that_is_cut_short_is_dropped(tmp_path):
    assert read(tmp_path, "label,text\n1\n1,good\n", LABELS) == ([("good", 1.0)], {"malformed-csv": 1})


@pytest.mark.parametrize("labels", [["1", "-1", "7", None], [1, -1, 7, None], [1.0, -1.0, 0.5, None]])
def test_a_parquet_table_may_write_its_labels_as_words_or_numbers(tmp_path, labels):
    table = pa.table({"label": labels, "text": ["good", "bad", "so", "so"], "more": [0, 0, 0, 0]})
    pq.write_table(table, tmp_path / "c.parquet")
    corpus = read_corpus([str(tmp_path / "c.parquet")], LABELS)
    assert corpus.rows.to_pydict() == {"text": ["good", "bad"], "label": [1.0, 0.0]}
    assert corpus.dropped == {"other label": 2}


def test_a_parquet_row_without_a_text_is_dropped(tmp_path):
    pq.write_table(pa.table({"label": ["1", "1"], "text": [None, "good"]}), tmp_path / "c.parquet")
    assert read_corpus([str(tmp_path)], LABELS).dropped == {"no-text": 1}


@pytest.mark.parametrize("name", ["c.csv", "c.parquet"])
def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path, name):
    if name == "c.csv":
        (tmp_path / name).write_text("id,tweet,label\n")
    else:
        pq.write_table(pa.table({"id": [1], "tweet": [""], "label": [""]}), tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} has no such column: corpus.text = 'text'; it has id, tweet, label$"):
        read_corpus([str(tmp_path)], LABELS)


def test_an_empty_table_has_no_header(tmp_path):
    with pytest.raises(InputError, match=r"corpus\.text = 'text', corpus.label = 'label'; it has no header$"):
        read(tmp_path, "", LABELS)


# Errors


def test_a_corpus_without_one_labelled_tweet_says_why(tmp_path):
    with pytest.raises(InputError) as raised:
        read(tmp_path, "text,label\n" + "x,\n" * 1200, "rutweetcorp")
    assert "corpus.csv: 1,201 malformed-csv. Does corpus.format fit these files?" in str(raised.value)
    with pytest.raises(InputError, match="1 malformed-csv"):
        read(tmp_path, 'label,text\n1,"' + "x" * 200_000, LABELS)
    with pytest.raises(InputError, match="1,200 other label"):
        read(tmp_path, "text,label\n" + "x,\n" * 1200, LABELS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv.gz", gzip.compress(b"label,text\n" + bytes(range(256)) * 500)[:200]),
        ("c.csv.gz", gzip.compress(b"label,text\n1,good\n")[:12]),
        ("c.parquet", b"PAR1 and no more"),
        ("c.zip", b"PK\x03\x04 and more"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} cannot be read: .*\. Does corpus\.format fit it\?$"):
        read_corpus([str(tmp_path)], LABELS)


@pytest.mark.parametrize("name", ["c.csv.gz", "c.parquet"])
def test_a_files_content_counts_not_its_name(tmp_path, name):
    assert read(tmp_path, "label,text\n1,good\n", LABELS, name) == ([("good", 1.0)], {})


def test_a_corpus_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=f"no file found at {tmp_path}/missing"):
        read_corpus([f"{tmp_path}/missing"], "rutweetcorp")


def test_a_stray_quote_in_a_table_costs_its_own_line(tmp_path):
    rows = 'text,label\nfirst,1\n"never closed,-1\nthird,1\n"fourth",-1\nfifth,-1\n'
    kept = [("first", 1.0), ("third", 1.0), ("fourth", 0.0), ("fifth", 0.0)]
    assert read(tmp_path, rows, LABELS) == (kept, {"malformed-csv": 1})


@pytest.mark.parametrize("form", ["rutweetcorp", LABELS])
def test_a_file_that_expands_as_no_text_does_is_left_there(tmp_path, form):
    bomb = gzip.compress(b"text,label\n" + b"a" * 2**27)
    with pytest.raises(InputError, match=r"corpus\.csv\.gz cannot be read: gzip stream expands more than 250 times"):
        read(tmp_path, bomb, form, "corpus.csv.gz")


# The archive's readers


TWO_FILES = {"positive.csv": rutweetcorp_row("хорошо"), "negative.csv": rutweetcorp_row("плохо", -1)}


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2"])
def test_the_members_of_a_tar_are_read_as_files_of_their_own(tmp_path, suffix):
    with tarfile.open(tmp_path / f"corpus.{suffix}", f"w:{suffix.partition('.')[2]}") as tar:
        for name, content in TWO_FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    corpus = read_corpus([str(tmp_path)], "rutweetcorp")
    assert corpus.rows.to_pydict() == {"text": ["хорошо", "плохо"], "label": [1.0, 0.0]}
    assert not corpus.dropped


@pytest.mark.parametrize("form", ["rutweetcorp", LABELS])
def test_rows_with_a_nul_byte_or_invalid_utf_8_are_rejects_with_their_lines(tmp_path, form):
    def row(text):
        return rutweetcorp_row(text).encode() if form == "rutweetcorp" else f'1,"{text}"\n'.encode()

    lines = [b"" if form == "rutweetcorp" else b"label,text\n", row("один"), row("a\0b"), row("два")]
    lines += [row("ы").replace("ы".encode(), b"\xff"), row("три")]
    (tmp_path / "corpus.csv").write_bytes(b"".join(lines))
    corpus = read_corpus([str(tmp_path / "corpus.csv")], form)
    first = 0 if form == "rutweetcorp" else 1
    assert corpus.rows["text"].to_pylist() == ["один", "два", "три"]
    assert corpus.dropped == {"nul-byte": 1, "invalid-utf8": 1}
    places = {
        reason: [place.partition(" (")[0].rpartition("/")[2] for place in corpus.places[reason]]
        for reason in corpus.places
    }
    assert places == {"nul-byte": [f"corpus.csv line {2 + first}"], "invalid-utf8": [f"corpus.csv line {4 + first}"]}


def test_a_text_that_opens_with_a_stray_quote_costs_one_row_of_seven(tmp_path):
    rows = [
        '"Лучший фильм года, так говорят все',
        "скучно и долго",
        "прекрасный вечер",
        "ужасный сервис",
        "спасибо всем",
        'он сказал "никогда" и ушёл',
        "хвост",
    ]
    labels = ["positive", "negative"] * 4
    content = "".join(f"{n}\t{label}\t{text}\n" for n, (label, text) in enumerate(zip(labels, rows, strict=False), 1))
    (tmp_path / "train.tsv").write_text(f"id\tlabel\ttext\n{content}")
    form = TableFormat("text", "label", ("positive",), ("negative",), "\t")
    corpus = read_corpus([str(tmp_path / "train.tsv")], form)
    assert corpus.rows["text"].to_pylist() == rows[1:]
    assert corpus.dropped == {"malformed-csv": 1}
    (place,) = corpus.places["malformed-csv"]
    assert place.endswith("/train.tsv line 2 (a quoted field that never ends)")


def test_the_first_rejects_of_a_reason_are_located_and_the_others_counted(tmp_path):
    (tmp_path / "corpus.csv").write_text("label,text\n1,good\n" + "1\n" * 5)
    corpus = read_corpus([str(tmp_path / "corpus.csv")], LABELS)
    where = f"file://{tmp_path}/corpus.csv line"
    detail = "(1 fields, expected 2)"
    assert corpus.described_places() == {
        "malformed-csv": f"{where} 3 {detail}; {where} 4 {detail}; {where} 5 {detail}; and 2 more"
    }


def test_a_file_name_that_is_not_utf_8_is_located_with_escapes(tmp_path):
    (tmp_path / "\udcff.csv").write_text("label,text\n1,good\n1\n")
    assert rf"{tmp_path}/\udcff.csv line 3" in read_corpus([str(tmp_path)], LABELS).described_places()["malformed-csv"]


def test_a_table_of_json_lines_is_read_by_its_keys(tmp_path):
    lines = ['{"label": 1, "text": "good"}', '{"label": -1, "text": "bad"}', '{"label": 1}', "{"]
    rows, dropped = read(tmp_path, "\n".join(lines), LABELS, "corpus.jsonl")
    assert rows == [("good", 1.0), ("bad", 0.0)]
    assert dropped == {"no-text": 1, "malformed-json": 1}


def test_the_header_of_a_table_may_stand_in_it_again(tmp_path):
    assert read(tmp_path, "label,text\n1,good\nlabel,text\n-1,bad\n", LABELS) == ([("good", 1.0), ("bad", 0.0)], {})


def test_a_corpus_cut_off_in_a_tar_is_refused(tmp_path):
    with tarfile.open(tmp_path / "whole.tar", "w") as tar:
        content = TWO_FILES["positive.csv"].encode() * 100
        member = tarfile.TarInfo("positive.csv")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    (tmp_path / "corpus.tar").write_bytes((tmp_path / "whole.tar").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"corpus\.tar.* cannot be read: .*cut off.*\. Does corpus\.format fit it\?$"):
        read_corpus([str(tmp_path / "corpus.tar")], "rutweetcorp")


def test_a_tar_with_an_entry_that_is_not_read_is_refused(tmp_path):
    with tarfile.open(tmp_path / "corpus.tar", "w") as tar:
        link = tarfile.TarInfo("positive.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "elsewhere.csv"
        tar.addfile(link)
    with pytest.raises(InputError, match=r"corpus\.tar!positive\.csv cannot be read: .*link"):
        read_corpus([str(tmp_path / "corpus.tar")], "rutweetcorp")


def test_the_rejects_of_a_parquet_table_are_located_by_row(tmp_path):
    pq.write_table(pa.table({"label": ["1", "1"], "text": ["good", None]}), tmp_path / "c.parquet")
    (place,) = read_corpus([str(tmp_path / "c.parquet")], LABELS).places["no-text"]
    assert place.endswith("/c.parquet row 2")


def test_labels_of_json_may_be_truth_values(tmp_path):
    form = TableFormat("text", "label", ("true",), ("false",))
    lines = ['{"label": true, "text": "good"}', '{"label": false, "text": "bad"}']
    assert read(tmp_path, "\n".join(lines), form) == ([("good", 1.0), ("bad", 0.0)], {})


def test_a_name_in_a_place_or_in_a_message_adds_no_line(tmp_path):
    name, shown = "a\nforged\x1b[2J\u202e", r"a\u000aforged\u001b[2J\u202e"
    (tmp_path / f"{name}.csv").write_text("label,text\n1,good\n1\n")
    places = read_corpus([str(tmp_path)], LABELS).described_places()
    assert places == {"malformed-csv": f"file://{tmp_path}/{shown}.csv line 3 (1 fields, expected 2)"}
    (tmp_path / f"{name}.csv").write_text(f'"{name}",text\n1,good\n')
    with pytest.raises(InputError) as raised:
        read_corpus([str(tmp_path)], LABELS)
    assert raised.value.lines == (
        f"file://{tmp_path}/{shown}.csv has no such column: corpus.label = 'label'; it has {shown}, text",
    )
