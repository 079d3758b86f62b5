"""An Airflow on this machine: its API server, scheduler and DAG processor as processes, its command and its API."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import psutil
from kills import processes_of

REPOSITORY: Final = Path(__file__).parents[2]
DAGS: Final = REPOSITORY / "jobs" / "dags"
ENVIRONMENT: Final = REPOSITORY / os.environ.get("TONALITY_AIRFLOW", ".venv-airflow")
"""Airflow's own virtual environment, separate from Tonality's."""

_LOOPBACK: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 1800
_POLL_SECONDS: Final = 0.5
_ENDED: Final = frozenset({"success", "failed"})
_API_SERVER: Final = ("api-server", "--host", _LOOPBACK, "--workers", "1")
_WRITERS: Final = (("scheduler", "--skip-serve-logs"), ("dag-processor",))
"""Components that write to the database on their own."""


def settings(home: Path, port: int = 0) -> dict[str, str]:
    """The environment of an Airflow command with this home folder."""
    ours = {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": DAGS,
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout={_PATIENCE_SECONDS}",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": 4,
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": 1,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{_LOOPBACK}:{port}/execution/",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": f"http://{_LOOPBACK}:{port}",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(),
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": 1,
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": _POLL_SECONDS,
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": False,
    }
    return {**os.environ, **{name: str(value) for name, value in ours.items()}, "PYTHONDONTWRITEBYTECODE": "1"}


class Airflow:
    """A scheduler that runs tasks itself (LocalExecutor), with a database of its own in a folder (SQLite)."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        port = _free_port()
        self._url = f"http://{_LOOPBACK}:{port}"
        self._environment = {**settings(home, port), **(environment or {})}
        # it must end if the tests are killed
        self._bound_to_us = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.home.mkdir()
        self.command("db", "migrate")
        try:
            for component in (_API_SERVER, *_WRITERS):
                self._start(*component)
            self.wait_until(self._is_healthy, "all of it is healthy")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        while left := self.processes():  # a worker may start another task meanwhile
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        for process in self._started.values():
            process.wait()

    def command(self, *arguments: str) -> str:
        """Run `airflow …` and return its stdout."""
        command = [str(ENVIRONMENT / "bin" / "airflow"), *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout

    def command_alone(self, *arguments: str) -> str:
        """Run a command while nothing else writes: SQLite refuses to write in a transaction whose reads are outdated."""
        for name, *_ in _WRITERS:
            self._started[name].terminate()
            self._started.pop(name).wait()
        try:
            return self.command(*arguments)
        finally:
            for component in _WRITERS:
                self._start(*component)

    def runs(self, dag: str, kind: str) -> list[dict[str, Any]]:
        """The runs of a DAG of a kind, `scheduled`, `backfill` or `manual`, by date."""
        found = self._ask(f"dags/{dag}/dagRuns?limit=100")["dag_runs"]
        return sorted((run for run in found if run["run_type"] == kind), key=lambda run: run["run_after"])

    def ended(self, dag: str, kind: str, count: int) -> list[dict[str, Any]]:
        """The runs of a kind, once there are this many and all have ended."""

        def all_ended() -> bool:
            runs = self.runs(dag, kind)
            return len(runs) >= count and all(run["state"] in _ENDED for run in runs)

        self.wait_until(all_ended, f"{count} {kind} run(s) of {dag} have ended")
        return self.runs(dag, kind)

    def trigger(self, dag: str, *settings: str) -> dict[str, Any]:
        """Trigger a run of the DAG with its own settings, and return it once it has ended."""
        before = len(self.runs(dag, "manual"))
        self.command("dags", "trigger", dag, "--conf", json.dumps({"set": settings}))
        return self.ended(dag, "manual", before + 1)[-1]

    def tasks(self, run: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The tasks of a run by name."""
        path = f"dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        return {task["task_id"]: task for task in self._ask(path)["task_instances"]}

    def log(self, run: Mapping[str, Any], task: str, attempt: int = 1) -> str:
        """The log of a task as the web page shows it: messages and the exceptions that ended it."""
        place = self.home / "logs" / f"dag_id={run['dag_id']}" / f"run_id={run['dag_run_id']}" / f"task_id={task}"
        lines = [json.loads(line) for line in (place / f"attempt={attempt}.log").read_text().splitlines()]
        messages = [[line["event"], *(error["exc_value"] for error in line.get("error_detail", ()))] for line in lines]
        return "\n".join(str(message) for line in messages for message in line)

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition. Fails if it does not become true, or if a component of Airflow ends."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            ended = [name for name, process in self._started.items() if process.poll() is not None]
            assert not ended, f"{ended} ended, see the logs in {self.home}"
            assert time.monotonic() < deadline, f"waited in vain until {what}, see the logs in {self.home}"
            time.sleep(_POLL_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """All live processes that it has started, including the tasks' Java and Python."""
        found = {process.pid: process for process in processes_of({process.pid for process in self._started.values()})}
        for process in list(found.values()):
            with suppress(psutil.NoSuchProcess):
                found |= {child.pid: child for child in process.children(recursive=True)}
        return [process for process in found.values() if process.is_running()]

    def _start(self, name: str, *options: str) -> None:
        command = [*self._bound_to_us, str(ENVIRONMENT / "bin" / "airflow"), name, *options]
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._started[name] = process

    def _is_healthy(self) -> bool:
        with suppress(OSError):
            health = self._ask("monitor/health")
            return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))
        return False

    def _ask(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._url}/api/v2/{path}", timeout=60) as answer:
            return dict(json.load(answer))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
