"""Write locks on tables and days, so that no two runs write the same days at once.

A run takes its write locks before it reads what it will replace and holds them until it ends. A run that needs a locked
day waits for it, and is refused if that takes too long. Runs of other days or other tables run in parallel. On a local
disk a dead run's locks are ignored; elsewhere their file has to be removed by hand, as the next run's message says.
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Final, NamedTuple

from py4j.protocol import Py4JJavaError

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.locks import lock, try_lock
from tonality.runtime.storage.urls import join

__all__ = ["WriteLock", "hold_write_locks"]

_LOG: Final = logging.getLogger(__name__)

_FOLDER: Final = "_claims"
_MUTEX: Final = join(_FOLDER, "_lock")
"""Held while write locks are compared and taken, so that concurrent runs see each other's."""
_WAIT_SECONDS: Final = 600
_POLL_SECONDS: Final = 0.5


class WriteLock(NamedTuple):
    """A table to write, or the days of a table from `since` to `until`, both included."""

    table: str
    since: date | None = None
    until: date | None = None

    def overlaps(self, other: "WriteLock") -> bool:
        """True if both lock the same table and share a day."""
        return self.table == other.table and not self._is_before(other) and not other._is_before(self)

    def _is_before(self, other: "WriteLock") -> bool:
        return self.until is not None and other.since is not None and self.until < other.since

    def __str__(self) -> str:
        """The text form for messages: scored/ of 2015-12-10."""
        if self.since is None and self.until is None:
            return f"{self.table}/"
        period = f"{self.since}" if self.since == self.until else f"{self.since or 'start'} to {self.until or 'end'}"
        return f"{self.table}/ of {period}"


class _Conflict(NamedTuple):
    """A living run and the write lock of it that overlaps a requested one."""

    run: str
    write_lock: WriteLock


@contextmanager
def hold_write_locks(
    root: HadoopRoot, run: str, write_locks: Sequence[WriteLock], wait_seconds: float = _WAIT_SECONDS
) -> Iterator[None]:
    """Hold the write locks for a run, waiting for other runs whose locks overlap.

    Raises UserError, naming the other run and its lock, if they are not free `wait_seconds` after the first conflict.
    """
    file = join(_FOLDER, run)
    with ExitStack() as held:
        deadline: float | None = None
        reported = None
        while (conflict := _take(held, root, file, run, write_locks)) is not None:
            now = time.monotonic()
            if deadline is None:  # set here, so that a slow disk does not use up the wait
                deadline = now + wait_seconds
            if now >= deadline:
                raise UserError(
                    f"run {conflict.run} is writing {conflict.write_lock}, which this run would also write: wait for "
                    f"its end, then run this again. If it is dead, remove {root.url(join(_FOLDER, conflict.run))}"
                )
            if conflict != reported:
                _LOG.warning(escaped_name(f"waiting for run {conflict.run}, which is writing {conflict.write_lock}"))
                reported = conflict
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            root.delete(file)


def _take(held: ExitStack, root: HadoopRoot, file: str, run: str, write_locks: Sequence[WriteLock]) -> _Conflict | None:
    """Take the write locks until `held` is closed, or return the conflict that prevents it."""
    with lock(root, _MUTEX, run):
        if (conflict := _find_conflict(root, write_locks)) is None:
            held.enter_context(lock(root, file, json.dumps(write_locks, default=str)))
        return conflict


def _find_conflict(root: HadoopRoot, requested: Sequence[WriteLock]) -> _Conflict | None:
    """The first conflict with a living run. The files of dead runs are removed."""
    for run in root.names(_FOLDER):
        file = join(_FOLDER, run)
        if file == _MUTEX or run.startswith("."):  # Hadoop keeps checksums in hidden files
            continue
        with try_lock(root, file) as dead:
            existing = [] if dead else _read(root, file)
        if dead:
            root.delete(file)
        for write_lock in existing:
            if any(write_lock.overlaps(other) for other in requested):
                return _Conflict(run, write_lock)
    return None


def _read(root: HadoopRoot, file: str) -> list[WriteLock]:
    """The write locks of a living run; none if it has just ended. Raises UserError if the file is invalid."""
    try:
        text = root.read_text(file)
    except Py4JJavaError:
        if root.exists(file):
            raise
        return []
    try:
        return [WriteLock(table, _day(since), _day(until)) for table, since, until in json.loads(text)]
    except ValueError:
        raise UserError(
            f"{root.url(file)} is not a valid write lock: remove it if no run is active, then try again"
        ) from None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
