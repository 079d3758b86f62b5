"""The runs that somebody asks for, among all whose records lie under a root."""

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
from tonality.runtime.storage.urls import filesystem, join, missing_reason

__all__ = ["RunQuery", "find"]

_TIME: Final = re.compile(r"-(\d{8}T\d{6}Z)-")
_READ_AT_ONCE: Final = 32
_SHOWN: Final = 5


@dataclass(frozen=True)
class RunQuery:
    """Which runs are asked for; None and False ask for nothing in particular."""

    run: str | None = None
    """An id, or a part of one that no other has."""
    stage: str | None = None
    day: date | None = None
    """One of the days that the run was asked for."""
    part_of: str | None = None
    """An id, or its beginning: a night's begins with daily-2015-12-10."""
    failed: bool = False
    last: int | None = None
    """The newest so many."""


def find(root: str, expected: RunQuery) -> list[PastRun]:
    """The runs under a root, the newest last.

    Raises InputError where there is no record at all, and SettingsError where no run, or more than one, has the id.
    """
    system, folder = filesystem(join(root, RUNS))
    names = _names(system, folder, root)
    if expected.run is not None:
        names = [_one(names, expected.run, root)]
    if expected.stage:
        names = [name for name in names if name.startswith(f"{expected.stage}-")]
    found: list[PastRun] = []
    for run in _read(system, folder, names):
        if _is_expected(run, expected):
            found.append(run)
        if expected.last and len(found) == expected.last:
            break
    return found[::-1]


def _names(system: AbstractFileSystem, folder: str, root: str) -> list[str]:
    """The ids of all runs, the newest first; those that have no time in them last."""
    try:
        files = system.ls(folder, detail=False)
    except FileNotFoundError:
        files = []
    names = [name.rpartition("/")[2] for name in files]
    ids = [name.removesuffix(".json") for name in names if name.endswith(".json") and not name.startswith(".")]
    if not ids:
        missing = missing_reason(root)
        raise InputError(f"no run has left a record in {join(root, RUNS)}" + (f": {missing}" if missing else ""))
    return sorted(ids, key=lambda name: (found[1] if (found := _TIME.search(name)) else "", name), reverse=True)


def _one(names: Sequence[str], asked: str, root: str) -> str:
    near = [name for name in names if asked in name]
    if asked in names or len(near) == 1:
        return asked if asked in names else near[0]
    if near:
        raise SettingsError(f"{len(near)} runs have {asked} in their id: {_few(near)}; expected one")
    raise SettingsError(f"no run in {join(root, RUNS)} has the id {asked}; the newest are {_few(names)}")


def _few(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _read(system: AbstractFileSystem, folder: str, names: Sequence[str]) -> Iterator[PastRun]:
    """The runs of these ids in their order, some at once, since object stores take their time."""
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        for start in range(0, len(names), _READ_AT_ONCE):
            paths = [join(folder, f"{name}.json") for name in names[start : start + _READ_AT_ONCE]]
            yield from filter(None, pool.map(lambda path: PastRun.read(system, path), paths))


def _is_expected(run: PastRun, expected: RunQuery) -> bool:
    if expected.failed and not run.state.is_bad:
        return False
    if expected.part_of and not str(run.record.get("part_of") or "").startswith(expected.part_of):
        return False
    return expected.day is None or _was_asked_for(run, str(expected.day))


def _was_asked_for(run: PastRun, day: str) -> bool:
    """ISO dates compare as text. A stage that is asked for no days, or whose record says none, was asked for none."""
    asked = run.table("asked")
    since, until = asked.get("since"), asked.get("until")
    return bool(asked) and (since is None or str(since) <= day) and (until is None or str(until) >= day)
