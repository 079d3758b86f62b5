"""The run record: what ran, on what, with which result. One JSON file a run, under runs/.

It is written when a run begins and again when it ends. What a stage notes has one form: `reads` and `writes` name
tables, each with what is known of `files`, `bytes`, `records`, `rows` and `days`; `counts` are numbers by name; `days`
is how many days the result has. Everything else that it notes is its own.
"""

import fcntl
import getpass
import json
import os
import platform
import secrets
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from fsspec.implementations.local import LocalFileSystem

import tonality
from tonality.runtime.diagnostics.errors import SettingsError, UserError
from tonality.runtime.diagnostics.redaction import redacted, redacted_values
from tonality.runtime.explain.system import translate_error
from tonality.runtime.settings.sections import Settings
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.urls import filesystem, join, replace_file

__all__ = ["ASKED_BY", "PART_OF", "RUNS", "UNFINISHED", "Run", "text_settings"]

RUNS: Final = "runs"
"""The folder of the records, under paths.root."""
UNFINISHED: Final = "not ended: still running, or killed"
"""The fault of a run that has not written how it ended."""
PART_OF: Final = "TONALITY_PART_OF"
"""The environment variable that names what a run is a part of: a night, a DAG's run."""
ASKED_BY: Final = {"clean": "archive", "score": "score", "report": "survey", "pipeline": "archive"}
"""The section whose `since` and `until` say which days a stage is asked for."""


class Run:
    """One run of a stage. Its id names the rows it writes, and what Spark and its workers say of it."""

    def __init__(self, stage: str, settings: Settings, part_of: str | None = None) -> None:
        started = datetime.now(UTC)
        self.stage = stage
        self.id = f"{stage}-{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.part_of = part_of or os.environ.get(PART_OF) or None
        self.facts: dict[str, Any] = {}
        self._settings = settings
        self._started = started
        self._clock = time.monotonic()
        self._lock: int | None = None

    def add(self, **facts: Any) -> None:
        """Remember what is read, written and counted, or metrics, for the record."""
        self.facts.update(facts)

    def __enter__(self) -> Self:
        """Write the record of an unfinished run, which a kill leaves. Raises UserError where that cannot be done."""
        try:
            self._begin()
        except OSError as error:
            raise UserError(
                f"paths.root: cannot write to {self._settings.paths.root}: {error.strerror or error}"
            ) from error
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write the record, of a failed run too, unless its settings are at fault: that run never began."""
        try:
            self._end(error)
        finally:
            if self._lock is not None:
                os.close(self._lock)

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self._clock

    @property
    def _location(self) -> str:
        return join(self._settings.paths.root, RUNS, f"{self.id}.json")

    def _begin(self) -> None:
        """Write the record, and on a local disk hold a lock on it: the operating system frees it with this process."""
        system, path = filesystem(self._location)
        if not isinstance(system, LocalFileSystem):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._write(UNFINISHED)
            return
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        coming = place.with_name(f".{place.name}.coming")
        handle = os.open(coming, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            if _is_lockable(handle):
                self._lock = handle
            with open(handle, "wb", closefd=False) as file:
                file.write(self._content(UNFINISHED))
            coming.replace(place)  # found by nobody before it is whole and locked
        except OSError:
            self._lock = None
            coming.unlink(missing_ok=True)
            raise
        finally:
            if self._lock is None:
                os.close(handle)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self._write(None)
            return
        fault = error if isinstance(error, UserError) else translate_error(error, self._settings) or error
        with suppress(OSError):  # what made the run fail is what people must see
            if isinstance(fault, SettingsError):
                self._forget()
            else:
                self._write(f"{type(fault).__name__}: {fault}")

    def _write(self, fault: str | None) -> None:
        replace_file(self._location, self._content(fault))

    def _content(self, fault: str | None) -> bytes:
        content = {
            "run": self.id,
            "stage": self.stage,
            "part_of": self.part_of,
            "tonality": tonality.__version__,
            "python": platform.python_version(),
            "user": _user(),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "locked": self._lock is not None,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "fault": fault and redacted(fault),
            "asked": self._asked(),
            "days": None,
            "reads": {},
            "writes": {},
            "counts": {},
            **self.facts,
            "settings": self._settings.model_dump(mode="json"),
        }
        return to_json(redacted_values(content)).encode()

    def _asked(self) -> dict[str, str | None]:
        """The first and the last day that the run was asked for; null for no bound, nothing of a stage without days."""
        if self.stage not in ASKED_BY:
            return {}
        section = getattr(self._settings, ASKED_BY[self.stage])
        return {name: str(day) if (day := getattr(section, name)) else None for name in ("since", "until")}

    def _forget(self) -> None:
        system, path = filesystem(self._location)
        system.rm_file(path)


def _is_lockable(handle: int) -> bool:
    """Lock a file that nobody else knows yet; whether its disk knows locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _user() -> str | None:
    """Who runs this, by name; None in a container whose user has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


def text_settings(root: str, run: str) -> dict[str, str] | None:
    """The [text] settings that a run had; None where its record is gone or cannot be read."""
    system, path = filesystem(join(root, RUNS, f"{run}.json"))
    try:
        return dict(json.loads(system.cat_file(path))["settings"]["text"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
