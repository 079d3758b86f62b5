"""Rewritten files lose rows and nothing else."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.privacy.erasure.rewrite_files import RewriteJob, TableFile, rewrite

ROWS = 1000


@pytest.fixture
def job(tmp_path):
    for name in ("table/day=1", "new"):
        (tmp_path / name).mkdir(parents=True)
    return RewriteJob(str(tmp_path / "table"), str(tmp_path / "locations"), str(tmp_path / "new"))


def table(rows=ROWS):
    return pa.table(
        {
            "number": pa.array(range(rows), pa.int64()),
            "at": pa.array([datetime(2015, 12, 10, tzinfo=UTC)] * rows, pa.timestamp("us", "UTC")),
            "word": pa.array([f"w{number % 7}" for number in range(rows)]),
            "text": pa.array([f"text {number}" for number in range(rows)]),
            "tags": pa.array([["a"] if number % 2 else [] for number in range(rows)], pa.list_(pa.string())),
        }
    )


def write_locations(job, *locations):
    rows = [{"part": part, "name": name, "row": row} for part, name, row in locations]
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema([("part", pa.string()), ("name", pa.string()), ("row", pa.int64())])),
        job.locations,
    )


def test_rows_are_removed_and_the_others_keep_order_and_row_groups(job, tmp_path):
    pq.write_table(table(), tmp_path / "table/day=1/a.parquet", 300)
    write_locations(
        job,
        *[("day=1", "a.parquet", row) for row in (0, 299, 300, 999)],
        ("day=1", "b.parquet", 5),
        ("day=2", "a.parquet", 6),
    )
    (new,) = rewrite(job, [TableFile("day=1", "a.parquet", loses_rows=True)])
    assert (new.part, new.rows_before, new.rows_after) == ("day=1", 1000, 996)
    file = pq.ParquetFile(tmp_path / "new" / new.name)
    kept = [row for row in table().to_pylist() if row["number"] not in (0, 299, 300, 999)]
    assert file.read().to_pylist() == kept
    assert [file.metadata.row_group(n).num_rows for n in range(4)] == [298, 299, 300, 99]


def test_columns_keep_their_compression_encodings_and_statistics(job, tmp_path):
    pq.write_table(
        table(),
        tmp_path / "table/day=1/a.parquet",
        compression="zstd",
        use_dictionary=["word", "tags.list.element"],
        column_encoding={"number": "DELTA_BINARY_PACKED"},
        write_statistics=["number"],
    )
    write_locations(job, ("day=1", "a.parquet", 7))
    (new,) = rewrite(job, [TableFile("day=1", "a.parquet", loses_rows=True)])

    def layout(file):
        group = pq.ParquetFile(file).metadata.row_group(0)
        columns = [group.column(n) for n in range(group.num_columns)]
        return [(one.path_in_schema, one.compression, set(one.encodings), one.is_stats_set) for one in columns]

    assert layout(tmp_path / "new" / new.name) == layout(tmp_path / "table/day=1/a.parquet")


def test_a_file_that_loses_no_rows_is_copied_byte_for_byte_and_one_that_loses_all_is_empty(job, tmp_path):
    for name in ("a", "b"):
        pq.write_table(table(3), tmp_path / f"table/day=1/{name}.parquet")
    write_locations(job, *[("day=1", "b.parquet", row) for row in range(3)])
    files = [TableFile("day=1", "a.parquet", loses_rows=False), TableFile("day=1", "b.parquet", loses_rows=True)]
    copied, emptied = rewrite(job, files)
    assert (copied.rows_before, copied.rows_after, emptied.rows_before, emptied.rows_after) == (3, 3, 3, 0)
    assert (tmp_path / "new" / copied.name).read_bytes() == (tmp_path / "table/day=1/a.parquet").read_bytes()
    assert pq.read_table(tmp_path / "new" / emptied.name).schema.equals(table().schema)
    assert len({copied.name, emptied.name, "a.parquet", "b.parquet"}) == 4


def test_a_row_that_is_located_twice_is_removed_once(job, tmp_path):
    pq.write_table(table(5), tmp_path / "table/day=1/a.parquet")
    write_locations(job, *[("day=1", "a.parquet", 2)] * 3)
    (new,) = rewrite(job, [TableFile("day=1", "a.parquet", loses_rows=True)])
    assert (new.rows_before, new.rows_after) == (5, 4)
