"""Ctrl-C, or the system's request to end, heard between two steps and not in the middle of one."""

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupted", "Interruption"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Training was asked to end, and has ended in good order; the message says how to go on."""


class Interruption:
    """While open, the first request to end is only noted; a second one ends at once, unless `patient`.

    A process of several is to be patient: one Ctrl-C reaches it by several ways, as several signals.
    Signals are heard by the main thread alone: opened in another one, this notes nothing.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.asked = False
        self._patient = patient
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        if self.asked and not self._patient:
            raise KeyboardInterrupt
        self.asked = True
