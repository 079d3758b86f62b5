"""How training tells of itself while it runs."""

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from tonality.model.metrics import Metrics

__all__ = ["Progress"]

_WIDTH: Final = 99


class Progress:
    """A line every few seconds, to stderr: overwritten on a terminal, one below the other in a log."""

    def __init__(
        self, stream: TextIO = sys.stderr, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._seconds = seconds
        self._clock = clock
        self._overwrites = stream.isatty()

    def start(self, epoch: int, epochs: int, rows: int, done: int = 0) -> None:
        """An epoch of so many begins, of so many rows, of which some may be done: speed is measured from here."""
        self._epoch, self._epochs, self._rows, self._before = epoch, epochs, rows, done
        self._started = self._told = self._clock()

    def step(self, rows: int, loss: float) -> None:
        """So many of the epoch's rows are done, at this mean loss in nats a row."""
        now = self._clock()
        if now - self._told < self._seconds or rows == self._before:
            return
        self._told = now
        speed = (rows - self._before) / (now - self._started)
        left = (self._rows * (self._epochs - self._epoch + 1) - rows) / speed
        self._say(
            f"epoch {self._epoch} of {self._epochs}: {rows:,} of {self._rows:,} rows, loss {loss:.4f}, "
            f"{speed:,.0f} rows/s, {_duration(left)} left"
        )

    def epoch(self, loss: float, valid: Metrics) -> None:
        """The epoch is done: its mean training loss, and what validation found."""
        self._say(
            f"epoch {self._epoch} of {self._epochs}: loss {loss:.4f}, validation loss {valid.log_loss:.4f}, "
            f"accuracy {valid.accuracy:.4f}",
            end="\n",
        )

    def tell(self, text: str) -> None:
        """Something that is to stay."""
        self._say(text, end="\n")

    def _say(self, line: str, end: str = "") -> None:
        self._stream.write(f"\r{line:<{_WIDTH}}{end}" if self._overwrites else f"{line}\n")
        self._stream.flush()


def _duration(seconds: float) -> str:
    """A time in its two largest units."""
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if hours < 1 else f"{int(hours)} h {minutes % 60:.0f} min"
