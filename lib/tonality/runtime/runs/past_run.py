"""A run as its record tells of it, and whether it goes on: by the record's lock, or by the process on its machine."""

import fcntl
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import psutil
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from tonality.runtime.runs.record import UNFINISHED

__all__ = ["PastRun", "State"]

_STARTS_TOGETHER_SECONDS: Final = 2.0
"""A process that is so much younger than its run is another of the same number; records have whole seconds."""
_OF_PEOPLE: Final = ("UserError", "InputError", "MissingInputError")
"""Kinds of faults whose names tell people nothing."""
_INTERRUPTIONS: Final = ("KeyboardInterrupt", "Interrupted")


class State(StrEnum):
    """How a run ended, if it did."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """By Ctrl-C, or by a request to end that it obeyed."""
    RUNNING = "running"
    KILLED = "killed"
    """It has not written how it ended, and is gone."""
    LOST = "lost"
    """It has not written how it ended, and cannot be seen from here."""
    DAMAGED = "damaged"
    """Its record cannot be read."""

    @property
    def is_bad(self) -> bool:
        """Whether somebody should look at it."""
        return self not in (State.DONE, State.RUNNING, State.LOST)


@dataclass(frozen=True)
class PastRun:
    """What is known of a run. Records of earlier versions lack some of it, damaged ones everything but the id."""

    id: str
    state: State
    record: Mapping[str, Any]
    why: str
    """Why it failed, where it was lost, or how its record is damaged; else nothing. It may have several lines."""

    @classmethod
    def read(cls, system: AbstractFileSystem, path: str) -> Self | None:
        """The run of a record; None where it has gone, as that of a run with wrong settings does."""
        name = path.rpartition("/")[2].removesuffix(".json")
        try:
            content = system.cat_file(path)
            record = json.loads(content)
        except FileNotFoundError:
            return None
        except OSError as error:
            return cls(name, State.DAMAGED, {}, f"the record cannot be read: {error.strerror or error}")
        except ValueError:
            what = "half a record, as a full disk leaves" if content else "an empty record, as a power cut leaves"
            return cls(name, State.DAMAGED, {}, what)
        if not isinstance(record, dict) or not isinstance(record.get("started"), str) or "fault" not in record:
            return cls(name, State.DAMAGED, {}, "no record of a run: it tells neither when it began nor how it ended")
        return cls(name, *_told(record, system, path))

    def table(self, name: str) -> dict[str, Any]:
        """A part of the record that is a table; an empty one where it is not there, or is something else."""
        value = self.record.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def stage(self) -> str:
        """The stage's name, as the id has it."""
        return self.id.partition("-")[0]

    @property
    def started(self) -> datetime | None:
        """When it began; None where the record does not say."""
        try:
            return datetime.fromisoformat(self.record["started"])
        except (KeyError, ValueError):
            return None

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far; None where nobody knows."""
        if self.state is State.RUNNING and self.started:
            return (datetime.now(self.started.tzinfo) - self.started).total_seconds()
        value = self.record.get("seconds")
        return float(value) if isinstance(value, int | float) and self.state not in (State.KILLED, State.LOST) else None


def _told(record: dict[str, Any], system: AbstractFileSystem, path: str) -> tuple[State, dict[str, Any], str]:
    fault = record["fault"]
    if fault is None:
        return State.DONE, record, ""
    if fault == UNFINISHED:
        return *_unfinished(record, system, path), ""
    kind, _, what = str(fault).partition(": ")
    if kind in _INTERRUPTIONS:
        return State.INTERRUPTED, record, what
    return State.FAILED, record, what if kind in _OF_PEOPLE else str(fault)


def _unfinished(record: dict[str, Any], system: AbstractFileSystem, path: str) -> tuple[State, dict[str, Any]]:
    is_here = isinstance(system, LocalFileSystem)
    if is_here and _is_locked(Path(path)):
        return State.RUNNING, record
    if record.get("host") != socket.gethostname():
        return State.LOST, record
    if is_here and record.get("locked"):
        return State.KILLED, record
    return State.RUNNING if _has_process(record) else State.KILLED, record


def _is_locked(place: Path) -> bool:
    """Whether a living process holds the record; a lock that is shared for a moment stands in nobody's way."""
    try:
        handle = os.open(place, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _has_process(record: Mapping[str, Any]) -> bool:
    """Whether the process of the record lives on this machine; a younger one has only got its number."""
    with suppress(psutil.Error, ValueError, TypeError, KeyError):
        process = psutil.Process(int(record["process"]))
        began = datetime.fromisoformat(record["started"]).timestamp()
        return bool(process.create_time() <= began + _STARTS_TOGETHER_SECONDS)
    return False
