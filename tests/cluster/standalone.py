"""A Spark standalone cluster on this machine: a master and workers, real processes that talk over loopback."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final, Self

import psutil
import pyspark
from kills import Job, kill_last, processes_of, python_workers, words

SPARK_HOME: Final = Path(pyspark.__path__[0])
LOOPBACK: Final = "127.0.0.1"
FAST_JAVA: Final = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""Java that starts fast, for jobs that are over before it would have gained by starting slowly."""
_MASTER: Final = "org.apache.spark.deploy.master.Master"
_WORKER: Final = "org.apache.spark.deploy.worker.Worker"
_EXECUTOR: Final = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
_BOUND: Final = {
    "master": re.compile(r"Starting Spark master at (spark://\S+)"),
    "page": re.compile(r"Bound MasterWebUI to .* started at (http://\S+)"),
}
"""Where the master says which ports it found free."""
_BUSY_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05


class Cluster:
    """A master and its workers with all that they start, each in a session of its own.

    `inside` is a command that runs another one: every process of the cluster is started by it. `gpus` are the addresses
    that each worker finds, though no GPU is there: Spark hands out names.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 2,
        cores: int = 1,
        gpus: Sequence[str] = (),
        spark_home: Path = SPARK_HOME,
        environment: Mapping[str, str] = os.environ,
        inside: Sequence[str] = (),
    ) -> None:
        self._folder, self._inside, self._spark_home = folder, tuple(inside), spark_home
        # where these tests are killed nobody would end it
        self._bound_to_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._expected, self._cores = workers, cores
        self.environment = {
            **environment,
            "SPARK_HOME": str(spark_home),
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": FAST_JAVA,
            "SPARK_SUBMIT_OPTS": FAST_JAVA,
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",  # a port that nobody here asks
        }
        self._gpu_options = self._found_gpus(gpus) if gpus else ""
        self._started: list[subprocess.Popen[bytes]] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self.master = self._page = ""

    def __enter__(self) -> Self:
        try:
            self._start(_MASTER, "master", "--host", LOOPBACK, "--port", "0", "--webui-port", "0")
            self.master, self._page = (self._announced(pattern) for pattern in _BOUND.values())
            self.restore()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        while left := self.processes():  # a worker may start another executor meanwhile
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        for process in self._started:
            process.wait()

    def restore(self) -> None:
        """Have all workers alive and no application running, whatever a test has done."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        for _ in range(self._expected - len(self._workers)):
            name = f"worker-{len(self._started)}"
            arguments = ["--host", LOOPBACK, "--port", "0", "--webui-port", "0", "--cores", str(self._cores)]
            arguments += ["--memory", f"{1536 * self._cores}m", "--work-dir", str(self._folder / name), self.master]
            self._workers.append(self._start(_WORKER, name, *arguments))
        self.wait_until(lambda: self.alive() == self._expected and not self._state()["activeapps"], "workers are alive")

    def job(self, command: Sequence[str], folder: Path, **environment: str) -> Job:
        """Anything that runs where the cluster's processes do."""
        folder.mkdir(parents=True, exist_ok=True)
        return Job([*self._inside, *command], folder, {**self.environment, **environment})

    def submit(self, script: Path | str, root: Path, *arguments: str, **conf: str) -> Job:
        """A script under spark-submit, with the environment of these tests; underscores in `conf` stand for dots."""
        options = {
            "spark.ui.enabled": "false",
            "spark.executor.extraJavaOptions": FAST_JAVA,
            **{f"spark.{key.replace('_', '.')}": conf[key] for key in conf},
        }
        command = [str(self._spark_home / "bin" / "spark-submit"), "--master", self.master]
        command += [part for key, value in options.items() for part in ("--conf", f"{key}={value}")]
        return self.job([*command, str(script), *arguments], root, PYSPARK_PYTHON=sys.executable)

    def kill_executor(self) -> bool:
        """`kill -9` of a busy executor's Java; like its siblings, False where nothing is busy."""
        return kill_last(self._above_busy()[:1])

    def kill_python(self) -> bool:
        """`kill -9` of a busy Python worker."""
        return kill_last(self._busy())

    def kill_worker(self) -> bool:
        """`kill -9` of a worker with a busy executor, which ends when it misses the worker. The last worker is left."""
        living = [worker for worker in self._workers if worker.poll() is None]
        return len(living) > 1 and kill_last(self._above_busy()[1:2])

    def alive(self) -> int:
        """How many workers the master counts on."""
        return sum(worker["state"] == "ALIVE" for worker in self._state()["workers"])

    def processes(self) -> list[psutil.Process]:
        """The master, the workers, their executors and these's Python."""
        return processes_of({process.pid for process in self._started})

    def executors_said(self, application: str) -> str:
        """What the executors of an application and their Python workers have logged."""
        return "".join(log.read_text() for log in sorted(self._folder.glob(f"worker-*/{application}/*/stderr")))

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Fails where the condition does not come true."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}"
            time.sleep(_POLL_SECONDS)

    def _start(self, kind: str, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [*self._bound_to_us, *self._inside, str(self._spark_home / "bin" / "spark-class"), kind, *arguments]
        environment = {**self.environment, "SPARK_WORKER_OPTS": self._gpu_options}
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._log(name).open("wb") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._started.append(process)
        return process

    def _announced(self, pattern: re.Pattern[str]) -> str:
        self.wait_until(lambda: pattern.search(self._log("master").read_text()), f"the master says {pattern.pattern}")
        found = pattern.search(self._log("master").read_text())
        assert found
        return found[1]

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._page}/json/", timeout=10) as answer:
            return dict(json.load(answer))

    def _busy(self) -> list[psutil.Process]:
        """The Python workers that have computed for a while: they have imported what they need, and score."""
        found = []
        for python in python_workers(self.processes()):
            with suppress(psutil.NoSuchProcess):
                if sum(python.cpu_times()[:2]) > _BUSY_SECONDS:
                    found.append(python)
        return found

    def _above_busy(self) -> list[psutil.Process]:
        """The executor that a busy Python worker computes for, the worker that has started it, and all above."""
        for python in self._busy():
            with suppress(psutil.NoSuchProcess):
                return list(dropwhile(lambda process: _EXECUTOR not in words(process), python.parents()))
        return []

    def _found_gpus(self, addresses: Sequence[str]) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        script = self._folder / "find-gpus"
        script.write_text(f"#!/bin/sh\necho '{json.dumps({'name': 'gpu', 'addresses': list(addresses)})}'\n")
        script.chmod(0o755)
        key = "-Dspark.worker.resource.gpu"
        return f"{key}.amount={len(addresses)} {key}.discoveryScript={script}"
