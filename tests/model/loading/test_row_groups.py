import itertools
import json
import threading
import time

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from small_datasets import GROUPS, MAX_LENGTH, VOCABULARY, as_pyarrow_reads, make_rows, write_files

from tonality.model.loading import petastorm_compat
from tonality.model.loading.row_groups import RowGroups
from tonality.runtime.diagnostics.errors import InputError


def as_tuples(rows):
    """Each tweet as (stems, length, label)."""
    return [
        (tuple(rows.stems[start : start + length].tolist()), int(length), float(label))
        for start, length, label in zip(rows.starts, rows.lengths, rows.labels, strict=True)
    ]


def read(groups, seed=None):
    with groups.read(seed) as found:
        return [row for rows in found for row in as_tuples(rows)]


def of(location, **options):
    return RowGroups(str(location), VOCABULARY, **options)


def with_column(rows, name, value):
    """The rows with one value of a column replaced, far from the start."""
    values = rows[name].to_pylist()
    values[700] = value
    return rows.set_column(rows.column_names.index(name), rows.schema.field(name), pa.array(values, rows[name].type))


def test_the_rows_are_those_that_pyarrow_reads_in_the_order_of_the_files(dataset):
    assert read(of(dataset)) == as_pyarrow_reads(pq.read_table(dataset))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_a_seed_decides_the_order_of_the_row_groups_zero_too(dataset, seed):
    once, again = (read(of(dataset), seed) for _ in range(2))
    assert once == again
    assert once != read(of(dataset), 7)
    assert once != read(of(dataset))
    assert sorted(once) == sorted(read(of(dataset)))


@pytest.mark.parametrize("readers", [2, 3])
@pytest.mark.parametrize("seed", [None, 5])
def test_several_readers_give_the_same_rows_in_the_same_order_each_time(dataset, readers, seed):
    orders = [read(of(dataset, readers=readers), seed) for _ in range(3)]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == sorted(as_pyarrow_reads(pq.read_table(dataset)))


def test_several_readers_read_in_threads_of_their_own(dataset):
    before = set(threading.enumerate())
    counts = []
    for readers in (1, 3):
        with of(dataset, readers=readers).read() as groups:
            next(groups)
            counts.append(sum("_ventilate" not in thread.name for thread in set(threading.enumerate()) - before))
    assert counts == [1, 3]


def test_more_readers_than_row_groups_are_no_more_than_those(dataset):
    assert len(read(of(dataset, readers=100))) == 1_000
    assert len(read(of(dataset, readers=100, shard=1, shards=4))) == of(dataset, shard=1, shards=4).rows


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("shards", [2, 4, GROUPS])
def test_shards_share_all_rows_and_none_twice(dataset, seed, readers, shards):
    parts = [of(dataset, shard=shard, shards=shards, readers=readers) for shard in range(shards)]
    found = [read(part, seed) for part in parts]
    assert [len(rows) for rows in found] == [part.rows for part in parts]
    assert sorted(itertools.chain.from_iterable(found)) == sorted(as_pyarrow_reads(pq.read_table(dataset)))


def test_a_shard_keeps_its_rows_whatever_the_seed(dataset):
    shard = of(dataset, shard=2, shards=4)
    assert sorted(read(shard, 1)) == sorted(read(shard, 2))


def test_rows_are_counted_by_shard_and_over_all(dataset):
    parts = [of(dataset, shard=shard, shards=4) for shard in range(4)]
    assert {part.total_rows for part in parts} == {1_000}
    assert {part.max_shard_rows for part in parts} == {max(part.rows for part in parts)}
    assert sum(part.rows for part in parts) == 1_000
    assert of(dataset).rows == of(dataset).max_shard_rows == 1_000


def test_more_shards_than_row_groups_are_refused_with_both_numbers(dataset):
    assert of(dataset, shards=GROUPS).rows > 0
    with pytest.raises(InputError, match=f"{GROUPS} row groups with rows for 28 processes.*dataset.shard_rows"):
        of(dataset, shards=GROUPS + 1)


@pytest.mark.parametrize("shard", [-1, 2])
def test_a_shard_outside_the_shards_is_refused(dataset, shard):
    with pytest.raises(ValueError, match="from 0 to 1"):
        of(dataset, shard=shard, shards=2)


def test_a_missing_dataset_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no Parquet files found, .* run `prepare` first"):
        of(tmp_path / "nowhere")


def test_a_dataset_without_rows_is_refused(tmp_path, rows):
    pq.write_table(rows[:0], tmp_path / "part-0.parquet")
    with pytest.raises(InputError, match="1 Parquet files without a row found"):
        of(tmp_path)


@pytest.mark.parametrize("name", ["part-00000-first.parquet", "part-00009-last.parquet"])
def test_a_file_without_rows_beside_others_changes_nothing(dataset, rows, name):
    expected = read(of(dataset)), of(dataset).estimate_bytes()
    pq.write_table(rows[:0], dataset / name)
    assert (read(of(dataset)), of(dataset).estimate_bytes()) == expected


def test_a_dataset_of_other_columns_is_refused_with_found_and_expected(dataset, rows):
    pq.write_table(rows.set_column(1, "length", pa.array(["3"] * 1_000)), dataset / "part-x.parquet")
    with pytest.raises(InputError, match=r"part-x\.parquet: column length: found string, expected int32"):
        of(dataset)


def test_a_dataset_without_a_column_is_refused(dataset, rows):
    pq.write_table(rows.drop_columns("label"), dataset / "part-x.parquet")
    with pytest.raises(InputError, match=r"part-x\.parquet: column label: found no such column, expected float"):
        of(dataset)


def test_a_file_that_is_no_parquet_is_named(dataset):
    (dataset / "part-x.parquet").write_text("half a copy")
    with pytest.raises(InputError, match=r"part-x\.parquet: not a Parquet file"):
        of(dataset)


def test_a_row_group_that_cannot_be_read_is_named_with_its_file_and_nothing_else_is_printed(dataset, capfd):
    broken = dataset / "part-00001.snappy.parquet"
    content = bytearray(broken.read_bytes())
    content[100:2000] = bytes(1900)
    broken.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{broken} cannot be read: .*; run `prepare` again$"):
        read(of(dataset))
    assert capfd.readouterr() == ("", "")


def test_a_file_that_was_overwritten_since_the_start_is_named(dataset):
    groups = of(dataset)
    (overwritten := dataset / "part-00001.snappy.parquet").write_text("half a copy")
    with pytest.raises(InputError, match=rf"^{overwritten} cannot be read: .*; run `prepare` again$"):
        read(groups)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("label", 0.5, "label 0.5 found, 0 or 1 expected"),
        ("label", -1.0, r"label -1.0 found, 0 or 1 expected"),
        ("label", None, "label nan found, 0 or 1 expected"),
        ("length", 0, f"length 0 found, 1 to {MAX_LENGTH} expected"),
        ("length", MAX_LENGTH + 1, f"length {MAX_LENGTH + 1} found, 1 to {MAX_LENGTH} expected"),
        ("length", None, f"length nan found, 1 to {MAX_LENGTH} expected"),
        ("tokens", [VOCABULARY] * MAX_LENGTH, f"tokens {VOCABULARY} found, 1 to {VOCABULARY - 1} expected"),
        ("tokens", [0] * MAX_LENGTH, f"tokens 0 found, 1 to {VOCABULARY - 1} expected"),
        ("tokens", [-3] * MAX_LENGTH, f"tokens -3 found, 1 to {VOCABULARY - 1} expected"),
        ("tokens", [None] * MAX_LENGTH, f"tokens nan found, 1 to {VOCABULARY - 1} expected"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_a_row_that_no_network_can_learn_from_is_refused_by_its_column(tmp_path, rows, column, value, expected):
    folder = write_files(tmp_path / "odd", with_column(rows, column, value))
    with pytest.raises(InputError, match=f"{folder}: {expected}; run `prepare` again"):
        read(of(folder))


@pytest.mark.parametrize("tokens", [None, [], [3] * (MAX_LENGTH + 1)])
def test_a_row_whose_tokens_are_not_as_many_as_the_others_is_refused_by_its_file(tmp_path, rows, tokens):
    folder = write_files(tmp_path / "odd", with_column(rows, "tokens", tokens))
    message = r"part-00002\.snappy\.parquet cannot be read: column tokens holds lists of different lengths, or nulls"
    with pytest.raises(InputError, match=rf"{message}; run `prepare` again"):
        read(of(folder))


def test_the_largest_id_and_length_are_valid(tmp_path, rows):
    full = with_column(with_column(rows, "tokens", [VOCABULARY - 1] * MAX_LENGTH), "length", MAX_LENGTH)
    assert ((VOCABULARY - 1,) * MAX_LENGTH) in [row[0] for row in read(of(write_files(tmp_path / "full", full)))]


def test_the_content_of_the_padding_does_not_matter(tmp_path, rows):
    short = with_column(with_column(rows, "tokens", [5] + [VOCABULARY] * (MAX_LENGTH - 1)), "length", 1)
    assert len(read(of(write_files(tmp_path / "short", short)))) == 1_000


def test_a_dataset_that_shrinks_while_it_is_read_is_refused(dataset):
    groups = of(dataset)
    (dataset / "part-00001.snappy.parquet").unlink()
    with pytest.raises(InputError, match="667 rows read, 1000 expected: another process is writing"):
        read(groups)


def test_a_dataset_that_grows_while_it_is_read_is_refused(dataset, rows):
    groups = of(dataset)
    pq.write_table(rows[:10], dataset / "part-00009.snappy.parquet")
    with pytest.raises(InputError, match="1010 rows read, 1000 expected: another process is writing"):
        read(groups)


def test_the_stems_are_never_read(dataset, columns_read):
    read(of(dataset))
    assert columns_read == [["label", "length", "tokens"]] * GROUPS


@pytest.mark.parametrize("readers", [1, 2])
def test_no_more_than_four_row_groups_are_read_ahead_by_a_reader(dataset, columns_read, readers):
    with of(dataset, readers=readers).read() as groups:
        next(groups)
        time.sleep(0.3)  # enough time to read more
        assert len(columns_read) <= 1 + 5 * readers


def test_no_thread_is_left_after_an_interrupted_loop(dataset):
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), of(dataset, readers=2).read(seed=1) as groups:
        next(groups)
        assert set(threading.enumerate()) - before, "petastorm reads in threads"
        raise KeyboardInterrupt
    assert not set(threading.enumerate()) - before


def test_no_thread_is_left_where_a_reader_cannot_be_opened(dataset, monkeypatch):
    groups, before = of(dataset, readers=2), set(threading.enumerate())
    opened = groups._open

    def second_fails(reader, seed):
        if reader:
            raise OSError("the network is down")
        return opened(reader, seed)

    monkeypatch.setattr(groups, "_open", second_fails)
    with pytest.raises(OSError, match="the network is down"), groups.read():
        pass
    assert not set(threading.enumerate()) - before


def test_rows_handed_out_while_petastorm_asks_whether_it_is_done_are_not_lost(tmp_path, rows, monkeypatch):
    petastorm_compat.adapt()
    from petastorm.workers_pool.thread_pool import ThreadPool
    from petastorm.workers_pool.ventilator import ConcurrentVentilator

    pq.write_table(rows, tmp_path / "part-0.parquet", row_group_size=500)
    start, all_workers_done = ConcurrentVentilator.start, ThreadPool.all_workers_done
    delayed = []

    def hand_out_after_the_answer(pool):
        answer = all_workers_done(pool)
        while delayed:
            start(ventilator := delayed.pop())
            while not ventilator.completed():
                time.sleep(0.01)
        return answer

    def delay(ventilator):
        delayed.append(ventilator)

    monkeypatch.setattr(ConcurrentVentilator, "start", delay)
    monkeypatch.setattr(ThreadPool, "all_workers_done", hand_out_after_the_answer)
    assert len(read(of(tmp_path))) == 1_000


def test_any_name_of_a_folder_will_do(tmp_path, dataset):
    odd = dataset.rename(tmp_path / "Твиты #1 50%20?")
    assert len(read(of(f"{odd}/"))) == 1_000


def test_a_dataset_in_an_object_store_reads_alike(dataset):
    fsspec.filesystem("memory").put(str(dataset), "/bucket/train", recursive=True)
    remote, local = of("memory://bucket/train"), of(dataset)
    assert read(remote, 3) == read(local, 3)
    assert remote.fingerprint == local.fingerprint


def test_the_fingerprint_stays_when_the_dataset_is_only_read(dataset):
    before = of(dataset)
    read(before)
    assert of(dataset, readers=2, shard=1, shards=3).fingerprint == before.fingerprint
    assert len(before.fingerprint) == 12


def test_the_fingerprint_stays_when_the_same_dataset_is_written_again(dataset):
    before = of(dataset).fingerprint
    for file in dataset.glob("*.parquet"):
        file.rename(file.with_name(file.name.replace("part", "part-again")))  # Spark writes new names each time
    assert of(dataset).fingerprint == before


def test_the_fingerprint_of_another_dataset_differs_even_under_the_same_names(dataset, tmp_path, rows):
    found = {of(dataset).fingerprint}
    found.add(of(write_files(tmp_path / "other", make_rows(1_001))).fingerprint)
    found.add(of(write_files(tmp_path / "files", rows, files=2)).fingerprint)
    found.add(of(write_files(tmp_path / "same names", make_rows(1_000, seed=2))).fingerprint)
    assert len(found) == 4


def test_a_file_whose_footer_is_broken_is_named(dataset):
    broken = dataset / "part-00001.snappy.parquet"
    content = bytearray(broken.read_bytes())
    content[-60:-40] = b"\xff" * 20
    broken.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{broken}: not a Parquet file: "):
        of(dataset)


def test_the_bytes_that_rows_take_are_estimated_without_their_padding(dataset):
    lengths = pc.sum(pq.read_table(dataset)["length"]).as_py()
    assert of(dataset).estimate_bytes() == pytest.approx(4 * lengths + 8 * 1_000, rel=0.2)
    shard = of(dataset, shard=0, shards=4)
    assert shard.estimate_bytes() == pytest.approx(of(dataset).estimate_bytes() * shard.rows / 1_000, rel=0.2)


def test_rows_own_their_memory(dataset):
    with of(dataset).read() as groups:
        rows = next(groups)
    assert (rows.stems.dtype, rows.lengths.dtype, rows.labels.dtype) == (np.int32, np.int32, np.float32)
    assert rows.nbytes == 4 * (len(rows.stems) + 2 * len(rows))
    assert json.dumps(as_tuples(rows))
