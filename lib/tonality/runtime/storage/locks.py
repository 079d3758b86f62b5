"""Locks between runs: on a local disk file locks, which the system frees with the process; elsewhere lock files."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage.hadoop_fs import HadoopRoot

__all__ = ["lock", "try_lock"]

T = TypeVar("T")

_WAIT_SECONDS: Final = 600
_POLL_SECONDS: Final = 0.5


@contextmanager
def lock(root: HadoopRoot, name: str, run: str, wait_seconds: float = _WAIT_SECONDS) -> Iterator[None]:
    """Hold the named lock below the root for a run, waiting for its current holder.

    Raises UserError, naming the holder, if the lock does not become free in time.
    """
    local = root.local(name)
    if local is not None:
        local.parent.mkdir(parents=True, exist_ok=True)
        handle = _poll(lambda: _flock(local), wait_seconds, lambda: _held_by(local.read_text(), str(local)))
        try:
            os.truncate(handle, 0)
            os.write(handle, run.encode())
            yield
        finally:
            os.close(handle)
        return
    url = root.url(name)
    _poll(lambda: root.create(name, run) or None, wait_seconds, lambda: _held_by(root.read_text(name), url))
    try:
        yield
    finally:
        root.delete(name)


@contextmanager
def try_lock(root: HadoopRoot, name: str) -> Iterator[bool]:
    """Hold the lock if no living run does; yield True if it was free.

    Off the local disk the lock is only checked: an existing lock file counts as a living run.
    """
    local = root.local(name)
    if local is None:
        yield not root.exists(name)
        return
    handle = _flock(local)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _poll(attempt: Callable[[], T | None], seconds: float, message: Callable[[], str]) -> T:
    """The first result of repeated attempts that is not None. Raises UserError with the message after that time."""
    deadline = time.monotonic() + seconds
    while (result := attempt()) is None:
        if time.monotonic() >= deadline:
            raise UserError(message())
        time.sleep(_POLL_SECONDS)
    return result


def _held_by(run: str, file: str) -> str:
    return f"run {run.strip() or 'of unknown name'} holds {file}: wait for it, or remove that file if the run is dead"


def _flock(path: Path) -> int | None:
    """A locked handle of the file; None if another process holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    if not path.exists() or not os.path.samestat(os.fstat(handle), path.stat()):  # removed before the lock was taken
        os.close(handle)
        return None
    return handle
