"""What processes tell the one that started them: lines for people, and the faults that they have met.

torchrun, which starts the processes, talks at length and hands on nothing that they raise. So they mark what people are
to read; other lines are shown only where a failure has no better explanation. A fault is written into a folder that all
can reach, and said in a marked line too.
"""

import io
import json
import os
import re
import signal
import sys
from collections import deque
from contextlib import suppress
from typing import Final, TextIO, cast

from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.urls import filesystem, join

__all__ = ["ErrorChannel", "Heard", "announcer"]

_MARK: Final = "tonality: "
"""Before a line that a process has for people."""
_MARK_OF_FAULT: Final = "tonality's fault: "
_KEPT_LINES: Final = 1_000
"""Of what else the processes say."""

_ENDED_BY: Final = re.compile(r"rank\s*: (\d+) [^\n]*\n\s*exitcode\s*: -(\d+) ")
"""torchrun's report of a process that a signal has ended."""
_GOES_ON: Final = "it goes on from the last checkpoint"
_KINDS: Final = {kind.__name__: kind for kind in (UserError, InputError, SettingsError, KeyboardInterrupt)}


class Heard(io.TextIOBase):
    """What the processes say: lines with the mark go on to people, the last others are kept."""

    def __init__(self, people: TextIO) -> None:
        self._people = people
        self._begun = ""
        self._others: deque[str] = deque(maxlen=_KEPT_LINES)
        self.faults: list[str] = []

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._hear(line)
        return len(text)

    def _hear(self, line: str) -> None:
        _, fault, what = line.partition(_MARK_OF_FAULT)
        _, news, told = line.partition(_MARK)
        if fault:
            self.faults.append(what)
        elif news:
            self._people.write(f"{told}\n")
            self._people.flush()
        else:
            self._others.append(line)

    def show(self) -> None:
        """Let people read what was kept."""
        self._people.write("".join(f"{line}\n" for line in self._others))
        self._people.flush()

    def explain(self) -> UserError | None:
        """How a process was lost; None where a traceback tells more."""
        text = "\n".join(self._others)
        for rank, number in _ENDED_BY.findall(text):
            if int(number) != signal.SIGTERM:  # which ends the others
                name = signal.Signals(int(number)).name
                return UserError(
                    f"process {rank} (they count from 0) was ended by {name}, most often the system's doing when "
                    f"memory runs out: free memory or lower train.processes, then train again: {_GOES_ON}"
                )
        if "Traceback" not in text:
            return UserError(
                f"the processes ended without a word, most often the system's doing when memory runs out: free memory "
                f"or lower train.processes, then train again: {_GOES_ON}"
            )
        return None


class _Announcer(io.TextIOBase):
    def write(self, text: str) -> int:
        sys.stderr.write(f"{_MARK}{text}")
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def announcer() -> TextIO:
    """Where a process writes lines that people are to read."""
    return cast(TextIO, _Announcer())


class ErrorChannel:
    """The folder of the faults that processes have met. The driver opens it, and on the way out it is gone."""

    def __init__(self, folder: str) -> None:
        self._system, self._folder = filesystem(folder)

    def __enter__(self) -> "ErrorChannel":
        self._system.makedirs(self._folder, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(FileNotFoundError):
            self._system.rm(self._folder, recursive=True)

    def tell(self, fault: BaseException) -> None:
        """Write down what this process has met. On a full disk the driver may still hear it."""
        told = to_json({"kind": _kind(fault), "message": str(fault)})
        sys.stderr.write(f"{_MARK_OF_FAULT}{json.dumps(json.loads(told))}\n")
        sys.stderr.flush()
        with suppress(OSError):  # the folder may be gone: an interrupted driver does not wait for long
            self._system.pipe_file(join(self._folder, f"{os.environ['RANK']}.json"), told.encode())

    def read(self) -> list[str]:
        """What was written down."""
        self._system.invalidate_cache()
        with suppress(FileNotFoundError):
            files = sorted(self._system.ls(self._folder, detail=False))
            return [text for file in files if (text := self._system.cat_file(file).decode())]
        return []

    def first(self, heard: Heard) -> BaseException | None:
        """A fault that a process met, as its own exception; an interruption, which may be its echo, comes last."""
        found: list[BaseException] = []
        for text in [*self.read(), *heard.faults]:
            with suppress(ValueError):  # a full disk took half of it, or the line was cut
                told = json.loads(text)
                found.append(_KINDS[told["kind"]](told["message"]))
        return min(found, key=lambda fault: isinstance(fault, KeyboardInterrupt), default=None)


def _kind(fault: BaseException) -> str:
    return next(kind.__name__ for kind in type(fault).__mro__ if kind.__name__ in _KINDS)
