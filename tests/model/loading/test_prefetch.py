import itertools
import threading
import time
from contextlib import closing

import pytest

from tonality.model.loading.prefetch import prefetched


def wait_until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.005)


@pytest.fixture
def threads():
    """The threads that a test has started and that are still running."""
    before = set(threading.enumerate())
    return lambda: set(threading.enumerate()) - before


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_the_items_come_each_once_in_their_order(ahead):
    with prefetched(iter(range(50)), ahead) as items:
        assert list(items) == list(range(50))


def test_no_items_are_no_items(threads):
    with prefetched(iter([]), 3) as items:
        assert list(items) == []
    assert not threads()


def test_items_are_computed_in_another_thread_in_bursts_and_no_more_than_ahead_allows(threads):
    threads_used = []

    def items():
        for number in itertools.count():
            threads_used.append(threading.current_thread())
            yield number

    with prefetched(items(), 3) as ready:
        wait_until(lambda: len(threads_used) == 4)  # three are ready, one waits for its place
        time.sleep(0.25)  # enough time to compute more
        assert len(threads_used) == 4
        assert set(threads_used) == threads()
        assert next(ready) == 0
        time.sleep(0.25)  # half of the buffer is still full, so nothing is computed
        assert len(threads_used) == 4
        assert next(ready) == 1
        wait_until(lambda: len(threads_used) == 6)  # the buffer is full again


def test_an_exception_is_raised_after_the_items_before_it(threads):
    def items():
        yield 1
        raise KeyError("broken")

    with prefetched(items(), 3) as ready:
        assert next(ready) == 1
        with pytest.raises(KeyError, match="broken"):
            next(ready)
    assert not threads()


def test_an_exception_is_not_raised_if_the_next_item_is_never_requested(threads):
    def items():
        yield 1
        raise KeyError("broken")

    with prefetched(items(), 3) as ready:
        assert next(ready) == 1
    assert not threads()


def test_no_thread_is_left_when_the_loop_is_left(threads):
    with prefetched(itertools.count(), 3) as ready:
        assert next(ready) == 0
        assert len(threads()) == 1
    assert not threads()


def test_no_thread_is_left_after_an_exception_while_it_waits_for_a_place(threads):
    computed = []
    with pytest.raises(KeyboardInterrupt), prefetched((computed.append(i) or i for i in range(100)), 2):
        wait_until(lambda: len(computed) == 3)  # the third waits: the thread is blocked
        assert threads()
        raise KeyboardInterrupt
    assert not threads()


def test_no_thread_is_left_after_an_exception_while_it_computes_an_item(threads):
    started = threading.Event()

    def items():
        started.set()
        time.sleep(0.2)
        yield 1

    with pytest.raises(KeyboardInterrupt), prefetched(items(), 2):
        assert started.wait(60)
        raise KeyboardInterrupt
    assert not threads()


def test_the_items_source_can_be_closed_once_the_loop_is_left(threads):
    ended = []

    def items():
        try:
            yield from itertools.count()
        finally:
            ended.append(threading.current_thread())

    with pytest.raises(KeyboardInterrupt), closing(items()) as source, prefetched(source, 2) as ready:
        next(ready)
        raise KeyboardInterrupt
    assert ended == [threading.current_thread()]
