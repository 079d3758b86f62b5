"""Run records: the stage, its inputs and its results, as one JSON file per run under runs/.

A record is written when a run begins and again when it ends. Stages add facts in a common form: `reads` and `writes`
map tables to their known `files`, `bytes`, `records`, `rows` and `days`; `counts` are numbers by name; `days` is the
number of days in the result. All other facts are specific to the stage.
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
from tonality.runtime.storage.atomic_files import replace_file, replacing, write_durably
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["DAY_SECTIONS", "PART_OF", "RUNS", "UNFINISHED", "Run", "text_settings"]

RUNS: Final = "runs"
"""The folder of the records, under paths.root."""
UNFINISHED: Final = "not ended: still running, or killed"
"""The error in the record of a run that has not ended."""
PART_OF: Final = "TONALITY_PART_OF"
"""The environment variable that names a run's parent, such as a nightly job or a DAG run."""
DAY_SECTIONS: Final = {"clean": "archive", "score": "score", "report": "survey", "pipeline": "archive"}
"""The section with the `since` and `until` of each stage that takes days."""


class Run:
    """One run of a stage. Its id marks the rows that it writes, its Spark jobs and their log lines."""

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
        """Add facts to the record: inputs, outputs, counts or metrics."""
        self.facts.update(facts)

    def __enter__(self) -> Self:
        """Write the record as unfinished, as it stays after a kill. Raises UserError if it cannot be written."""
        try:
            self._begin()
        except OSError as error:
            raise UserError(
                f"paths.root: cannot write to {self._settings.paths.root}: {error.strerror or error}"
            ) from error
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write the final record, or remove it if the settings were invalid: that run never began."""
        try:
            self._end(error)
        finally:
            if self._lock is not None:
                os.close(self._lock)

    @property
    def seconds(self) -> float:
        """The duration of the run so far."""
        return time.monotonic() - self._clock

    @property
    def _location(self) -> str:
        return join(self._settings.paths.root, RUNS, f"{self.id}.json")

    def _begin(self) -> None:
        """Write the record and, on a local disk, lock it until this process ends."""
        system, path = filesystem(self._location)
        if not isinstance(system, LocalFileSystem):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._write(UNFINISHED)
            return
        handle = None
        try:
            with replacing(Path(path)) as temporary:  # readers find it complete and locked
                handle = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o644)
                self._lock = handle if _try_lock(handle) else None
                write_durably(handle, self._content(UNFINISHED))
        except OSError:
            self._lock = None
            raise
        finally:
            if handle is not None and self._lock is None:
                os.close(handle)

    def _end(self, error: BaseException | None) -> None:
        if error is None:
            self._write(None)
            return
        cause = error if isinstance(error, UserError) else translate_error(error, self._settings) or error
        with suppress(OSError):  # must not hide the run's own error
            if isinstance(cause, SettingsError):
                self._remove()
            else:
                self._write(f"{type(cause).__name__}: {cause}")

    def _write(self, error: str | None) -> None:
        replace_file(self._location, self._content(error))

    def _content(self, error: str | None) -> bytes:
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
            "fault": error and redacted(error),
            "asked": self._requested_days(),
            "days": None,
            "reads": {},
            "writes": {},
            "counts": {},
            **self.facts,
            "settings": self._settings.model_dump(mode="json"),
        }
        return to_json(redacted_values(content)).encode("utf-8", "backslashreplace")  # names of files may be no UTF-8

    def _requested_days(self) -> dict[str, str | None]:
        """The first and last requested day, None for no bound; empty for a stage that takes no days."""
        if self.stage not in DAY_SECTIONS:
            return {}
        section = getattr(self._settings, DAY_SECTIONS[self.stage])
        return {name: str(day) if (day := getattr(section, name)) else None for name in ("since", "until")}

    def _remove(self) -> None:
        system, path = filesystem(self._location)
        system.rm_file(path)


def _try_lock(handle: int) -> bool:
    """Lock a new file; return False if its file system does not support locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _user() -> str | None:
    """The name of the user; None in a container whose user has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None


def text_settings(root: str, run: str) -> dict[str, str] | None:
    """The [text] settings of a run; None if its record is missing or unreadable."""
    system, path = filesystem(join(root, RUNS, f"{run}.json"))
    try:
        return dict(json.loads(system.cat_file(path))["settings"]["text"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
