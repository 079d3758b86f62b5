from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.ingest.writing import tweet_files
from tonality.ingest.writing.tweet_files import write_tweets
from tonality.runtime.storage.schema import KEPT, STAGED, TASK_MANIFEST


def rows(kind, *numbers, day=10):
    """Rows of a kind, one per number and second, on a day of December 2015."""
    start = datetime(2015, 12, day, tzinfo=UTC)
    return pa.RecordBatch.from_pylist(
        [{"kind": kind, "tweet_id": n, "text": f"кот {n}", "created_at": start.replace(second=n)} for n in numbers],
        schema=STAGED,
    )


@pytest.fixture
def store(tmp_path):
    """Write batches; return the manifest rows of row groups, with the ids in each, and all other manifest rows."""

    def store(*batches):
        manifest = [row for batch in write_tweets(batches, str(tmp_path)) for row in batch.to_pylist()]
        groups = [row for row in manifest if row["kind"] == "group"]
        for group in groups:
            table = pq.ParquetFile(tmp_path / group["path"]).read_row_group(group["group"])
            assert table.schema.equals(KEPT)
            assert len(table) == sum(group["counts"])
            group["ids"] = table["tweet_id"].to_pylist()
        return groups, [row for row in manifest if row["kind"] != "group"]

    return store


def micros(day, second):
    return int(datetime(2015, 12, day, second=second, tzinfo=UTC).timestamp()) * 1_000_000


def day_number(day):
    return micros(day, 0) // 86_400_000_000


def test_tweets_go_to_a_file_named_by_the_last_manifest_rows(store, tmp_path):
    groups, others = store(rows("reject", 1, 2), rows("tweet", 4, 6), rows("account", 5), rows("tweet", 3))
    assert [row["kind"] for row in others] == ["reject", "reject", "account"]
    assert [(group["ids"], group["group"], group["first"]) for group in groups] == [([4, 6, 3], 0, micros(10, 3))]
    (file,) = tmp_path.iterdir()
    assert 0.1 * file.stat().st_size < groups[0]["bytes"] < file.stat().st_size


def test_manifest_rows_have_one_schema(tmp_path):
    batches = write_tweets([rows("reject", 1), rows("tweet", 3)], str(tmp_path))
    assert all(batch.schema.equals(TASK_MANIFEST) for batch in batches)


def test_without_tweets_there_is_no_file(tmp_path):
    assert [batch.num_rows for batch in write_tweets([rows("account", 1)], str(tmp_path))] == [1]
    assert list(tmp_path.iterdir()) == []


def test_no_two_tasks_share_a_file(tmp_path):
    for _ in range(2):
        list(write_tweets([rows("tweet", 1)], str(tmp_path)))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_day_with_enough_tweets_has_row_groups_of_its_own(store, monkeypatch):
    monkeypatch.setattr(tweet_files, "_MIN_DAY_ROWS", 2)
    groups, _ = store(rows("tweet", 1, 2, day=12), rows("tweet", 3, 4, day=10), rows("tweet", 5, day=12))
    assert [group["ids"] for group in groups] == [[3, 4], [1, 2, 5]]
    assert [(group["first"], group["days"], group["counts"]) for group in groups] == [
        (micros(10, 3), [day_number(10)], [2]),
        (micros(12, 1), [day_number(12)], [3]),
    ]


def test_small_days_share_a_row_group_in_their_order(store, monkeypatch):
    monkeypatch.setattr(tweet_files, "_MIN_DAY_ROWS", 3)
    groups, _ = store(*(rows("tweet", day, day + 1, day=day) for day in (14, 11, 13, 12, 10)))
    assert [group["ids"] for group in groups] == [[10, 11, 11, 12], [12, 13, 13, 14], [14, 15]]
    assert (groups[1]["days"], groups[1]["counts"]) == ([day_number(12), day_number(13)], [2, 2])


def test_a_large_day_has_several_row_groups(store, monkeypatch):
    monkeypatch.setattr(tweet_files, "_GROUP_ROWS", 4)
    groups, _ = store(*(rows("tweet", 2 * n, 2 * n + 1) for n in range(5)))
    assert [sum(group["counts"]) for group in groups] == [4, 4, 2]


def test_the_buffer_is_limited_in_rows(store, monkeypatch):
    monkeypatch.setattr(tweet_files, "_BUFFER_ROWS", 4)
    groups, _ = store(*(rows("tweet", 2 * n, 2 * n + 1) for n in range(5)))
    assert [sum(group["counts"]) for group in groups] == [4, 4, 2]


def test_the_buffer_is_limited_in_bytes(store, monkeypatch):
    monkeypatch.setattr(tweet_files, "_BUFFER_BYTES", 2 * rows("tweet", 1, 2).select(KEPT.names).nbytes)
    groups, _ = store(*(rows("tweet", 2 * n, 2 * n + 1) for n in range(5)))
    assert [sum(group["counts"]) for group in groups] == [4, 4, 2]


def test_a_pass_that_fails_names_no_file(tmp_path):
    def failing():
        yield rows("tweet", 1)
        raise OSError("no disk")

    manifest = []
    with pytest.raises(OSError, match="no disk"):
        manifest.extend(write_tweets(failing(), str(tmp_path)))
    assert manifest == []
    assert list(tmp_path.iterdir()) == []
