import itertools
import weakref
from collections import Counter

import numpy as np
import pytest

from tonality.model.loading.length_buckets import count_batches, in_batches
from tonality.model.loading.ragged_rows import Rows


def rows_of(*lengths, first=1):
    """Rows that can be told apart: the stems of row 7 are 700, 701 and so on."""
    stems = [100 * row + place for row, length in enumerate(lengths, first) for place in range(length)]
    return Rows(
        np.array(stems, np.int32), np.array(lengths, np.int32), np.arange(first, first + len(lengths), dtype=np.float32)
    )


def many_rows(count, longest=6, first=1, seed=1):
    return rows_of(*np.random.default_rng(seed).integers(1, longest + 1, count), first=first)


def draw(groups, batch_size, window=10_000, seed=1):
    return list(in_batches(groups, batch_size, window, None if seed is None else np.random.default_rng(seed)))


def tweets(batch):
    """The stems of each tweet, with the label behind."""
    return [
        (*batch.stems[places].tolist(), label)
        for segment in batch.segments
        for places, label in zip(segment.places, segment.labels.tolist(), strict=True)
    ]


def numbers(batch):
    return [int(tweet[-1]) for tweet in tweets(batch)]


def lengths_of(batch):
    return [segment.places.shape[1] for segment in batch.segments]


def as_tweets(rows):
    return [
        (*rows.stems[start : start + length].tolist(), label)
        for start, length, label in zip(rows.starts, rows.lengths, rows.labels.tolist(), strict=True)
    ]


@pytest.mark.parametrize("window", [1, 50, 10_000])
def test_every_row_comes_once_with_its_stems_and_its_label(window):
    groups = [many_rows(40, first=1 + 40 * number, seed=number) for number in range(5)]
    found = [tweet for batch in draw(groups, 8, window) for tweet in tweets(batch)]
    expected = [tweet for rows in groups for tweet in as_tweets(rows)]
    assert sorted(found) == sorted(expected)
    assert found != expected


def test_a_segment_is_of_one_length_and_holds_no_padding():
    for batch in draw([many_rows(200)], 8):
        for segment in batch.segments:
            count, length = segment.places.shape
            assert segment.labels.shape == (count,)
            assert (segment.places.dtype, segment.labels.dtype) == (np.int64, np.float32)
            for row, label in zip(batch.stems[segment.places].tolist(), segment.labels.tolist(), strict=True):
                assert row == [100 * label + place for place in range(length)]


def test_a_batch_names_each_of_its_stems_once():
    rows = Rows(np.array([7, 9, 9, 7, 9, 9], np.int32), np.array([2, 2, 2], np.int32), np.zeros(3, np.float32))
    (batch,) = draw([rows], 3, seed=None)
    assert batch.stems.tolist() == [7, 9]
    assert batch.stems.dtype == np.int64
    assert batch.segments[0].places.tolist() == [[0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("window", [1, 30, 10_000])
def test_all_batches_are_full_but_the_last(window):
    groups = [many_rows(41, first=1 + 41 * number, seed=number) for number in range(5)]
    sizes = [batch.rows for batch in draw(groups, 16, window, seed=None)]
    assert sizes == [16] * 12 + [13]
    assert Counter(batch.rows for batch in draw(groups, 16, window)) == {16: 12, 13: 1}


def test_a_batch_counts_its_rows():
    for batch in draw([many_rows(50)], 7):
        assert batch.rows == sum(len(segment.labels) for segment in batch.segments)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64, 100])
@pytest.mark.parametrize("window", [10, 10_000])
def test_as_many_batches_come_as_were_counted(count, window):
    groups = [many_rows(size, first=1) for size in (count // 2, count - count // 2) if size]
    assert len(draw(groups, 8, window)) == count_batches(count, 8)


def test_no_rows_make_no_batch():
    assert draw([], 8) == []
    assert count_batches(0, 8) == 0


def test_what_fills_no_batch_waits_for_the_next_window():
    # two windows of one group each: of the first, 2 rows of 3 stems are left, which the second has 2 more of
    batches = draw([rows_of(3, 3, 3, 3, 3, 3), rows_of(3, 3, first=7)], 4, window=1, seed=None)
    assert [numbers(batch) for batch in batches] == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_at_the_end_neighbouring_lengths_share_a_batch():
    batches = draw([rows_of(9, 1, 5, 2, 9, 2, 1, 1)], 3, seed=None)
    assert [lengths_of(batch) for batch in batches] == [[1], [2, 5], [9]]
    assert [numbers(batch) for batch in batches] == [[2, 7, 8], [4, 6, 3], [1, 5]]


def test_before_the_last_window_no_batch_mixes_lengths():
    groups = [many_rows(100, first=1 + 100 * number, seed=number) for number in range(4)]
    mixed = [len(batch.segments) > 1 for batch in draw(groups, 8, window=100)]
    assert 0 < sum(mixed) <= 6, "what is left of 6 lengths, at most 7 rows each"
    assert mixed.index(True) >= 3 * 100 // 8 - 6, "three windows of full batches come first"


def test_batches_of_several_lengths_come_among_the_others_and_not_at_the_end():
    """Weights would lean towards what is learned last: the rare long tweets."""
    mixed = [len(batch.segments) > 1 for batch in draw([many_rows(2_000)], 64)]
    assert sum(mixed) >= 2
    assert any(mixed[: len(mixed) // 2])


def test_the_batches_of_a_window_come_in_random_order():
    rows = rows_of(*[1, 2, 3, 4, 5] * 80)  # ten batches of each length, and nothing is left
    orders = [[lengths_of(batch) for batch in draw([rows], 8, seed=seed)] for seed in range(3)]
    assert all(order != sorted(order) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    in_order = [lengths_of(batch) for batch in draw([rows], 8, seed=None)]
    assert in_order == sorted(in_order)


def test_rows_that_are_neighbours_are_torn_apart():
    found = [number for batch in draw([rows_of(*[3] * 500)], 10) for number in numbers(batch)]
    assert sum(after == before + 1 for before, after in itertools.pairwise(found)) < 25


def test_without_a_generator_rows_come_by_their_lengths_and_else_as_they_lie():
    found = draw([rows_of(2, 1, 2, 1, 1, 2)], 3, seed=None)
    assert [numbers(batch) for batch in found] == [[2, 4, 5], [1, 3, 6]]


def test_the_same_generator_gives_the_same_batches_twice_and_another_others():
    once, again, other = (
        [tweets(batch) for batch in draw([many_rows(300)], 8, window=100, seed=seed)] for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_no_more_rows_wait_than_a_window_and_a_group_by_which_its_end_is_known():
    drawn = []

    def groups():
        for number in range(10):
            drawn.append(number)
            yield rows_of(*[3] * 10, first=1 + 10 * number)

    next(in_batches(groups(), 4, 20, np.random.default_rng(1)))
    assert drawn == [0, 1, 2]


def test_a_window_is_let_go_before_the_next_one_is_read():
    read = []

    def groups():
        for number in range(6):
            assert not any(seen() for seen in read[:-2]), "but for the last group, by which a window's end is known"
            rows = many_rows(50, first=50 * number, seed=number)
            read.append(weakref.ref(rows))
            yield rows
            del rows

    assert sum(batch.rows for batch in in_batches(groups(), 8, 50, np.random.default_rng(1))) == 300
