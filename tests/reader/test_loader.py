import itertools
import threading
import time

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tonality.faults import InputFault
from tonality.reader import modern_arrow
from tonality.reader.loader import Loader

GROUPS = 27


def read(loader, epoch=1):
    """One epoch's rows as (tokens without padding, length, label), in their order."""
    with loader.epoch(epoch) as batches:
        return [
            (tuple(tokens[:length].tolist()), int(length), float(label))
            for batch in batches
            for tokens, length, label in zip(*batch, strict=True)
        ]


def as_pyarrow_reads(table):
    return [
        (tuple(row["tokens"][: row["length"]]), row["length"], row["label"])
        for row in table.select(["tokens", "length", "label"]).to_pylist()
    ]


@pytest.fixture
def columns_read(monkeypatch):
    """The columns of every row group read, a list that grows."""
    reads = []
    original = pq.ParquetFile.read_row_group

    def noting(self, i, columns=None, **options):
        reads.append(columns)
        return original(self, i, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noting)
    return reads


@pytest.mark.parametrize("shuffle_rows", [1, 100, 5_000])
def test_an_epoch_has_the_rows_that_pyarrow_reads_each_once(dataset, shuffle_rows):
    found = read(Loader(str(dataset), batch_size=64, shuffle_rows=shuffle_rows))
    wanted = as_pyarrow_reads(pq.read_table(dataset))
    assert sorted(found) == sorted(wanted)
    assert found != wanted


def test_rows_that_are_neighbours_in_a_file_are_torn_apart(dataset):
    found = read(Loader(str(dataset), batch_size=64, shuffle_rows=200))
    numbers = [tokens[0] for tokens, _, _ in found]
    assert sum(after == before + 1 for before, after in itertools.pairwise(numbers)) < 50


def test_without_shuffling_rows_come_in_the_order_of_the_files(dataset):
    assert read(Loader(str(dataset), batch_size=64)) == as_pyarrow_reads(pq.read_table(dataset))


def test_a_batch_is_trimmed_to_its_longest_tweet_and_padded_with_zeros(dataset):
    with Loader(str(dataset), batch_size=8, shuffle_rows=100).epoch(1) as batches:
        widths = set()
        for tokens, lengths, labels in batches:
            assert (tokens.dtype, lengths.dtype, labels.dtype) == (torch.int64, torch.int64, torch.float32)
            assert tokens.shape == (len(labels), lengths.max())
            assert torch.equal((tokens != 0).sum(1), lengths)
            widths.add(tokens.shape[1])
    assert len(widths) > 1


def test_the_last_batch_holds_what_is_left(dataset):
    with Loader(str(dataset), batch_size=64, shuffle_rows=100).epoch(1) as batches:
        assert [len(batch.labels) for batch in batches] == [64] * 15 + [40]


def test_every_epoch_has_the_same_rows_in_another_order(dataset):
    loader = Loader(str(dataset), batch_size=64, seed=5, shuffle_rows=200)
    epochs = [read(loader, number) for number in range(4)]
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


@pytest.mark.parametrize("seed", [0, 2016, -1])
def test_the_same_seed_gives_the_same_order_twice(dataset, seed):
    once, again = (Loader(str(dataset), batch_size=64, seed=seed, shuffle_rows=200) for _ in range(2))
    assert read(once, 3) == read(again, 3)


def test_another_seed_gives_another_order(dataset):
    one, other = (Loader(str(dataset), batch_size=64, seed=seed, shuffle_rows=200) for seed in (1, 2))
    assert read(one, 2) != read(other, 2)
    assert read(one, 2) != read(other, 1), "seed and epoch must not simply add up"


def test_the_order_neither_follows_the_global_generators_nor_moves_them(dataset):
    loader = Loader(str(dataset), batch_size=64, shuffle_rows=200)
    orders, draws = [], []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        orders.append(read(loader))
        draws.append((torch.rand(1).item(), np.random.rand()))
        torch.manual_seed(seed)
        np.random.seed(seed)
        assert draws[-1] == (torch.rand(1).item(), np.random.rand())
    assert orders[0] == orders[1]
    assert draws[0] != draws[1]


@pytest.mark.parametrize("shuffle_rows", [0, 200])
def test_shards_share_all_rows_and_none_twice(dataset, shuffle_rows):
    loaders = [Loader(str(dataset), batch_size=64, shuffle_rows=shuffle_rows, shard=i, shards=4) for i in range(4)]
    shards = [read(loader) for loader in loaders]
    assert [len(shard) for shard in shards] == [loader.rows for loader in loaders]
    assert sorted(itertools.chain.from_iterable(shards)) == sorted(as_pyarrow_reads(pq.read_table(dataset)))


def test_a_shard_keeps_its_rows_from_epoch_to_epoch(dataset):
    loader = Loader(str(dataset), batch_size=64, shuffle_rows=200, shard=2, shards=4)
    assert sorted(read(loader, 1)) == sorted(read(loader, 2))


def test_more_shards_than_row_groups_are_refused_with_both_numbers(dataset):
    assert Loader(str(dataset), batch_size=64, shards=GROUPS).rows > 0
    with pytest.raises(InputFault, match=f"{GROUPS} row groups with rows for 28 processes.*dataset.shard_rows"):
        Loader(str(dataset), batch_size=64, shards=GROUPS + 1)


@pytest.mark.parametrize("shard", [-1, 2])
def test_a_shard_outside_the_shards_is_refused(dataset, shard):
    with pytest.raises(ValueError, match="from 0 to 1"):
        Loader(str(dataset), batch_size=64, shard=shard, shards=2)


def test_a_missing_dataset_is_refused(tmp_path):
    with pytest.raises(InputFault, match=r"nowhere: no Parquet files found, .* run `prepare` first"):
        Loader(str(tmp_path / "nowhere"), batch_size=64)


def test_a_dataset_without_rows_is_refused(tmp_path, rows):
    pq.write_table(rows[:0], tmp_path / "part-0.parquet")
    with pytest.raises(InputFault, match="1 Parquet files without a row found"):
        Loader(str(tmp_path), batch_size=64)


def test_a_file_without_rows_beside_others_changes_nothing(dataset, rows):
    pq.write_table(rows[:0], dataset / "part-00009.snappy.parquet")
    assert len(read(Loader(str(dataset), batch_size=64, shuffle_rows=100))) == 1_000


def test_a_dataset_of_other_columns_is_refused_with_found_and_wanted(dataset, rows):
    pq.write_table(rows.set_column(1, "length", pa.array(["3"] * 1_000)), dataset / "part-x.parquet")
    with pytest.raises(InputFault, match=r"part-x\.parquet: column length: found string, wanted int32"):
        Loader(str(dataset), batch_size=64)


def test_a_file_that_is_no_parquet_is_named(dataset):
    (dataset / "part-x.parquet").write_text("half a copy")
    with pytest.raises(InputFault, match=r"part-x\.parquet: no Parquet file"):
        Loader(str(dataset), batch_size=64)


def test_rows_are_those_of_the_footers(dataset):
    assert Loader(str(dataset), batch_size=64).rows == 1_000


def test_the_stems_are_never_read(dataset, columns_read):
    read(Loader(str(dataset), batch_size=64))
    assert columns_read == [["label", "length", "tokens"]] * GROUPS


def test_no_more_is_read_ahead_than_the_window_and_a_few_row_groups(dataset, columns_read):
    with Loader(str(dataset), batch_size=16, shuffle_rows=100).epoch(1) as batches:
        next(batches)
        time.sleep(0.3)  # time for more, were more allowed
        assert len(columns_read) <= 8


def test_no_thread_is_left_after_an_interrupted_loop(dataset):
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), Loader(str(dataset), batch_size=8, shuffle_rows=50).epoch(1) as batches:
        next(batches)
        assert set(threading.enumerate()) - before, "petastorm reads in threads"
        raise KeyboardInterrupt
    assert set(threading.enumerate()) == before


def test_rows_handed_out_while_petastorm_asks_whether_it_is_done_are_not_lost(tmp_path, rows, monkeypatch):
    modern_arrow.adapt()
    from petastorm.workers_pool.thread_pool import ThreadPool
    from petastorm.workers_pool.ventilator import ConcurrentVentilator

    pq.write_table(rows, tmp_path / "part-0.parquet", row_group_size=500)
    start, all_workers_done = ConcurrentVentilator.start, ThreadPool.all_workers_done
    waiting = []

    def hand_out_after_the_answer(pool):
        answer = all_workers_done(pool)
        while waiting:
            start(ventilator := waiting.pop())
            while not ventilator.completed():
                time.sleep(0.01)
        return answer

    def keep_waiting(ventilator):
        waiting.append(ventilator)

    monkeypatch.setattr(ConcurrentVentilator, "start", keep_waiting)
    monkeypatch.setattr(ThreadPool, "all_workers_done", hand_out_after_the_answer)
    assert len(read(Loader(str(tmp_path), batch_size=64))) == 1_000


def test_a_dataset_that_changes_while_it_is_read_is_refused(dataset):
    loader = Loader(str(dataset), batch_size=64)
    (dataset / "part-00001.snappy.parquet").unlink()
    with pytest.raises(InputFault, match="667 rows came, 1000 were there at the start: something else writes"):
        read(loader)


def test_a_row_group_that_cannot_be_read_is_named_with_its_file_and_nothing_else_is_said(dataset, capfd):
    broken = dataset / "part-00001.snappy.parquet"
    content = bytearray(broken.read_bytes())
    content[100:2000] = bytes(1900)
    broken.write_bytes(content)
    with pytest.raises(InputFault, match=rf"^{broken} cannot be read: .*; run `prepare` again$"):
        read(Loader(str(dataset), batch_size=64))
    assert capfd.readouterr() == ("", "")


def test_any_name_of_a_folder_will_do(tmp_path, dataset):
    odd = dataset.rename(tmp_path / "Твиты #1 50%20?")
    assert len(read(Loader(f"{odd}/", batch_size=64))) == 1_000


def test_a_dataset_in_an_object_store_reads_alike(dataset):
    fsspec.filesystem("memory").put(str(dataset), "/bucket/train", recursive=True)
    remote = read(Loader("memory://bucket/train", batch_size=64, shuffle_rows=100))
    assert remote == read(Loader(str(dataset), batch_size=64, shuffle_rows=100))
