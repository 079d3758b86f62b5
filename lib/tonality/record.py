"""The run record: what ran, on what, with which result. One JSON file a run, under runs/."""

import json
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Self

import tonality
from tonality.documents import to_json
from tonality.faults import Fault, SettingsFault
from tonality.locations import filesystem, join
from tonality.mishaps import explain
from tonality.settings import Settings

__all__ = ["Run", "text_settings"]

_UNFINISHED: Final = "not ended: still running, or killed"


class Run:
    """One run of a stage. Its id names the rows it writes."""

    def __init__(self, stage: str, settings: Settings) -> None:
        started = datetime.now(UTC)
        self.stage = stage
        self.id = f"{stage}-{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.facts: dict[str, Any] = {}
        self._settings = settings
        self._started = started
        self._clock = time.monotonic()

    def note(self, **facts: Any) -> None:
        """Remember inputs, counts or metrics for the record."""
        self.facts.update(facts)

    def __enter__(self) -> Self:
        """Write the record of a run that has not ended, which a kill leaves. Raises Fault where that cannot be done."""
        try:
            self._write(_UNFINISHED)
        except OSError as error:
            raise Fault(
                f"paths.root: cannot write to {self._settings.paths.root}: {error.strerror or error}"
            ) from error
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write the record, of a failed run too, unless its settings are at fault: that run never began."""
        if error is None:
            self._write(None)
            return
        fault = error if isinstance(error, Fault) else explain(error, self._settings) or error
        with suppress(OSError):  # what made the run fail is what people must see
            if isinstance(fault, SettingsFault):
                self._forget()
            else:
                self._write(f"{type(fault).__name__}: {fault}")

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return time.monotonic() - self._clock

    def _write(self, fault: str | None) -> None:
        content = {
            "run": self.id,
            "stage": self.stage,
            "tonality": tonality.__version__,
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 1),
            "fault": fault,
            **self.facts,
            "settings": self._settings.model_dump(mode="json"),
        }
        system, folder = filesystem(join(self._settings.paths.root, "runs"))
        system.makedirs(folder, exist_ok=True)
        with system.open(join(folder, f"{self.id}.json"), "w", encoding="utf-8") as file:
            file.write(to_json(content))

    def _forget(self) -> None:
        system, folder = filesystem(join(self._settings.paths.root, "runs"))
        system.rm_file(join(folder, f"{self.id}.json"))


def text_settings(root: str, run: str) -> dict[str, str] | None:
    """The [text] settings that a run had; None where its record is gone or cannot be read."""
    system, path = filesystem(join(root, "runs", f"{run}.json"))
    try:
        return dict(json.loads(system.cat_file(path))["settings"]["text"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
