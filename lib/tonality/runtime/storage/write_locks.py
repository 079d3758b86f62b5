"""What living runs are about to write, so that no two write the same days at once.

A run states its claim before it reads what it will replace, and holds it to its end. Another that wants some of the
same waits for it, and is refused where that takes too long. Runs of other days, or of other tables, go on side by side.
On a local disk the claim of a dead run counts for nothing; elsewhere its file has to be removed by hand, as the message
of the next run says.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Final, NamedTuple

from py4j.protocol import Py4JJavaError

from tonality.runtime.diagnostics.console import to_stderr
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.locks import lock, lock_if_free
from tonality.runtime.storage.urls import join

__all__ = ["WriteLock", "hold_write_locks"]

_CLAIMS: Final = "_claims"
_EXAMINED: Final = join(_CLAIMS, "_lock")
"""Held while claims are compared: of two runs that come at once, one sees the other's."""
_WAIT_SECONDS: Final = 600
_POLL_SECONDS: Final = 0.5


class WriteLock(NamedTuple):
    """What a run will write: a table, or of a table of days those from `since` to `until`, both included."""

    table: str
    since: date | None = None
    until: date | None = None

    def meets(self, other: "WriteLock") -> bool:
        """Whether both are about the same table and share a day."""
        return self.table == other.table and not self._is_before(other) and not other._is_before(self)

    def _is_before(self, other: "WriteLock") -> bool:
        return self.until is not None and other.since is not None and self.until < other.since

    def __str__(self) -> str:
        """In words: scored/ of 2015-12-10."""
        if self.since is None and self.until is None:
            return f"{self.table}/"
        period = f"{self.since}" if self.since == self.until else f"{self.since or 'start'} to {self.until or 'end'}"
        return f"{self.table}/ of {period}"


class _Rival(NamedTuple):
    """A living run that claims some of the same."""

    run: str
    claim: WriteLock


@contextmanager
def hold_write_locks(
    folders: HadoopRoot, run: str, claims: Sequence[WriteLock], wait_seconds: float = _WAIT_SECONDS
) -> Iterator[None]:
    """Hold these claims, waiting for whoever has one that they meet.

    Raises UserError where they are not free in time, saying who writes what.
    """
    place = join(_CLAIMS, run)
    with ExitStack() as held:
        deadline = time.monotonic() + wait_seconds
        told = None
        while (rival := _take(held, folders, place, run, claims)) is not None:
            if time.monotonic() >= deadline:
                raise UserError(
                    f"run {rival.run} is writing {rival.claim}, which this run would write too: wait for its end, then "
                    f"run this again. If it is dead, remove {folders.url(join(_CLAIMS, rival.run))}"
                )
            if rival != told:
                to_stderr(f"waiting for run {rival.run}, which is writing {rival.claim}")
                told = rival
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            folders.delete(place)


def _take(held: ExitStack, folders: HadoopRoot, place: str, run: str, claims: Sequence[WriteLock]) -> _Rival | None:
    """The rival that keeps the claims from being had; where there is none, they are this run's from now on."""
    with lock(folders, _EXAMINED, run):
        if (rival := _rival(folders, claims)) is None:
            held.enter_context(lock(folders, place, json.dumps(claims, default=str)))
        return rival


def _rival(folders: HadoopRoot, claims: Sequence[WriteLock]) -> _Rival | None:
    for run in folders.names(_CLAIMS):
        place = join(_CLAIMS, run)
        if place == _EXAMINED or run.startswith("."):  # Hadoop keeps checksums in hidden files
            continue
        with lock_if_free(folders, place) as dead:
            theirs = [] if dead else _read(folders, place)
        if dead:
            folders.delete(place)
        for claim in theirs:
            if any(claim.meets(mine) for mine in claims):
                return _Rival(run, claim)
    return None


def _read(folders: HadoopRoot, place: str) -> list[WriteLock]:
    """The claims of a living run, none where it has just ended. Raises UserError where they cannot be understood."""
    try:
        text = folders.read_text(place)
    except Py4JJavaError:
        if folders.exists(place):
            raise
        return []
    try:
        return [WriteLock(table, _day(since), _day(until)) for table, since, until in json.loads(text)]
    except ValueError:
        raise UserError(
            f"{folders.url(place)} is no claim of a run: remove it if no run is at work, then go on"
        ) from None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
