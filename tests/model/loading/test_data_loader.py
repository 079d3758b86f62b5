import gc
import itertools
import sys
import threading
import time
import weakref

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from small_datasets import GROUP_ROWS, GROUPS, VOCABULARY, as_pyarrow_reads

from tonality.model.loading import petastorm_compat
from tonality.model.loading.data_loader import Loader
from tonality.model.loading.row_groups import RowGroups
from tonality.runtime.diagnostics.errors import InputError

IN_MEMORY = 2**30
MODES = pytest.mark.parametrize("memory", [0, IN_MEMORY], ids=["streamed", "in memory"])


def loader_of(location, *, batch_size=64, window=200, shard=0, shards=1, readers=1, **options):
    groups = RowGroups(str(location), VOCABULARY, shard=shard, shards=shards, readers=readers)
    return Loader(groups, batch_size=batch_size, window=window, **options)


def as_tuples(batch):
    """Each tweet as (stems, length, label)."""
    return [
        (tuple(batch.stems[places].tolist()), len(places), float(label))
        for segment in batch.segments
        for places, label in zip(segment.places, segment.labels, strict=True)
    ]


def batches_of(loader, epoch=1, skip=0):
    with loader.epoch(epoch, skip) as batches:
        return [as_tuples(batch) for batch in batches]


def read(loader, epoch=1):
    return list(itertools.chain.from_iterable(batches_of(loader, epoch)))


@pytest.fixture
def expected(dataset):
    return sorted(as_pyarrow_reads(pq.read_table(dataset)))


@MODES
@pytest.mark.parametrize("window", [0, 1, 200, 5_000])
def test_an_epoch_has_the_rows_that_pyarrow_reads_each_once(dataset, expected, memory, window):
    assert sorted(read(loader_of(dataset, window=window, memory=memory))) == expected


@MODES
@pytest.mark.parametrize("window", [0, 200])
def test_all_batches_are_full_but_one_and_hold_as_many_rows_as_announced(dataset, memory, window):
    loader = loader_of(dataset, window=window, memory=memory)
    sizes = [len(batch) for batch in batches_of(loader)]
    assert sorted(sizes, reverse=True) == [64] * 15 + [40]
    assert loader.rows == sum(sizes) == 1_000


@MODES
def test_every_epoch_has_the_same_rows_in_another_order(dataset, expected, memory):
    loader = loader_of(dataset, seed=5, memory=memory)
    epochs = [read(loader, number) for number in range(4)]
    assert all(sorted(epoch) == expected for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


@MODES
@pytest.mark.parametrize("seed", [0, 2016, -1])
@pytest.mark.parametrize("readers", [1, 3])
def test_the_same_seed_gives_the_same_order_twice(dataset, seed, memory, readers):
    once, again = (loader_of(dataset, seed=seed, memory=memory, readers=readers) for _ in range(2))
    read(once, 1)  # an order does not depend on the epochs before it
    assert read(once, 3) == read(again, 3)


@MODES
def test_another_seed_gives_another_order(dataset, memory):
    one, other = (loader_of(dataset, seed=seed, memory=memory) for seed in (1, 2))
    assert read(one, 2) != read(other, 2)
    assert read(one, 2) != read(other, 1), "seed and epoch must not simply add up"


@MODES
def test_without_a_window_nothing_is_shuffled(dataset, memory):
    loader = loader_of(dataset, window=0, memory=memory, batch_size=2_000)
    in_order = as_pyarrow_reads(pq.read_table(dataset))
    assert read(loader, 1) == read(loader, 2) == sorted(in_order, key=lambda row: row[1])


@MODES
def test_the_order_neither_follows_the_global_generators_nor_moves_them(dataset, memory):
    loader = loader_of(dataset, memory=memory)
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


@MODES
@pytest.mark.parametrize("window", [0, 200])
def test_shards_share_all_rows_and_none_twice(dataset, expected, memory, window):
    loaders = [loader_of(dataset, window=window, memory=memory, shard=shard, shards=4) for shard in range(4)]
    shards = [read(loader) for loader in loaders]
    assert [len(shard) for shard in shards] == [loader.rows for loader in loaders]
    assert sorted(itertools.chain.from_iterable(shards)) == expected


@MODES
@pytest.mark.parametrize("skip", [0, 1, 7, 15, 16, 100])
def test_a_skip_gives_exactly_the_rest_of_the_epoch(dataset, memory, skip):
    loader = loader_of(dataset, memory=memory)
    assert batches_of(loader, 2, skip) == batches_of(loader, 2)[skip:]


def test_in_memory_the_files_are_read_once_for_many_epochs(dataset, columns_read):
    loader = loader_of(dataset, memory=IN_MEMORY)
    read(loader, 1)
    after_one = len(columns_read)
    for number in range(2, 5):
        read(loader, number)
    assert len(columns_read) == after_one
    assert GROUPS <= after_one <= GROUPS + 6, "each once, and a few more to estimate the bytes"


def test_in_memory_neighbours_in_a_file_are_separated_whatever_the_window(dataset):
    # batches hold one length each, in which a row and the next of its length are neighbours
    numbers = [row[0][0] for row in read(loader_of(dataset, window=1, memory=IN_MEMORY))]
    lengths = dict(row[:2] for row in as_pyarrow_reads(pq.read_table(dataset)))
    follower = {}
    for same in {
        length: [stems[0] for stems, n in lengths.items() if n == length] for length in lengths.values()
    }.values():
        follower |= dict(itertools.pairwise(same))
    assert sum(follower.get(before) == after for before, after in itertools.pairwise(numbers)) < 100


def test_a_dataset_above_the_memory_is_streamed(dataset, columns_read):
    needed = RowGroups(str(dataset), VOCABULARY).estimate_bytes()
    counts = []
    for memory in (needed, needed - 1):
        loader = loader_of(dataset, memory=memory)
        read(loader, 1)
        columns_read.clear()
        read(loader, 2)
        counts.append(len(columns_read))
    assert counts == [0, GROUPS]


def test_streamed_the_row_groups_come_in_another_order_each_epoch(dataset):
    loader = loader_of(dataset, batch_size=4, window=1)
    firsts = [min(stems[0] for batch in batches_of(loader, number)[:4] for stems, *_ in batch) for number in range(4)]
    assert len({first // GROUP_ROWS for first in firsts}) > 1


def test_streamed_no_more_is_read_ahead_than_the_window_and_a_few_row_groups(dataset, columns_read):
    with loader_of(dataset, batch_size=16, window=100, ahead=1).epoch(1) as batches:
        next(batches)
        time.sleep(0.3)  # enough time to read more
        assert len(columns_read) <= 3 + 3 + 5, "two windows of three row groups, and petastorm's own"


@MODES
def test_no_thread_is_left_after_an_interrupted_loop(dataset, memory):
    before = set(threading.enumerate())
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        loader_of(dataset, batch_size=8, window=50, memory=memory).epoch(1) as batches,
    ):
        next(batches)
        assert set(threading.enumerate()) - before
        raise KeyboardInterrupt
    assert caught.value, "kept alive, together with its frames"
    assert not set(threading.enumerate()) - before


def test_no_thread_is_left_when_the_interrupt_comes_while_prefetched_batches_wait(dataset):
    before = set(threading.enumerate())
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        loader_of(dataset, batch_size=8, window=50, ahead=1).epoch(1) as batches,
    ):
        next(batches)
        time.sleep(0.3)  # one batch is ready, the next one waits, and petastorm's results wait too
        raise KeyboardInterrupt
    assert caught.value
    assert not set(threading.enumerate()) - before


def test_no_thread_is_left_where_the_reading_fails(dataset):
    loader, before = loader_of(dataset), set(threading.enumerate())
    broken = dataset / "part-00001.snappy.parquet"
    broken.write_bytes(b"PAR1" + bytes(2000) + broken.read_bytes()[2004:])
    with pytest.raises(InputError, match="cannot be read") as caught:
        read(loader)
    assert caught.value
    assert not set(threading.enumerate()) - before


@MODES
def test_a_dataset_that_changes_before_it_is_read_is_refused_in_the_loop(dataset, memory):
    loader = loader_of(dataset, memory=memory)
    (dataset / "part-00001.snappy.parquet").unlink()
    with pytest.raises(InputError, match="667 rows read, 1000 expected: another process is writing"):
        read(loader)


@pytest.fixture
def petastorm_objects(monkeypatch):
    """Weak references to every reader, pool, worker, thread and ventilator that petastorm creates from now on."""
    petastorm_compat.adapt()
    from petastorm.arrow_reader_worker import ArrowReaderWorker
    from petastorm.reader import Reader
    from petastorm.workers_pool.thread_pool import ThreadPool, WorkerThread
    from petastorm.workers_pool.ventilator import ConcurrentVentilator

    created = []
    for kind in (Reader, ThreadPool, WorkerThread, ArrowReaderWorker, ConcurrentVentilator):

        def recording(self, *arguments, original=kind.__init__, **options):
            created.append(weakref.ref(self))
            original(self, *arguments, **options)

        monkeypatch.setattr(kind, "__init__", recording)
    return created


@pytest.mark.parametrize("interrupted", [False, True], ids=["to the end", "interrupted"])
def test_after_a_streamed_epoch_no_petastorm_object_remains_even_without_garbage_collection(
    dataset, petastorm_objects, interrupted
):
    loader, before = loader_of(dataset, readers=2), set(threading.enumerate())
    gc.collect()
    gc.disable()
    try:
        for number in range(5):
            with loader.epoch(number) as batches:
                next(batches) if interrupted else list(batches)
            assert [reference() for reference in petastorm_objects if reference()] == []
    finally:
        gc.enable()
    assert len(petastorm_objects) == 5 * 2 * 5, (
        "five epochs, two readers, five kinds: otherwise this test would prove nothing"
    )
    assert not set(threading.enumerate()) - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other allocators are not called")
def test_after_an_epoch_freed_memory_goes_back_to_the_system(dataset, monkeypatch):
    from tonality.model.loading import malloc_trim

    calls = []
    assert malloc_trim._malloc_trim() is not None
    monkeypatch.setattr(malloc_trim, "_malloc_trim", lambda: calls.append)
    loader = loader_of(dataset)
    read(loader)
    with pytest.raises(KeyError), loader.epoch(2):
        raise KeyError
    assert calls == [0, 0]


def test_a_dataset_that_fits_with_padding_is_read_once_without_an_estimate(dataset, monkeypatch):
    monkeypatch.setattr(RowGroups, "estimate_bytes", lambda self: pytest.fail("a row group was read"))
    groups = RowGroups(str(dataset), VOCABULARY)
    padded = pq.read_table(dataset)["tokens"].combine_chunks().flatten()
    assert groups.padded_bytes == 4 * len(padded) + 8 * groups.rows
    loader = Loader(groups, batch_size=64, memory=groups.padded_bytes)
    with loader.epoch(1) as batches:
        assert sum(batch.rows for batch in batches) == groups.rows
