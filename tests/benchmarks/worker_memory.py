"""How much memory Spark's Python workers take while something runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

POLL_SECONDS = 0.5


@dataclass
class Memory:
    """The most memory that one Python worker of Spark's was seen with; idle ones of an earlier turn count too."""

    peak: int = 0
    done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look now and then, too seldom to cost the job anything."""
        while not self.done.wait(POLL_SECONDS):
            self.peak = max([self.peak, *map(worker_bytes, psutil.Process().children(recursive=True))])


def worker_bytes(process: psutil.Process) -> int:
    """The memory of a worker; 0 of any other process, and of one that has ended."""
    try:
        is_worker = "pyspark.daemon" in process.cmdline()
        return process.memory_info().rss if is_worker else 0
    except psutil.Error:
        return 0


@contextmanager
def worker_memory() -> Iterator[Memory]:
    memory = Memory()
    watcher = threading.Thread(target=memory.watch, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        memory.done.set()
        watcher.join()
