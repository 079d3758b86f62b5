"""Prefetching: a thread computes the next items of an iterator while the current one is in use."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["prefetched"]

_Item = TypeVar("_Item")


@contextmanager
def prefetched(items: Iterator[_Item], ahead: int) -> Iterator[Iterator[_Item]]:
    """Yield an iterator over the items, which a thread computes up to `ahead` items in advance.

    An exception raised by `items` is raised again in the consumer. Items are computed in bursts, whenever half the
    buffer has been consumed: a thread that replaced each item at once would compete for the GIL at every training
    step, just when the consumer needs it. The thread has always ended when the context exits.
    """
    ready: deque[_Item] = deque()
    changed = threading.Condition()
    exhausted = cancelled = False
    error: BaseException | None = None

    def produce() -> None:
        nonlocal exhausted, error
        try:
            for item in items:
                with changed:
                    if len(ready) >= ahead:
                        changed.wait_for(lambda: len(ready) <= ahead // 2 or cancelled)
                    if cancelled:
                        return
                    ready.append(item)
                    changed.notify()
        except BaseException as raised:  # raised again in the consumer
            error = raised
        finally:
            with changed:
                exhausted = True
                changed.notify()

    def consume() -> Iterator[_Item]:
        while True:
            with changed:
                changed.wait_for(lambda: ready or exhausted)
                if not ready:
                    break
                item = ready.popleft()
                if len(ready) <= ahead // 2:
                    changed.notify()
            yield item
        if error is not None:
            raise error

    thread = threading.Thread(target=produce, name="tonality-prefetch", daemon=True)
    thread.start()
    try:
        yield consume()
    finally:
        with changed:
            cancelled = True
            changed.notify()
        thread.join()
