"""Locks between runs. On a local disk the operating system frees a dead run's; elsewhere a file stands for the lock."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage.hadoop_fs import HadoopRoot

__all__ = ["lock", "lock_if_free"]

T = TypeVar("T")

_WAIT_SECONDS: Final = 600
_POLL_SECONDS: Final = 0.5


@contextmanager
def lock(folders: HadoopRoot, name: str, run: str, wait_seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of that name under the root, waiting for whoever has it.

    Raises UserError where it is not free in time, saying who holds it.
    """
    local = folders.local(name)
    if local is not None:
        local.parent.mkdir(parents=True, exist_ok=True)
        handle = _patiently(lambda: _flock(local), wait_seconds, lambda: _holder(local.read_text(), str(local)))
        try:
            os.truncate(handle, 0)
            os.write(handle, run.encode())
            yield
        finally:
            os.close(handle)
        return
    url = folders.url(name)
    _patiently(lambda: folders.create(name, run) or None, wait_seconds, lambda: _holder(folders.read_text(name), url))
    try:
        yield
    finally:
        folders.delete(name)


@contextmanager
def lock_if_free(folders: HadoopRoot, name: str) -> Iterator[bool]:
    """Whether no living run holds the lock; if so, none gets it inside. Elsewhere than here a file is believed."""
    local = folders.local(name)
    if local is None:
        yield not folders.exists(name)
        return
    handle = _flock(local)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _patiently(attempt: Callable[[], T | None], seconds: float, complain: Callable[[], str]) -> T:
    deadline = time.monotonic() + seconds
    while (result := attempt()) is None:
        if time.monotonic() >= deadline:
            raise UserError(complain())
        time.sleep(_POLL_SECONDS)
    return result


def _holder(run: str, file: str) -> str:
    return f"run {run.strip() or 'of unknown name'} holds {file}: wait for it, or remove that file if it is dead"


def _flock(path: Path) -> int | None:
    """A locked handle of the file, or None where another process holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    if not path.exists() or not os.path.samestat(os.fstat(handle), path.stat()):  # removed while we waited
        os.close(handle)
        return None
    return handle
