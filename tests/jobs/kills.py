"""Helpers for tests of kills: an archive in two versions, a job to kill, and a reader of its table."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, Self

import psutil
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

Rows = frozenset[tuple[int, str]]
"""The content of a day for a reader: ids and the texts of a column. An absent day is None."""

_DAYS: Final = 12
_TWEETS: Final = 250
_POLL_SECONDS: Final = 0.001
_PATIENCE_SECONDS: Final = 300


def write_archive(folder: Path, version: int) -> dict[str, Rows]:
    """A file a day, with duplicates, rejects and notices; returns the expected content of each day of the table.

    No day is the same in two versions, and each version has one day more than the one before.
    """
    folder.mkdir()
    table: dict[str, Rows] = {}
    for day in range(1, _DAYS + version):
        tweets = {day * 1000 + n: f"смотрели кино, {version}-й раз {n}" for n in range(_TWEETS + version)}
        lines = [_status(day, number, text) for number, text in tweets.items()]
        lines += [
            *lines[:7],
            _status(day - 1 or 1, day * 1000, "второй"),
            b'{"delete":{}}',
            b"",
            b"{broken",
            lines[0][:40],
        ]
        (folder / f"{day:02}.json.gz").write_bytes(gzip.compress(b"\n".join(lines)))
        table[f"day=2015-12-{day:02}"] = frozenset(tweets.items())
    return table


def _status(day: int, number: int, text: str) -> bytes:
    created_at = f"Tue Dec {day:02} 08:01:02 +0000 2015"
    user, entities = {"screen_name": "anna"}, {"hashtags": [{"text": "кино"}]}
    status = {"created_at": created_at, "id": number, "text": text, "lang": "ru", "user": user, "entities": entities}
    return json.dumps(status, ensure_ascii=False).encode()


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    """Every row of a table, without the run that wrote it, in a fixed order."""
    found: pa.Table = ds.dataset(root / table, partitioning="hive", format="parquet").to_table()
    return sorted(found.drop_columns(["run"]).to_pylist(), key=repr)


class Job:
    """A job in its own session, so that everything it starts is found, and ended, by the session's id."""

    def __init__(self, command: Sequence[str], root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._output_file = root.with_name("output")
        with self._output_file.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @classmethod
    def clean(cls, archive: Path, root: Path) -> Self:
        """`tonality clean` of an archive."""
        command = [str(Path(sys.executable).parent / "tonality"), "clean"]
        settings = {"paths.archive": archive, "paths.root": root, "spark.master": "local[2]", "spark.memory": "1g"}
        return cls([*command, *(part for key, value in settings.items() for part in ("--set", f"{key}={value}"))], root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    @property
    def output(self) -> str:
        """Its console output so far."""
        return self._output_file.read_text()

    def wait_for(self, seen: Callable[[], object]) -> bool:
        """True if the condition was met before the job ended."""
        while self._process.poll() is None:
            if seen():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def lasts(self, seconds: float) -> bool:
        """True if it still runs after this many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is None

    def status(self) -> int:
        """Its exit status, once it and all processes that it started have ended."""
        status = self._process.wait(_PATIENCE_SECONDS)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while left := self._processes():
            assert time.monotonic() < deadline, f"{left} outlived the driver"
            time.sleep(_POLL_SECONDS)
        return status

    def has_java(self) -> bool:
        """True if Spark's Java runs."""
        return bool(self._java())

    def has_worker(self) -> bool:
        """True if a Python worker runs; the first ones plan the schema and the tasks of the archive's reader."""
        return bool(self._workers())

    def reads(self) -> bool:
        """True if a Python worker reads the archive."""
        return any("pyspark.worker" in words(worker) for worker in self._workers())

    def kill_driver(self) -> bool:
        """Kill the driver's Python and Java at once; like its siblings, returns False if there was nothing to kill."""
        os.killpg(self._process.pid, signal.SIGKILL)
        return True

    def kill_python(self) -> bool:
        """Kill only the driver's Python."""
        self._process.kill()
        return True

    def kill_java(self) -> bool:
        """Kill only the driver's Java."""
        return kill_last(self._java())

    def kill_worker(self) -> bool:
        """Kill the newest Python worker."""
        return kill_last(self._workers())

    def stands(self, pattern: str) -> bool:
        """True if anything under the root matches the pattern."""
        with suppress(FileNotFoundError):  # a folder that was removed while it was listed
            return any(self.root.glob(pattern))
        return False

    def _java(self) -> list[psutil.Process]:
        return [process for process in self._processes() if "org.apache.spark.deploy.SparkSubmit" in words(process)]

    def _workers(self) -> list[psutil.Process]:
        return python_workers(self._processes())

    def _processes(self) -> list[psutil.Process]:
        return processes_of({self._process.pid})


def processes_of(sessions: Container[int]) -> list[psutil.Process]:
    """The live processes of the sessions, including orphans."""
    found = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            process = psutil.Process(pid) if os.getsid(pid) in sessions else None
            if process and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def python_workers(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Spark's Python workers among the processes. The daemon is a child of Java, the workers are children of the daemon."""
    daemons = {process.pid: process for process in processes if "pyspark.daemon" in words(process)}
    return [process for process in daemons.values() if _parent(process) in daemons]


def kill_last(processes: Iterable[psutil.Process]) -> bool:
    """Kill the newest process; returns False if there was nothing to kill."""
    for process in sorted(processes, key=psutil.Process.create_time)[-1:]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            return True
    return False


def words(process: psutil.Process) -> list[str]:
    """Its command line; empty if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return list(process.cmdline())
    return []


def _parent(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.ppid())
    return 0


class Reader:
    """Another program: reads a whole table again and again, and remembers the contents of each day."""

    def __init__(self, table: Path, days: set[str], column: str = "text", pause: float = _POLL_SECONDS) -> None:
        self.found: defaultdict[str, set[Rows | None]] = defaultdict(set)
        self.looks = 0
        self._table, self._days, self._column, self._pause = table, days, column, pause
        self._known: dict[tuple[object, ...], Rows] = {}
        self._error: BaseException | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._keep_looking)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if self._error:
            raise self._error

    def look(self) -> dict[str, Rows | None]:
        """Each day as it is now; None if the listing of the table or of the day does not have it."""
        listed = {day.name for day in self._table.glob("day=*")}
        return {day: self._read(self._table / day) if day in listed else None for day in self._days | listed}

    def _keep_looking(self) -> None:
        try:
            while not self._stopped.wait(self._pause):
                for day, content in self.look().items():
                    self.found[day].add(content)
                self.looks += 1
        except BaseException as error:
            self._error = error

    def _read(self, day: Path) -> Rows | None:
        """Read a day, again if it was replaced between its listing and the opening of its files."""
        while day.exists():
            with suppress(FileNotFoundError):
                files = [day / name for name in _listing(day) if name.endswith(".parquet")]
                # Spark gives files of several days one name, and the clock of files may stand still between them
                key = tuple((status.st_ino, status.st_size, status.st_mtime_ns) for status in map(Path.stat, files))
                if key not in self._known:
                    self._known[key] = frozenset(pair for file in files for pair in _pairs(file, self._column))
                return self._known[key]
        return None


def _listing(day: Path) -> list[str]:
    """The names in the folder. Raises FileNotFoundError if it was replaced, since it may be half deleted then."""
    handle = os.open(day, os.O_RDONLY)
    try:
        names = os.listdir(handle)  # noqa: PTH208 - of the folder that was opened, whatever its name is by now
        if not os.path.samestat(os.fstat(handle), day.stat()):
            raise FileNotFoundError(day)
        return names
    finally:
        os.close(handle)


def _pairs(file: Path, column: str) -> list[tuple[int, str]]:
    with pq.ParquetFile(file) as parquet:
        columns = parquet.read(["tweet_id", column])
    return list(zip(columns["tweet_id"].to_pylist(), columns[column].to_pylist(), strict=True))
