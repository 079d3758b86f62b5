"""Progress of training, as log messages."""

import logging
import time
from collections.abc import Callable
from typing import Final

from tonality.model.metrics import Metrics
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.diagnostics.logs import TRANSIENT

__all__ = ["Progress"]

_LOG: Final = logging.getLogger(__name__)


class Progress:
    """Progress messages, one every few seconds: on a terminal each overwrites the one before."""

    def __init__(self, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock

    def start(self, epoch: int, epochs: int, rows: int, done: int = 0) -> None:
        """Start an epoch of so many rows, `done` of which were learned before; speed is measured from here."""
        self._epoch, self._epochs, self._rows, self._done_before = epoch, epochs, rows, done
        self._started = self._last_written = self._clock()

    def step(self, rows: int, loss: float) -> None:
        """Report that so many of the epoch's rows are done, at this mean loss in nats per row."""
        now = self._clock()
        if now - self._last_written < self._seconds or rows == self._done_before:
            return
        self._last_written = now
        speed = (rows - self._done_before) / (now - self._started)
        left = (self._rows * (self._epochs - self._epoch + 1) - rows) / speed
        _LOG.info(
            f"epoch {self._epoch} of {self._epochs}: {rows:,} of {self._rows:,} rows, loss {loss:.4f}, "
            f"{speed:,.0f} rows/s, {_duration(left)} left",
            extra=TRANSIENT,
        )

    def epoch(self, loss: float, valid: Metrics) -> None:
        """Report the end of the epoch: its mean training loss and the validation metrics."""
        _LOG.info(
            f"epoch {self._epoch} of {self._epochs}: loss {loss:.4f}, validation loss {valid.log_loss:.4f}, "
            f"accuracy {valid.accuracy:.4f}"
        )

    def message(self, text: str, level: int = logging.INFO) -> None:
        """Report anything else; as a warning, what may surprise the user."""
        _LOG.log(level, escaped_name(text))


def _duration(seconds: float) -> str:
    """A duration in its two largest units."""
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if hours < 1 else f"{int(hours)} h {minutes % 60:.0f} min"
