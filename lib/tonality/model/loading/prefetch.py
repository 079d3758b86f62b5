"""What an iterator yields, made ready in a thread while the one before is used."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["prefetched"]

_Item = TypeVar("_Item")


@contextmanager
def prefetched(items: Iterator[_Item], ahead: int) -> Iterator[Iterator[_Item]]:
    """The items, up to `ahead` of them ready; what their making raises is raised where they are used.

    They are made in bursts, whenever half of them are used: a thread that made each one as soon as another was taken
    would want Python's lock just when the taker needs it, step after step. The thread has ended on the way out,
    however that is reached.
    """
    ready: deque[_Item] = deque()
    changed = threading.Condition()
    ended = unwanted = False
    fault: BaseException | None = None

    def make() -> None:
        nonlocal ended, fault
        try:
            for item in items:
                with changed:
                    if len(ready) >= ahead:
                        changed.wait_for(lambda: len(ready) <= ahead // 2 or unwanted)
                    if unwanted:
                        return
                    ready.append(item)
                    changed.notify()
        except BaseException as error:  # it is the user's of the items, not this thread's
            fault = error
        finally:
            with changed:
                ended = True
                changed.notify()

    def take() -> Iterator[_Item]:
        while True:
            with changed:
                changed.wait_for(lambda: ready or ended)
                if not ready:
                    break
                item = ready.popleft()
                if len(ready) <= ahead // 2:
                    changed.notify()
            yield item
        if fault is not None:
            raise fault

    thread = threading.Thread(target=make, name="tonality-prefetch", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        with changed:
            unwanted = True
            changed.notify()
        thread.join()
