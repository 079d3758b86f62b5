"""Queries over the records of runs under a root."""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Final

from fsspec import AbstractFileSystem

from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.past_run import PastRun
from tonality.runtime.runs.record import RUNS
from tonality.runtime.storage.inputs import missing_reason
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["RunQuery", "find"]

_TIME: Final = re.compile(r"-(\d{8}T\d{6}Z)-")
_PARALLEL_READS: Final = 32
_SHOWN: Final = 5


@dataclass(frozen=True)
class RunQuery:
    """Conditions on runs; None and False mean no condition."""

    run: str | None = None
    """A run id, or any unique part of one."""
    stage: str | None = None
    day: date | None = None
    """A day that the run was requested to process."""
    part_of: str | None = None
    """The id of the run's parent, or its beginning: daily-2015-12-10 for a nightly job."""
    failed: bool = False
    last: int | None = None
    """The number of newest runs to return."""


def find(root: str, query: RunQuery) -> list[PastRun]:
    """The matching runs under a root, oldest first.

    Raises InputError if there are no records at all, SettingsError if the id matches no run or more than one.
    """
    system, folder = filesystem(join(root, RUNS))
    ids = _ids(system, folder, root)
    if query.run is not None:
        ids = [_match_one(ids, query.run, root)]
    if query.stage:
        ids = [run_id for run_id in ids if run_id.startswith(f"{query.stage}-")]
    found: list[PastRun] = []
    for run in _read(system, folder, ids):
        if _matches(run, query):
            found.append(run)
        if query.last and len(found) == query.last:
            break
    return found[::-1]


def _ids(system: AbstractFileSystem, folder: str, root: str) -> list[str]:
    """The ids of all runs, newest first; ids without a time last."""
    try:
        files = system.ls(folder, detail=False)
    except FileNotFoundError:
        files = []
    names = [name.rpartition("/")[2] for name in files]
    ids = [name.removesuffix(".json") for name in names if name.endswith(".json") and not name.startswith(".")]
    if not ids:
        reason = missing_reason(root)
        raise InputError(f"no run records in {join(root, RUNS)}" + (f": {reason}" if reason else ""))
    return sorted(ids, key=lambda name: (found[1] if (found := _TIME.search(name)) else "", name), reverse=True)


def _match_one(ids: Sequence[str], part: str, root: str) -> str:
    """The id that equals or, uniquely, contains the given part."""
    matches = [part] if part in ids else [run_id for run_id in ids if part in run_id]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise SettingsError(f"{len(matches)} runs have {part} in their id: {_few(matches)}; expected one")
    raise SettingsError(f"no run in {join(root, RUNS)} has the id {part}; the newest are {_few(ids)}")


def _few(ids: Sequence[str]) -> str:
    more = len(ids) - _SHOWN
    return ", ".join(ids[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _read(system: AbstractFileSystem, folder: str, ids: Sequence[str]) -> Iterator[PastRun]:
    """The runs of these ids, in order; read in parallel batches, since object stores are slow."""
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        for start in range(0, len(ids), _PARALLEL_READS):
            paths = [join(folder, f"{run_id}.json") for run_id in ids[start : start + _PARALLEL_READS]]
            yield from filter(None, pool.map(lambda path: PastRun.read(system, path), paths))


def _matches(run: PastRun, query: RunQuery) -> bool:
    if query.failed and not run.state.is_bad:
        return False
    if query.part_of and not str(run.record.get("part_of") or "").startswith(query.part_of):
        return False
    return query.day is None or _was_requested(run, str(query.day))


def _was_requested(run: PastRun, day: str) -> bool:
    """True if the ISO date, compared as text, is among the run's requested days; False if the record has none."""
    requested = run.table("asked")
    since, until = requested.get("since"), requested.get("until")
    return bool(requested) and (since is None or str(since) <= day) and (until is None or str(until) >= day)
