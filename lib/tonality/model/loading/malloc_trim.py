"""Memory that was freed, back to the system: the allocators keep it for themselves, and more of it with each epoch.

Every epoch has threads of its own. glibc gives threads arenas of their own, and what one of them has freed in the
middle of its arena the next one, in another arena, does not find: so a process grows though nothing in it does.
"""

import ctypes
import functools
from collections.abc import Callable

import pyarrow as pa

__all__ = ["give_back"]


def give_back() -> None:
    """Hand back whole pages that hold nothing: some milliseconds."""
    pa.default_memory_pool().release_unused()
    if trim := _malloc_trim():
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    """glibc's own function; None where there is another libc."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
