"""A local Spark standalone cluster: a master and workers, real processes that communicate over loopback."""

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
"""Java options for a fast start, since the jobs are too short to profit from a better compiler."""
_MASTER: Final = "org.apache.spark.deploy.master.Master"
_WORKER: Final = "org.apache.spark.deploy.worker.Worker"
_EXECUTOR: Final = "org.apache.spark.executor.CoarseGrainedExecutorBackend"
_BOUND: Final = {
    "master": re.compile(r"Starting Spark master at (spark://\S+)"),
    "page": re.compile(r"Bound MasterWebUI to .* started at (http://\S+)"),
}
"""Log lines with the free ports that the master has chosen."""
_BUSY_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05


class Cluster:
    """A master and its workers with all the processes that they start, each in its own session.

    `inside` is a command prefix that starts every process of the cluster. `gpus` are the addresses that each worker
    discovers; the GPUs need not exist, since Spark only assigns addresses.
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
        # it must end if the tests are killed
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
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",  # an unused port
        }
        self._gpu_options = self._gpu_discovery_options(gpus) if gpus else ""
        self._started: list[subprocess.Popen[bytes]] = []
        self._workers: list[subprocess.Popen[bytes]] = []
        self.master = self._page = ""

    def __enter__(self) -> Self:
        try:
            self._start(_MASTER, "master", "--host", LOOPBACK, "--port", "0", "--webui-port", "0")
            self.master, self._page = (self._logged(pattern) for pattern in _BOUND.values())
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
        """Start new workers for killed ones, and wait until all are alive and no application runs."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        for _ in range(self._expected - len(self._workers)):
            name = f"worker-{len(self._started)}"
            arguments = ["--host", LOOPBACK, "--port", "0", "--webui-port", "0", "--cores", str(self._cores)]
            arguments += ["--memory", f"{1536 * self._cores}m", "--work-dir", str(self._folder / name), self.master]
            self._workers.append(self._start(_WORKER, name, *arguments))
        self.wait_until(lambda: self.alive() == self._expected and not self._state()["activeapps"], "workers are alive")

    def job(self, command: Sequence[str], folder: Path, **environment: str) -> Job:
        """Run a command in the environment of the cluster's processes."""
        folder.mkdir(parents=True, exist_ok=True)
        return Job([*self._inside, *command], folder, {**self.environment, **environment})

    def submit(self, script: Path | str, root: Path, *arguments: str, **conf: str) -> Job:
        """Submit a script in the environment of these tests; underscores in `conf` stand for dots."""
        options = {
            "spark.ui.enabled": "false",
            "spark.executor.extraJavaOptions": FAST_JAVA,
            **{f"spark.{key.replace('_', '.')}": conf[key] for key in conf},
        }
        command = [str(self._spark_home / "bin" / "spark-submit"), "--master", self.master]
        command += [part for key, value in options.items() for part in ("--conf", f"{key}={value}")]
        return self.job([*command, str(script), *arguments], root, PYSPARK_PYTHON=sys.executable)

    def kill_executor(self) -> bool:
        """`kill -9` the Java of a busy executor; like the next methods, return False if none is busy."""
        return kill_last(self._above_busy()[:1])

    def kill_python(self) -> bool:
        """`kill -9` a busy Python worker."""
        return kill_last(self._busy())

    def kill_worker(self) -> bool:
        """`kill -9` a worker with a busy executor, which ends when it loses the worker. The last worker is spared."""
        living = [worker for worker in self._workers if worker.poll() is None]
        return len(living) > 1 and kill_last(self._above_busy()[1:2])

    def alive(self) -> int:
        """The number of workers that the master considers alive."""
        return sum(worker["state"] == "ALIVE" for worker in self._state()["workers"])

    def processes(self) -> list[psutil.Process]:
        """The processes of the master, the workers, their executors and Python workers."""
        return processes_of({process.pid for process in self._started})

    def executor_log(self, application: str) -> str:
        """The log of an application's executors and their Python workers."""
        return "".join(log.read_text() for log in sorted(self._folder.glob(f"worker-*/{application}/*/stderr")))

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition. Fails if it does not become true."""
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

    def _logged(self, pattern: re.Pattern[str]) -> str:
        self.wait_until(lambda: pattern.search(self._log("master").read_text()), f"the master logs {pattern.pattern}")
        found = pattern.search(self._log("master").read_text())
        assert found
        return found[1]

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._page}/json/", timeout=60) as answer:
            return dict(json.load(answer))

    def _busy(self) -> list[psutil.Process]:
        """The Python workers that have used some CPU time: they have finished their imports, and score."""
        found = []
        for python in python_workers(self.processes()):
            with suppress(psutil.NoSuchProcess):
                if sum(python.cpu_times()[:2]) > _BUSY_SECONDS:
                    found.append(python)
        return found

    def _above_busy(self) -> list[psutil.Process]:
        """The executor of a busy Python worker, the worker that has started it, and all processes above."""
        for python in self._busy():
            with suppress(psutil.NoSuchProcess):
                return list(dropwhile(lambda process: _EXECUTOR not in words(process), python.parents()))
        return []

    def _gpu_discovery_options(self, addresses: Sequence[str]) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        script = self._folder / "find-gpus"
        script.write_text(f"#!/bin/sh\necho '{json.dumps({'name': 'gpu', 'addresses': list(addresses)})}'\n")
        script.chmod(0o755)
        key = "-Dspark.worker.resource.gpu"
        return f"{key}.amount={len(addresses)} {key}.discoveryScript={script}"
