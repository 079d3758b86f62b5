"""Communication of training processes with the process that launched them: lines for the user, and errors.

torchrun, which starts the processes, prints a lot and does not pass on their exceptions. So the processes prefix lines
for the user; other lines are shown only if a failure has no better explanation. Errors are written into a folder that
all processes can reach, and printed in a prefixed line too.
"""

import io
import json
import logging
import os
import re
import signal
import sys
from collections import deque
from contextlib import suppress
from typing import Final

from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["ErrorChannel", "ProcessOutput", "log_to_launcher"]

_LOG: Final = logging.getLogger(__name__)

_PREFIX: Final = "tonality message: "
"""Precedes a message of a process for the user: a level of `logging` and the text, as JSON."""
_ERROR_PREFIX: Final = "tonality error: "
_KEPT_LINES: Final = 1_000
"""The number of other output lines to keep."""

_KILLED: Final = re.compile(r"rank\s*: (\d+) [^\n]*\n\s*exitcode\s*: -(\d+) ")
"""torchrun's report of a process that was ended by a signal."""
_RESUMES: Final = "it resumes from the last checkpoint"
_KINDS: Final = {kind.__name__: kind for kind in (UserError, InputError, SettingsError, KeyboardInterrupt)}


class ProcessOutput(io.TextIOBase):
    """The combined output of the processes: prefixed lines are logged, the last others are kept."""

    def __init__(self) -> None:
        self._partial_line = ""
        self._others: deque[str] = deque(maxlen=_KEPT_LINES)
        self.reported_errors: list[str] = []

    def write(self, text: str) -> int:
        *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            self._handle(line)
        return len(text)

    def _handle(self, line: str) -> None:
        _, is_error, error = line.partition(_ERROR_PREFIX)
        _, _, message = line.partition(_PREFIX)
        if is_error:
            self.reported_errors.append(error)
            return
        try:
            level, text = json.loads(message)
        except ValueError:  # not a message, or one cut off by a process that was killed
            self._others.append(line)
        else:
            _LOG.log(level, "%s", text)

    def show(self) -> None:
        """Show the user the lines that were kept."""
        _LOG.error("\n  ".join(["the processes wrote:", *self._others]))

    def explain(self) -> UserError | None:
        """The error of a process that ended without an exception; None if there is a traceback."""
        text = "\n".join(self._others)
        for rank, number in _KILLED.findall(text):
            if int(number) != signal.SIGTERM:  # sent to the remaining processes
                name = signal.Signals(int(number)).name
                return UserError(
                    f"process {rank} (counted from 0) was ended by {name}, most likely by the system because memory "
                    f"ran out: free memory or lower train.processes, then train again: {_RESUMES}"
                )
        if "Traceback" not in text:
            return UserError(
                f"the processes ended without a message, most likely killed by the system because memory ran out: "
                f"free memory or lower train.processes, then train again: {_RESUMES}"
            )
        return None


def log_to_launcher() -> None:
    """Log this process's messages of Tonality to the process that launched it, which logs them for the user."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_MessageFormatter())
    logger = logging.getLogger("tonality")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _MessageFormatter(logging.Formatter):
    """One prefixed line per message, which keeps its level and its line feeds."""

    def format(self, record: logging.LogRecord) -> str:
        return _PREFIX + json.dumps([record.levelno, record.getMessage()])


class ErrorChannel:
    """A folder for the errors of the processes; the driver creates it on entry and removes it on exit."""

    def __init__(self, folder: str) -> None:
        self._system, self._folder = filesystem(folder)

    def __enter__(self) -> "ErrorChannel":
        self._system.makedirs(self._folder, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(FileNotFoundError):
            self._system.rm(self._folder, recursive=True)

    def report(self, error: BaseException) -> None:
        """Report an error of this process, in a file and, for the case of a full disk, on stderr."""
        text = to_json({"kind": _kind(error), "message": str(error)})
        sys.stderr.write(f"{_ERROR_PREFIX}{json.dumps(json.loads(text))}\n")
        sys.stderr.flush()
        with suppress(OSError):  # the folder may be removed: an interrupted driver does not wait for long
            self._system.pipe_file(join(self._folder, f"{os.environ['RANK']}.json"), text.encode())

    def read(self) -> list[str]:
        """The errors reported so far, as JSON."""
        self._system.invalidate_cache()
        with suppress(FileNotFoundError):
            files = sorted(self._system.ls(self._folder, detail=False))
            return [text for file in files if (text := self._system.cat_file(file).decode())]
        return []

    def first_error(self, output: ProcessOutput) -> BaseException | None:
        """The first error of a process, as its own exception; an interruption, which may be a consequence, last."""
        found: list[BaseException] = []
        for text in [*self.read(), *output.reported_errors]:
            with suppress(ValueError):  # cut off, by a full disk or in the output
                content = json.loads(text)
                found.append(_KINDS[content["kind"]](*content["message"].split("\n")))
        return min(found, key=lambda error: isinstance(error, KeyboardInterrupt), default=None)


def _kind(error: BaseException) -> str:
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS)
