"""How much memory Spark's Python workers take while something runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

POLL_SECONDS = 0.5


@dataclass
class Memory:
    """The most memory that Spark's Python workers were seen with; idle ones of an earlier turn count too."""

    peak: int = 0
    """Of one worker, with what it shares."""
    together: int = 0
    """Of all of them, what they share counted once."""
    workers: int = 0
    """The most that lived at once."""
    done: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look now and then, too seldom to cost the job anything."""
        while not self.done.wait(POLL_SECONDS):
            seen = list(filter(None, map(worker_bytes, psutil.Process().children(recursive=True))))
            self.peak = max([self.peak, *(resident for resident, _ in seen)])
            self.together = max(self.together, sum(share for _, share in seen))
            self.workers = max(self.workers, len(seen) - 1)  # the daemon that forks them is one of them


def worker_bytes(process: psutil.Process) -> tuple[int, int] | None:
    """The memory of a worker, resident and proportional; None of any other process, and of one that has ended."""
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
