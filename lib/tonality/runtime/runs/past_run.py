"""Past and present runs from their records; a lock on the record, or the process itself, shows if one is running."""

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

_START_TOLERANCE_SECONDS: Final = 2.0
"""A process younger than its run by more than this is another one with the same id; records have whole seconds."""
_USER_ERRORS: Final = ("UserError", "InputError", "MissingInputError", "Fault", "InputFault", "MissingInput")
"""Kinds of errors whose names are not shown; the last three are from records of earlier versions."""
_INTERRUPTIONS: Final = ("KeyboardInterrupt", "Interrupted")


class State(StrEnum):
    """The state of a run."""

    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Ended by Ctrl-C or by SIGTERM."""
    RUNNING = "running"
    KILLED = "killed"
    """Its record is unfinished and its process has ended."""
    LOST = "lost"
    """Its record is unfinished and its process is not visible from this machine."""
    DAMAGED = "damaged"
    """Its record cannot be read."""

    @property
    def is_bad(self) -> bool:
        """True if the run needs attention."""
        return self not in (State.DONE, State.RUNNING, State.LOST)


@dataclass(frozen=True)
class PastRun:
    """A run by its record. Records of earlier versions lack some keys, damaged ones everything but the id."""

    id: str
    state: State
    record: Mapping[str, Any]
    why: str
    """The error of a failed run, or the damage to the record; otherwise empty. It may have several lines."""

    @classmethod
    def read(cls, system: AbstractFileSystem, path: str) -> Self | None:
        """The run of a record; None if it was removed, like that of a run with invalid settings."""
        name = path.rpartition("/")[2].removesuffix(".json")
        try:
            content = system.cat_file(path)
            record = json.loads(content)
        except FileNotFoundError:
            return None
        except OSError as error:
            return cls(name, State.DAMAGED, {}, f"the record cannot be read: {error.strerror or error}")
        except ValueError:
            damage = "half a record, as after a full disk" if content else "an empty record, as after a power cut"
            return cls(name, State.DAMAGED, {}, damage)
        if not isinstance(record, dict) or not isinstance(record.get("started"), str) or "fault" not in record:
            return cls(name, State.DAMAGED, {}, "not a run record: expected the time of its start and its outcome")
        return cls(name, *_state(record, system, path))

    def table(self, name: str) -> dict[str, Any]:
        """A table in the record; empty if it is missing or of another type."""
        value = self.record.get(name)
        return value if isinstance(value, dict) else {}

    @property
    def stage(self) -> str:
        """The stage's name, from the id."""
        return self.id.partition("-")[0]

    @property
    def started(self) -> datetime | None:
        """The start time; None if the record lacks it."""
        try:
            return datetime.fromisoformat(self.record["started"])
        except (KeyError, ValueError):
            return None

    @property
    def seconds(self) -> float | None:
        """The duration, up to now if the run is still running; None if unknown."""
        if self.state is State.RUNNING and self.started:
            return (datetime.now(self.started.tzinfo) - self.started).total_seconds()
        value = self.record.get("seconds")
        return float(value) if isinstance(value, int | float) and self.state not in (State.KILLED, State.LOST) else None


def _state(record: dict[str, Any], system: AbstractFileSystem, path: str) -> tuple[State, dict[str, Any], str]:
    error = record["fault"]
    if error is None:
        return State.DONE, record, ""
    if error == UNFINISHED:
        return _unfinished_state(record, system, path), record, ""
    kind, _, message = str(error).partition(": ")
    if kind in _INTERRUPTIONS:
        return State.INTERRUPTED, record, message
    return State.FAILED, record, message if kind in _USER_ERRORS else str(error)


def _unfinished_state(record: Mapping[str, Any], system: AbstractFileSystem, path: str) -> State:
    is_local = isinstance(system, LocalFileSystem)
    if is_local and _is_locked(Path(path)):
        return State.RUNNING
    if record.get("host") != socket.gethostname():
        return State.LOST
    if is_local and record.get("locked"):
        return State.KILLED
    return State.RUNNING if _has_process(record) else State.KILLED


def _is_locked(path: Path) -> bool:
    """True if a living process holds the record's lock; the check takes a shared lock for a moment only."""
    try:
        handle = os.open(path, os.O_RDONLY)
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
    """True if the record's process is alive on this machine; a younger one has only reused its id."""
    with suppress(psutil.Error, ValueError, TypeError, KeyError):
        process = psutil.Process(int(record["process"]))
        started = datetime.fromisoformat(record["started"]).timestamp()
        return bool(process.create_time() <= started + _START_TOLERANCE_SECONDS)
    return False
