"""How training tells of itself while it runs."""

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from tonality.network.measures import Metrics

__all__ = ["Progress"]

_WIDTH: Final = 79


class Progress:
    """A line every few seconds, to stderr: overwritten on a terminal, one below the other in a log."""

    def __init__(
        self, stream: TextIO = sys.stderr, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._seconds = seconds
        self._clock = clock
        self._overwrites = stream.isatty()
        self.start()

    def start(self) -> None:
        """An epoch begins: its rows are counted, and its speed measured, from here."""
        self._started = self._told = self._clock()

    def step(self, epoch: int, rows: int, total: int, loss: float) -> None:
        """A step is done: of the epoch's total rows so many, at this mean loss in nats a row."""
        now = self._clock()
        if now - self._told < self._seconds:
            return
        self._told = now
        speed = rows / (now - self._started)
        line = f"epoch {epoch}: {rows:,} of {total:,} rows, loss {loss:.4f}, {speed:,.0f} rows/s"
        self._stream.write(f"\r{line:<{_WIDTH}}" if self._overwrites else f"{line}\n")
        self._stream.flush()

    def epoch(self, epoch: int, loss: float, valid: Metrics) -> None:
        """An epoch is done: its mean training loss, and what validation found."""
        line = f"epoch {epoch}: loss {loss:.4f}, validation loss {valid.log_loss:.4f}, accuracy {valid.accuracy:.4f}"
        self._stream.write(f"\r{line:<{_WIDTH}}\n" if self._overwrites else f"{line}\n")
        self._stream.flush()
