from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.ingest.writing import day_files, tweet_files
from tonality.ingest.writing.day_files import DayFileJob, StoredRowGroup, plan_day_files, write_day_files
from tonality.ingest.writing.tweet_files import write_tweets
from tonality.runtime.storage.schema import STAGED

START = datetime(2015, 12, 1, tzinfo=UTC)
DAY = 86_400_000_000


class Folder:
    """The folders of a pass: stored tweets, the table of dropped ones, and the files of days."""

    def __init__(self, place):
        self.job = DayFileJob(
            stored=str(place / "stored"),
            dropped=str(place / "dropped"),
            folder=str(place / "days"),
            constants={"rules": "r1", "run": "clean-1"},
        )
        self.place = place
        self.groups: list[StoredRowGroup] = []
        for name in ("stored", "dropped", "days"):
            (place / name).mkdir()
        self.drop()

    def store(self, *moments, ids=()):
        """Store tweets as a task does, at these seconds after the start; the seconds are also the ids, unless given."""
        tweets = [
            {"kind": "tweet", "tweet_id": number, "created_at": START + timedelta(seconds=moment)}
            for moment, number in zip(moments, ids or moments, strict=True)
        ]
        batch = pa.RecordBatch.from_pylist(tweets, schema=STAGED)
        for manifest in write_tweets([batch], self.job.stored):
            for row in manifest.to_pylist():
                days, counts = tuple(row["days"]), tuple(row["counts"])
                self.groups.append(StoredRowGroup(row["path"], row["group"], row["first"], days, counts, row["bytes"]))

    def drop(self, *places):
        """Drop rows, each given as a file's name and a number."""
        table = pa.Table.from_pylist(
            [{"path": path, "row": row} for path, row in places],
            schema=pa.schema([("path", pa.string()), ("row", pa.int64())]),
        )
        pq.write_table(table, self.place / "dropped" / "part.parquet")

    def rows_of(self, path):
        """The ids in a stored file, in order."""
        return pq.read_table(self.place / "stored" / path)["tweet_id"].to_pylist()

    def write(self, cores=1):
        """Write all files; return the ids in each, by day."""
        days = {}
        for task in plan_day_files(self.groups, cores):
            for file in write_day_files(self.job, task):
                table = pq.read_table(self.place / "days" / file.name)
                assert len(table) == file.rows
                assert set(table["rules"].to_pylist()) == {"r1"}
                assert set(table["run"].to_pylist()) == {"clean-1"}
                days.setdefault(file.day, []).append(table["tweet_id"].to_pylist())
        return days


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def seconds(day, second=0):
    return (day - 1) * 86_400 + second


@pytest.mark.parametrize("seed", range(20))
def test_every_tweet_that_is_not_dropped_is_in_its_day_once(folder, monkeypatch, seed):
    random = Random(seed)
    monkeypatch.setattr(tweet_files, "_MIN_DAY_ROWS", random.choice([1, 5, 40]))
    monkeypatch.setattr(tweet_files, "_GROUP_ROWS", random.choice([3, 10, 100]))
    monkeypatch.setattr(tweet_files, "_BUFFER_ROWS", random.choice([50, 2**17]))
    monkeypatch.setattr(day_files, "_MIN_TASK_BYTES", random.choice([1, 2**12, 2**20]))
    monkeypatch.setattr(day_files, "_FILE_BYTES", random.choice([2**13, 2**20]))
    for _ in range(random.randint(1, 5)):
        folder.store(*(random.randrange(86_400 * random.choice([1, 9])) for _ in range(random.randint(1, 200))))
    files = {path: folder.rows_of(path) for path in sorted({group.path for group in folder.groups})}
    dropped = [(path, row) for path, ids in files.items() for row in range(len(ids)) if random.random() < 0.1]
    folder.drop(*dropped, ("another.parquet", 0))
    expected = Counter(number for ids in files.values() for number in ids) - Counter(
        files[path][row] for path, row in dropped
    )
    found = folder.write(cores=random.randint(1, 4))
    assert Counter(number for files in found.values() for ids in files for number in ids) == expected
    for day, files in found.items():
        assert {str((START + timedelta(seconds=number)).date()) for ids in files for number in ids} == {day}


def test_rows_are_sorted_by_time(folder):
    folder.store(seconds(2, 9), seconds(2, 3))
    folder.store(seconds(2, 5), seconds(2, 1), seconds(2, 3))
    assert folder.write() == {"2015-12-02": [[seconds(2, s) for s in (1, 3, 3, 5, 9)]]}


def test_tweets_of_one_second_are_sorted_by_their_ids(folder):
    folder.store(7, 7, 3, 7, ids=(30, 10, 40, 20))
    assert folder.write() == {"2015-12-01": [[40, 10, 20, 30]]}


def test_a_row_group_is_written_once_it_has_enough_rows(folder, monkeypatch):
    monkeypatch.setattr(day_files, "_GROUP_ROWS", 4)
    monkeypatch.setattr(tweet_files, "_GROUP_ROWS", 2)
    folder.store(*range(10))
    folder.write()
    (file,) = (folder.place / "days").iterdir()
    metadata = pq.read_metadata(file)
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [4, 4, 2]


def test_a_day_whose_tweets_are_all_dropped_has_no_file(folder):
    folder.store(seconds(1), seconds(2), seconds(3))
    folder.drop((folder.groups[0].path, 1))
    assert folder.write() == {"2015-12-01": [[seconds(1)]], "2015-12-03": [[seconds(3)]]}


def test_a_row_group_of_several_days_is_read_once_by_a_task(folder, monkeypatch):
    folder.store(*(seconds(day) for day in range(1, 9)))
    reads = []
    read = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *args, **kw: reads.append(args) or read(*args, **kw))
    assert len(folder.write()) == 8
    assert len(reads) == 1


def group(day, size, path="a", number=0, days=1):
    return StoredRowGroup(path, number, day * DAY, tuple(range(day, day + days)), (10,) * days, size)


def mib(size):
    return size * 2**20


def test_large_days_are_split_and_no_group_is_lost():
    groups = [group(1, mib(48), number=n) for n in range(16)]
    tasks = plan_day_files(groups, cores=2)
    assert [[file.day for file in task] for task in tasks] == [[1]] * 4
    assert sorted(one for (file,) in tasks for one in file.groups) == groups
    assert [sum(one.bytes for one in file.groups) for (file,) in tasks] == [mib(192)] * 4


def test_small_days_share_a_task_but_no_file():
    tasks = plan_day_files([group(day, mib(1)) for day in range(60)], cores=2)
    assert [file.day for task in tasks for file in task] == list(range(60))
    assert [len(task) for task in tasks] == [10] * 6


def test_a_group_counts_in_each_of_its_days():
    ((first, second),) = plan_day_files([group(7, mib(1), days=2)], cores=1)
    assert (first.day, second.day) == (7, 8)
    assert first.groups == second.groups


def test_a_day_weighs_its_share_of_a_group():
    hot = [StoredRowGroup("a", number, 0, (0, 299), (1, 9_999), mib(48)) for number in range(16)]
    tasks = plan_day_files(hot, cores=1)
    assert [[file.day for file in task] for task in tasks] == [[0], [299], [299], [299], [299]]


def test_row_groups_that_no_other_file_of_the_task_needs_are_released(folder):
    folder.store(*(seconds(day) for day in range(1, 9)))
    ((*most, last),) = plan_day_files(folder.groups, cores=1)
    tweets = day_files._StoredTweets([*most, last], folder.job)
    with tweets:
        for file in most:
            tweets.rows(*file.groups, file.day)
            assert len(tweets._cache) == 1
        tweets.rows(*last.groups, last.day)
        assert tweets._cache == {}


def test_a_task_holds_only_rows_of_its_own_days(folder):
    folder.store(*(seconds(day) for day in range(1, 9)))
    (task,) = plan_day_files(folder.groups, cores=1)
    tweets = day_files._StoredTweets(task[2:4], folder.job)
    with tweets:
        tweets.rows(*task[2].groups, task[2].day)
        assert [len(rows) for rows in tweets._cache.values()] == [2]


def test_a_row_group_is_limited_in_bytes(folder, monkeypatch):
    monkeypatch.setattr(day_files, "_GROUP_BYTES", 1)
    monkeypatch.setattr(tweet_files, "_GROUP_ROWS", 2)
    folder.store(*range(6))
    folder.write()
    (file,) = (folder.place / "days").iterdir()
    assert pq.read_metadata(file).num_row_groups == 3


def test_no_two_attempts_share_a_file(folder):
    folder.store(1, 2)
    (task,) = plan_day_files(folder.groups, cores=1)
    names = {file.name for _ in range(2) for file in write_day_files(folder.job, task)}
    assert names == {file.name for file in (folder.place / "days").iterdir()}
    assert len(names) == 2


def test_a_days_groups_come_file_by_file_the_earliest_first():
    groups = [group(1, 10, "b", 1), group(1, 10, "a", 0)._replace(first=DAY + 5), group(1, 10, "b", 0)]
    ((file,),) = plan_day_files(groups, cores=1)
    assert [(one.path, one.number) for one in file.groups] == [("b", 0), ("b", 1), ("a", 0)]


def test_without_tweets_there_is_nothing_to_do():
    assert plan_day_files([], cores=2) == []
