"""What an iterator yields, made ready in a thread while the one before is used."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

__all__ = ["prefetched"]

_Item = TypeVar("_Item")
_LOOK_SECONDS = 0.1
"""How often a thread that waits looks whether it is still wanted."""


@contextmanager
def prefetched(items: Iterator[_Item], ahead: int) -> Iterator[Iterator[_Item]]:
    """The items, up to `ahead` of them ready; what their making raises is raised where they are used.

    The thread has ended on the way out, however that is reached.
    """
    ready: queue.Queue[tuple[_Item | None, BaseException | None]] = queue.Queue(ahead)
    unwanted = threading.Event()

    def put(item: _Item | None, error: BaseException | None = None) -> bool:
        while not unwanted.is_set():
            with suppress(queue.Full):
                ready.put((item, error), timeout=_LOOK_SECONDS)
                return True
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:  # it is the user's of the items, not this thread's
            put(None, error)
        else:
            put(None)

    def take() -> Iterator[_Item]:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item

    thread = threading.Thread(target=make, name="tonality-prefetch", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        unwanted.set()
        thread.join()
