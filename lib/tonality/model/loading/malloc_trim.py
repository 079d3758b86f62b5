"""Return freed memory to the operating system; otherwise the allocators hold more of it with each epoch.

Every epoch starts its own threads, and glibc gives each thread its own arena. Memory freed in the middle of one arena
cannot be reused by a thread with another, so the process grows although its live data does not.
"""

import ctypes
import functools
from collections.abc import Callable

import pyarrow as pa

__all__ = ["return_freed_memory"]


def return_freed_memory() -> None:
    """Return unused whole pages to the system; takes a few milliseconds."""
    pa.default_memory_pool().release_unused()
    if trim := _malloc_trim():
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim; None with another libc."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
