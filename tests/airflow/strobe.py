"""A kill within a few milliseconds of a run, on machines of any speed: the victim runs for two milliseconds at a time."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil
from kills import words
from live import Airflow

_LIGHT_SECONDS: Final = 0.002
_SUBMIT: Final = "org.apache.spark.deploy.SparkSubmit"
# Computes the command line, in another Java with the same arguments, like the shells around it.
_LAUNCHER: Final = "org.apache.spark.launcher.Main"


class Strike(NamedTuple):
    """The result: True if it hit, and the moves in the journal at that time."""

    hit: bool
    moves: list[list[str | None]]


def strike(airflow: Airflow, root: Path, day: str) -> Strike:
    """Kill the Java of that day's `clean` as soon as a journal has the moves that it is about to make."""
    victims: list[psutil.Process] = []

    def found() -> bool:
        victims[:] = [process for process in airflow.processes() if _cleans(process, day)]
        return bool(victims)

    airflow.wait_until(found, f"Java cleans {day}")
    [java] = victims
    airflow.wait_until(lambda: _staged(root, day) or not java.is_running(), f"{day} is staged")
    with suppress(psutil.NoSuchProcess):
        while java.is_running():
            java.suspend()
            if moves := _journal(root, day):
                java.kill()
                return Strike(True, moves)
            java.resume()
            time.sleep(_LIGHT_SECONDS)
    return Strike(False, [])


def _cleans(process: psutil.Process, day: str) -> bool:
    line = words(process)
    is_java = bool(line) and Path(line[0]).name == "java" and _LAUNCHER not in line
    return is_java and _SUBMIT in line and f"archive.since={day}" in line


def _staged(root: Path, day: str) -> bool:
    return any(root.glob(f"_staging/*/tweets/day={day}"))


def _journal(root: Path, day: str) -> list[list[str | None]]:
    """The moves that the run publishing the day is about to make."""
    for journal in root.glob("_journal/*.json"):
        with suppress(FileNotFoundError):  # of another day, which was published meanwhile
            moves: list[list[str | None]] = json.loads(journal.read_text())["moves"]
            if any(f"day={day}" in target for target, _ in moves if target):
                return moves
    return []
