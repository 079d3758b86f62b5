"""Deferred signals: Ctrl-C and SIGTERM take effect between two steps, not in the middle of one."""

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["DeferredSignals", "Interrupted"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Training was interrupted and has stopped cleanly; the message says how to resume it."""


class DeferredSignals:
    """Record the first SIGINT or SIGTERM instead of stopping; a second one stops at once, unless `ignore_repeated`.

    With several processes repeated signals must be ignored: one Ctrl-C reaches a process several times. Only the main
    thread receives signals: in any other one this does nothing.
    """

    def __init__(self, *, ignore_repeated: bool = False) -> None:
        self.received = False
        self._ignore_repeated = ignore_repeated
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous_handlers = {number: signal.signal(number, self._record) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's signature
        if self.received and not self._ignore_repeated:
            raise KeyboardInterrupt
        self.received = True
