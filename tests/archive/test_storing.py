import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tonality.archive import storing
from tonality.archive.storing import stored
from tonality.schema import KEPT, NOTES, STAGED


def rows(kind, *numbers):
    return pa.RecordBatch.from_pylist(
        [{"kind": kind, "tweet_id": n, "text": f"кот {n}"} for n in numbers], schema=STAGED
    )


def test_tweets_go_to_a_file_that_the_last_note_names(tmp_path):
    notes = list(
        stored([rows("reject", 1, 2), rows("tweet", 3, 4), rows("account", 5), rows("tweet", 6)], str(tmp_path))
    )
    assert all(batch.schema.equals(NOTES) for batch in notes)
    kinds = [row["kind"] for batch in notes for row in batch.to_pylist()]
    assert kinds == ["reject", "reject", "account", "file"]
    table = pq.read_table(tmp_path / notes[-1]["path"][0].as_py())
    assert table.schema.equals(KEPT)
    assert table["tweet_id"].to_pylist() == [3, 4, 6]


def test_without_tweets_there_is_no_file(tmp_path):
    assert [batch.num_rows for batch in stored([rows("account", 1)], str(tmp_path))] == [1]
    assert list(tmp_path.iterdir()) == []


def test_no_two_tasks_share_a_file(tmp_path):
    for _ in range(2):
        list(stored([rows("tweet", 1)], str(tmp_path)))
    assert len(list(tmp_path.iterdir())) == 2


def test_rows_wait_for_a_row_group_to_fill(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "_ROW_GROUP", 4)
    *_, file = stored([rows("tweet", 2 * n, 2 * n + 1) for n in range(5)], str(tmp_path))
    metadata = pq.read_metadata(tmp_path / file["path"][0].as_py())
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [4, 4, 2]


def test_rows_wait_for_no_more_than_they_may_weigh(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "_WAITING_BYTES", 2 * rows("tweet", 1, 2).select(KEPT.names).nbytes)
    *_, file = stored([rows("tweet", 2 * n, 2 * n + 1) for n in range(5)], str(tmp_path))
    metadata = pq.read_metadata(tmp_path / file["path"][0].as_py())
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [4, 4, 2]


def test_a_pass_that_fails_names_no_file(tmp_path):
    def failing():
        yield rows("tweet", 1)
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        list(stored(failing(), str(tmp_path)))
