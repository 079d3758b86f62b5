import bz2
import gzip
import io
import tarfile
from datetime import UTC, datetime
from unittest import mock

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.ingest.planning import splits
from tonality.ingest.planning.files import ArchiveFile, find_files
from tonality.ingest.planning.splits import plan_tasks
from tonality.ingest.reading import estimate as estimate_module
from tonality.ingest.reading.estimate import estimate
from tonality.ingest.reading.task import read_split

WHEN = "Thu Dec 10 08:01:02 +0000 2015"
STATUSES = [orjson.dumps({"id": n, "created_at": WHEN, "text": f"Кот {n}"}) for n in range(1, 2001)]
CONTENT = b"".join(status + b"\n" for status in STATUSES)
IDS = list(range(1, 2001))
COLUMNS = {"created_at": "when", "text": "text", "id": "id"}


def tar(**members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def minutes():
    return {f"{n:02}.json.bz2": bz2.compress(b"") for n in range(9)} | {
        f"{10 + n}.json": b"".join(status + b"\n" for status in STATUSES[n * 250 : n * 250 + 250]) for n in range(8)
    }


def parquet():
    file = io.BytesIO()
    when = [datetime(2015, 12, 10, tzinfo=UTC)] * 2000
    pq.write_table(pa.table({"id": IDS, "when": when, "text": ["кот"] * 2000}), file, row_group_size=300)
    return file.getvalue()


@pytest.fixture
def tasks(tmp_path, read_options):
    def plan(content, name="a", **fields):
        (tmp_path / name).write_bytes(content)
        options = read_options(tmp_path, **fields)
        return plan_tasks(find_files(options.paths), options)

    return plan


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (CONTENT, "lines"),
        (b"\n\n" + CONTENT, "lines"),
        (bz2.compress(CONTENT * 20, 1), "lines"),
        (tar(**minutes()), "members"),
        (gzip.compress(CONTENT, 0), "all"),
        (tar(a=b"x") and gzip.compress(tar(**minutes()), 0), "all"),
        (b"id,created_at,text,author.username\n" * 1000, "all"),
    ],
)
def test_a_large_file_is_split_if_its_format_allows_it(tasks, content, part):
    splits = [split for task in tasks(content, task_bytes=4096) for split in task]
    assert {split.part for split in splits} == {part}
    assert (len(splits) > 1) == (part != "all")


def test_a_table_in_csv_is_never_split_and_one_in_json_is(tasks):
    assert len(tasks(b"when,text\n" + b"1,x\n" * 5000, columns=COLUMNS, task_bytes=4096)) == 1
    assert len(tasks(CONTENT, columns=COLUMNS, task_bytes=4096)) > 1


def test_neighbours_are_packed_into_tasks_the_largest_first(tmp_path, read_options):
    for name, size in {"a": 10, "b": 700, "c": 200, "d": 90, "e": 650, "f": 300}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    options = read_options(tmp_path, task_bytes=1000)
    planned = plan_tasks(find_files(options.paths), options)
    assert [[split.url[-1] for split in task] for task in planned] == [["a", "b", "c"], ["d", "e"], ["f"]]


def test_a_small_archive_is_shared_among_the_cores(tasks):
    content = b"x" * 2**20
    for n in range(16):
        plan = tasks(content, name=f"{n}", cores=2)
    assert len(plan) == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [CONTENT, CONTENT[:-1], CONTENT.replace(b"\n", b"\r\n"), bz2.compress(CONTENT * 20, 1), tar(**minutes())],
    ids=["plain", "no last line break", "windows", "bzip2", "tar"],
)
@pytest.mark.parametrize("task_bytes", [4096, 5000, 30_011])
def test_splits_together_hold_every_record_once(tasks, read, content, task_bytes):
    assert len(tasks(content, task_bytes=task_bytes)) > 1
    whole, split = read(content), read(content, task_bytes=task_bytes)
    assert sorted(split.ids) == sorted(whole.ids)
    assert sorted(set(split.ids)) == IDS
    assert split.rejects == whole.rejects == []


def test_row_groups_are_read_once(tasks, read):
    content = parquet()
    assert len(tasks(content, columns=COLUMNS, task_bytes=4096)) > 1
    got = read(content, columns=COLUMNS, task_bytes=4096)
    assert sorted(got.ids) == IDS
    assert sum(account["lines"] for account in got.accounts) == 2000


def test_a_range_reports_its_length(read):
    got = read(CONTENT, task_bytes=4096)
    assert sum(account["span"] for account in got.accounts) == len(CONTENT)
    assert sum(account["breaks"] for account in got.accounts) == 2000
    assert sorted(account["split"] for account in got.accounts) == list(range(len(got.accounts)))


def test_a_broken_header_in_a_split_tar_is_reported_once(read):
    broken = bytearray(tar(**minutes()))
    place = broken.index(b"13.json")
    broken[place] ^= 1
    got = read(bytes(broken), task_bytes=4096)
    assert [account["damage"] for account in got.accounts if account["damage"]] == [
        f"tar broken at byte {place}: bad checksum"
    ]
    assert sorted(got.ids) == [n for n in IDS if not 750 < n <= 1000]


def test_small_files_count_the_cost_of_opening_them(read_options):
    files = [ArchiveFile(f"f{n}", 0) for n in range(1000)]
    assert max(len(task) for task in plan_tasks(files, read_options("a"))) <= 64
    tiny = [ArchiveFile(f"f{n}", 100_000) for n in range(1000)]
    assert max(len(task) for task in plan_tasks(tiny, read_options("a", task_bytes=2**30))) <= 4096


def test_little_of_a_file_is_fetched_to_split_it(tmp_path, read_options):
    file = tmp_path / "a"
    file.write_bytes(tar(**minutes()))
    block_sizes = []

    class System:
        def open(self, path, mode, block_size=None):
            block_sizes.append(block_size)
            return open(path, mode)  # noqa: PTH123

    options = read_options(file, task_bytes=4096)
    with mock.patch.object(splits, "filesystem", lambda url: (System(), url.removeprefix("file://"))):
        assert len(plan_tasks(find_files(options.paths), options)) > 1
    assert block_sizes == [2**16]


def table(rows, **parquet_options):
    file = io.BytesIO()
    when = [datetime(2015, 12, 10, tzinfo=UTC)] * rows
    content = {"id": list(range(1, rows + 1)), "when": when, "text": ["кот"] * rows}
    pq.write_table(pa.table(content), file, **parquet_options)
    return file.getvalue()


def estimated(tmp_path, read_options, content, **fields):
    (tmp_path / "a").write_bytes(content)
    options = read_options(tmp_path / "a", **fields)
    (group,) = estimate(find_files(options.paths), options)
    return group


def test_a_parquet_table_is_estimated_by_one_of_its_row_groups(tmp_path, read_options):
    opened = []

    def watched(split, file, options):
        opened.append(split)
        return read_split(split, file, options)

    with mock.patch.object(estimate_module, "read_split", watched):
        group = estimated(tmp_path, read_options, table(20_000, row_group_size=1000), columns=COLUMNS)
    assert (group.format, group.tweets) == ("Parquet", pytest.approx(20_000, rel=0.01))
    assert [(split.part, split.start, split.end) for split in opened] == [("row groups", 10, 11)]


@pytest.mark.parametrize("content", [table(0), table(10)[:-9], b"PAR1"])
def test_a_parquet_table_without_rows_or_broken_is_estimated_at_nothing(tmp_path, read_options, content):
    assert estimated(tmp_path, read_options, content, columns=COLUMNS).tweets == 0


def test_a_parquet_table_without_column_names_is_estimated_at_nothing(tmp_path, read_options):
    group = estimated(tmp_path, read_options, table(10))
    assert (group.format, group.tweets, group.core_seconds) == ("Parquet", 0, 0)


def test_an_archive_of_lines_is_estimated_by_its_beginning(tmp_path, read_options):
    group = estimated(tmp_path, read_options, CONTENT)
    assert (group.format, group.files, group.bytes, group.tweets) == ("JSON lines", 1, len(CONTENT), 2000)
