"""The memory of Spark's Python workers during a run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

POLL_SECONDS = 0.5


@dataclass
class Memory:
    """The peak memory of Spark's Python workers; idle ones of an earlier turn count too."""

    peak: int = 0
    """That of one worker, shared memory included."""
    together: int = 0
    """That of all workers together, shared memory counted once."""
    workers: int = 0
    """The largest number of workers at the same time."""
    done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Sample the memory, too rarely to slow the job down."""
        while not self.done.wait(POLL_SECONDS):
            seen = list(filter(None, map(worker_bytes, psutil.Process().children(recursive=True))))
            self.peak = max([self.peak, *(resident for resident, _ in seen)])
            self.together = max(self.together, sum(share for _, share in seen))
            self.workers = max(self.workers, len(seen) - 1)  # the daemon that forks them is one of them


def worker_bytes(process: psutil.Process) -> tuple[int, int] | None:
    """The memory of a worker, resident and proportional; None for other processes and ended ones."""
    try:
        if "pyspark.daemon" not in process.cmdline():
            return None
        memory = process.memory_full_info()
        return memory.rss, memory.pss
    except psutil.Error:
        return None


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
