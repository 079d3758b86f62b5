import itertools
import weakref
from collections import Counter

import numpy as np
import pytest

from tonality.model.loading.length_buckets import batch_by_length, count_batches
from tonality.model.loading.ragged_rows import Rows


def rows_of(*lengths, first=1):
    """Distinguishable rows: the stems of row 7 are 700, 701 and so on."""
    stems = [100 * row + place for row, length in enumerate(lengths, first) for place in range(length)]
    return Rows(
        np.array(stems, np.int32), np.array(lengths, np.int32), np.arange(first, first + len(lengths), dtype=np.float32)
    )


def many_rows(count, longest=6, first=1, seed=1):
    return rows_of(*np.random.default_rng(seed).integers(1, longest + 1, count), first=first)


def draw(groups, batch_size, window=10_000, seed=1):
    return list(batch_by_length(groups, batch_size, window, None if seed is None else np.random.default_rng(seed)))


def tweets(batch):
    """The stems of each tweet, followed by the label."""
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


def test_rows_that_fill_no_batch_are_carried_over_to_the_next_window():
    # two windows of one group each: 2 rows of the first remain, and the second has 2 more of that length
    batches = draw([rows_of(3, 3, 3, 3, 3, 3), rows_of(3, 3, first=7)], 4, window=1, seed=None)
    assert [numbers(batch) for batch in batches] == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_at_the_end_neighbouring_lengths_share_a_batch():
    batches = draw([rows_of(9, 1, 5, 2, 9, 2, 1, 1)], 3, seed=None)
    assert [lengths_of(batch) for batch in batches] == [[1], [2, 5], [9]]
    assert [numbers(batch) for batch in batches] == [[2, 7, 8], [4, 6, 3], [1, 5]]


def test_before_the_last_window_no_batch_mixes_lengths():
    groups = [many_rows(100, first=1 + 100 * number, seed=number) for number in range(4)]
    mixed = [len(batch.segments) > 1 for batch in draw(groups, 8, window=100)]
    assert 0 < sum(mixed) <= 6, "the remaining rows of 6 lengths, at most 7 rows each"
    assert mixed.index(True) >= 3 * 100 // 8 - 6, "three windows of full batches come first"


def test_batches_of_several_lengths_come_among_the_others_and_not_at_the_end():
    """The weights would be biased towards the last tweets learned: the rare long ones."""
    mixed = [len(batch.segments) > 1 for batch in draw([many_rows(2_000)], 64)]
    assert sum(mixed) >= 2
    assert any(mixed[: len(mixed) // 2])


def test_the_batches_of_a_window_come_in_random_order():
    rows = rows_of(*[1, 2, 3, 4, 5] * 80)  # ten full batches of each length
    orders = [[lengths_of(batch) for batch in draw([rows], 8, seed=seed)] for seed in range(3)]
    assert all(order != sorted(order) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    in_order = [lengths_of(batch) for batch in draw([rows], 8, seed=None)]
    assert in_order == sorted(in_order)


def test_neighbouring_rows_are_separated():
    found = [number for batch in draw([rows_of(*[3] * 500)], 10) for number in numbers(batch)]
    assert sum(after == before + 1 for before, after in itertools.pairwise(found)) < 25


def test_without_a_generator_rows_are_ordered_by_length_and_then_by_position():
    found = draw([rows_of(2, 1, 2, 1, 1, 2)], 3, seed=None)
    assert [numbers(batch) for batch in found] == [[2, 4, 5], [1, 3, 6]]


def test_the_same_generator_gives_the_same_batches_twice_and_another_others():
    once, again, other = (
        [tweets(batch) for batch in draw([many_rows(300)], 8, window=100, seed=seed)] for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_no_more_rows_are_buffered_than_a_window_and_the_group_that_shows_its_end():
    drawn = []

    def groups():
        for number in range(10):
            drawn.append(number)
            yield rows_of(*[3] * 10, first=1 + 10 * number)

    next(batch_by_length(groups(), 4, 20, np.random.default_rng(1)))
    assert drawn == [0, 1, 2]


def test_a_window_is_freed_before_the_next_one_is_read():
    read = []

    def groups():
        for number in range(6):
            assert not any(seen() for seen in read[:-2]), "except the last group, which shows the end of a window"
            rows = many_rows(50, first=50 * number, seed=number)
            read.append(weakref.ref(rows))
            yield rows
            del rows

    assert sum(batch.rows for batch in batch_by_length(groups(), 8, 50, np.random.default_rng(1))) == 300
