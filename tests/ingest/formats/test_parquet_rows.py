import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.ingest.formats.parquet_rows import ParquetRecords, parquet_columns
from tonality.ingest.formats.record import RejectedRecord, Tweet
from tonality.ingest.formats.row_mapping import TweetMapper
from tonality.runtime.settings.sections import ColumnNames

COLUMNS = ColumnNames(id="id", created_at="when", text="text")
DAY = "2015-12-10"


def parquet(columns, **options):
    file = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **options)
    return file.getvalue()


def rows_in_groups(rows, group):
    """A file of `rows` rows in row groups of `group` rows; its columns are uncompressed, so that bytes can be found."""
    columns = {"id": range(1, rows + 1), "when": [DAY] * rows, "text": [f"text number {n}" for n in range(1, rows + 1)]}
    return parquet(columns, row_group_size=group, compression="none", use_dictionary=False)


def read(content, columns=COLUMNS, max_record=2**20, max_expansion=250, **options):
    records = ParquetRecords(io.BytesIO(content), TweetMapper(columns), max_record, max_expansion, **options)
    return list(records), records.damage


def outcomes(columns):
    return [record.outcome for record in read(parquet(columns))[0]]


def one(**columns):
    found = outcomes({"id": [1], "when": [DAY], "text": ["hello"]} | columns)
    assert len(found) == 1
    return found[0]


def of_kind(column, kind):
    if kind == "dictionary":
        return column.dictionary_encode()
    try:
        return column.cast(getattr(pa, kind)())
    except pa.ArrowNotImplementedError:
        pytest.skip(f"pyarrow {pa.__version__} makes no {kind}")


def broken_in(content, group):
    """The file with the text pages of a row group overwritten."""
    chunk = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(group).column(2)
    start = chunk.data_page_offset
    return content[:start] + b"\xff" * chunk.total_compressed_size + content[start + chunk.total_compressed_size :]


# Row groups


def test_every_row_is_a_record_with_its_number_in_the_file():
    records, damage = read(rows_in_groups(10_000, 3000))
    assert [record.outcome.tweet_id for record in records] == list(range(1, 10_001))
    assert [(record.offset, record.number) for record in records] == [(n, n + 1) for n in range(10_000)]
    assert damage == ""


@pytest.mark.parametrize(
    ("groups", "first", "last"), [(range(0, 1), 1, 3000), (range(1, 3), 3001, 9000), (range(3, 4), 9001, 10_000)]
)
def test_some_row_groups_are_read_with_their_row_numbers_in_the_file(groups, first, last):
    records, damage = read(rows_in_groups(10_000, 3000), row_groups=groups)
    assert [record.number for record in records] == list(range(first, last + 1))
    assert [record.outcome.tweet_id for record in records] == list(range(first, last + 1))
    assert damage == ""


def test_the_parts_of_a_file_add_up_to_the_file():
    content = rows_in_groups(1000, 90)
    parts = [read(content, row_groups=range(start, start + 5))[0] for start in range(0, 12, 5)]
    assert [record for part in parts for record in part] == read(content)[0]


@pytest.mark.parametrize("groups", [range(0), range(5, 9)])
def test_no_row_group_has_no_rows(groups):
    assert read(rows_in_groups(10, 5), row_groups=groups) == ([], "")


def test_a_broken_row_group_is_damage_and_costs_no_other():
    records, damage = read(broken_in(rows_in_groups(10_000, 3000), 1))
    assert [record.number for record in records] == [*range(1, 3001), *range(6001, 10_001)]
    assert damage.startswith("Parquet file broken: rows 3001 to 6000: ")
    assert "\n" not in damage


def test_every_broken_row_group_is_named():
    _, damage = read(broken_in(broken_in(rows_in_groups(90, 30), 0), 2))
    assert damage.count("rows ") == 2
    assert "rows 1 to 30: " in damage
    assert "; rows 61 to 90: " in damage


def test_a_broken_row_group_that_is_not_requested_is_no_damage():
    assert read(broken_in(rows_in_groups(90, 30), 1), row_groups=range(2, 3))[1] == ""


def test_pages_that_do_not_match_their_checksums_are_damage():
    columns = {"id": [1], "when": [DAY], "text": ["hello"]}
    content = parquet(
        columns, compression="none", use_dictionary=False, write_statistics=False, write_page_checksum=True
    )
    at = content.index(b"hello")
    records, damage = read(content[:at] + b"jelly" + content[at + 5 :])
    assert records == []
    assert "CRC" in damage


@pytest.mark.parametrize(
    "content", [b"PAR1", b"PAR1" + bytes(100) + b"PAR1", rows_in_groups(10, 5)[:-20], b"no parquet"]
)
def test_a_file_without_its_end_is_damaged_and_has_no_columns(content):
    records, damage = read(content)
    assert records == []
    assert damage.startswith("Parquet file broken: ")
    assert parquet_columns(io.BytesIO(content)) == []


class FailingDisk(io.RawIOBase):
    """A file of a hundred bytes on a disk that cannot be read."""

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, position, whence=0):
        return 100

    def tell(self):
        return 100

    def read(self, size=-1):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    "use", [lambda file: list(ParquetRecords(file, TweetMapper(COLUMNS), 2**20, 250)), parquet_columns]
)
def test_a_disk_error_is_not_damage_of_the_file(use):
    with pytest.raises(OSError, match="Input/output error"):
        use(FailingDisk())


def shared_text(text, rows):
    """A small file whose rows except the last share a text."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * (rows - 1) + [1], pa.int32()), pa.array([text, "дом"]))
    columns = {"id": range(1, rows + 1), "when": [DAY] * rows, "text": texts}
    return parquet(columns, compression="zstd", dictionary_pagesize_limit=2**30, write_statistics=False)


def test_a_long_text_that_many_rows_share_is_too_long_in_each():
    records, damage = read(shared_text("я" * 2**20, 20))
    assert damage == ""
    *long, good = [record.outcome for record in records]
    assert {(outcome.reason, outcome.detail) for outcome in long} == {
        ("too-long", f"{2**20 + len(DAY)} characters, at most {2**20}")
    }
    assert good.text == "дом"
    assert max(len(record.raw) for record in records) < 10_000


def test_a_text_shared_by_thousands_of_rows_does_not_fill_the_memory():
    content = shared_text("a" * 2**23, 4000)
    assert len(content) < 50_000
    before = pa.total_allocated_bytes()
    records = iter(ParquetRecords(io.BytesIO(content), TweetMapper(COLUMNS), 2**20, 2**30))
    assert next(records).outcome.reason == "too-long"
    assert pa.total_allocated_bytes() - before < 2**29


def test_reading_stops_in_a_row_group_that_exceeds_the_expansion_limit():
    records, damage = read(shared_text("a" * 2**23, 4000))
    assert {record.outcome.reason for record in records} <= {"too-long"}
    assert damage == f"Parquet file broken: rows {len(records) + 1} to 4000: it expands more than 250 times"


def test_a_row_group_whose_metadata_exceeds_the_expansion_limit_is_not_read_and_costs_no_other():
    texts = ["a" * 2**20] * 80 + ["дом"] * 80
    columns = {"id": range(1, 161), "when": [DAY] * 160, "text": texts}
    content = parquet(columns, row_group_size=80, compression="zstd", use_dictionary=False, write_statistics=False)
    records, damage = read(content, max_record=2**21)
    assert [record.outcome.text for record in records] == ["дом"] * 80
    assert damage == "Parquet file broken: rows 1 to 80: it expands more than 250 times"
    assert len(read(content, max_record=2**21, max_expansion=2**20)[0]) == 160


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "binary", "dictionary"])
def test_rows_that_share_a_text_keep_it_and_rows_without_one_have_none(kind):
    column = pa.array(["дом", None, "сад", "дом"])
    column = of_kind(column, kind)
    first, none, second, third = outcomes({"id": [1, 2, 3, 4], "when": [DAY] * 4, "text": column})
    assert (first.text, none.reason, second.text, third.text) == ("дом", "no-text", "сад", "дом")


def test_the_damage_of_a_table_without_a_column_names_its_columns():
    assert read(parquet({"id": [1], "content": ["a"]})) == ([], "no column when, text; there are id, content")
    assert parquet_columns(io.BytesIO(parquet({"id": [1], "content": ["a"]}))) == ["id", "content"]


def test_of_two_columns_with_the_same_name_the_first_is_read():
    table = pa.Table.from_arrays(
        [pa.array([1]), pa.array([DAY]), pa.array(["a"]), pa.array(["b"])], ["id", "when", "text", "text"]
    )
    ((record,), damage) = read(parquet(table))
    assert (record.outcome.text, damage) == ("a", "")


# Values


@pytest.mark.parametrize(
    "when",
    [
        pa.array([1449734462], pa.timestamp("s")),
        pa.array([1449734462], pa.int64()),
        pa.array([1449734462000], pa.timestamp("ms", "UTC")),
        pa.array([1449734462000000], pa.timestamp("us", "Europe/Moscow")),
        pa.array([1449734462000000], pa.timestamp("us", "Nowhere/AtAll")),
        pa.array([1449734462000000001], pa.timestamp("ns")),
        pa.array(["2015-12-10T08:01:02Z"]).dictionary_encode(),
    ],
)
def test_a_timestamp_is_converted_to_utc(when):
    assert one(when=when).created_at == 1449734462000000


@pytest.mark.parametrize("moment", [2**60, -(2**60)])
def test_a_timestamp_out_of_range_rejects_only_its_row(moment):
    when = pa.array([moment, 1449734462000], pa.timestamp("ms"))
    reject, good = outcomes({"id": [1, 2], "when": when, "text": ["a", "b"]})
    assert (reject.reason, good.text) == ("bad-date", "b")


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
def test_a_text_that_is_not_utf8_rejects_only_its_row(kind):
    column = pa.array([b"\xff" * 20, "дом".encode()]).view(pa.string())
    column = of_kind(column, kind)
    reject, good = outcomes({"id": [1, 2], "when": [DAY] * 2, "text": column})
    assert (reject.reason, good.text) == ("invalid-utf8", "дом")


def test_text_stored_as_bytes_is_text():
    assert one(text=pa.array(["дом".encode()])).text == "дом"


@pytest.mark.parametrize("text", [pa.array([{"a": 1}]), pa.array([["a"]]), pa.array([1.5])])
def test_a_column_of_another_type_is_rejected_row_by_row(text):
    assert one(text=text).reason == "wrong-type"


def test_ids_are_exact_or_rejected_if_rounded_to_floating_point():
    assert one(id=pa.array([2**62 + 1])).tweet_id == 2**62 + 1
    assert one(id=pa.array([2**62 + 1], pa.uint64())).tweet_id == 2**62 + 1
    assert one(id=pa.array([123.0])).tweet_id == 123
    assert "lost in a floating-point number" in one(id=pa.array([1.4407168953557647e18])).detail
    assert one(id=pa.array([float("nan")])).reason == "no-id"


def test_a_rejected_record_has_its_row_and_position():
    content = parquet({"id": [1, 2], "when": [DAY, None], "text": ["a", "дом"], "more": [1, 2]})
    good, reject = read(content)[0]
    assert isinstance(good.outcome, Tweet)
    assert good.raw == b""
    assert isinstance(reject.outcome, RejectedRecord)
    assert (reject.offset, reject.number, reject.raw.decode()) == (1, 2, '{"id": 2, "when": null, "text": "дом"}')
