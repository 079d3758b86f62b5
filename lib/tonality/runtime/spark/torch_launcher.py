"""Launch cooperating processes through Spark: on this machine, or one per task slot of the cluster.

pyspark's TorchDistributor starts torchrun, which starts the processes; their messages and errors come back through
tonality.runtime.spark.process_output.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Final

import psutil
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.errors import SettingsError, UserError
from tonality.runtime.diagnostics.logs import keep_stderr
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark.process_output import ErrorChannel, ProcessOutput
from tonality.runtime.spark.session import spark_session

__all__ = ["run_in_processes"]

_REGISTRATION_SECONDS: Final = 60.0
"""The time for executors to register before the cluster is considered too small."""
_GRACE_SECONDS: Final = 5.0
"""The time for a process whose parent has ended to save its state."""
_POLL_SECONDS: Final = 0.5


def run_in_processes(
    function: Callable[..., None], arguments: tuple[str, ...], processes: int, settings: SparkSettings, errors: str
) -> None:
    """Call an importable function in this number of processes, as torchrun would, and wait for all of them.

    `errors` is a folder for this run's errors that all processes can reach; it is removed afterwards. If one process
    fails, the others are ended.

    Raises SettingsError if the cluster has too few slots, the UserError of a process, UserError if a process was
    killed, and otherwise Spark's own exception.
    """
    with _session(settings) as spark, ErrorChannel(errors) as channel, _SignalHandler():
        output = ProcessOutput()
        try:
            _run(spark, output, processes, _call_in_process, function, arguments, errors)
        except UserError:
            raise
        except Exception as error:
            if user_error := channel.first_error(output) or output.explain():
                raise user_error from error
            output.show()
            raise
        if first_error := channel.first_error(output):  # after a vain retry by Spark
            raise first_error


def _run(spark: SparkSession, output: ProcessOutput, processes: int, *call: Any) -> None:
    master = str(spark.sparkContext.master)
    local = master.startswith("local") and "cluster" not in master
    gpus = 0 if local else _gpus_per_task(spark, processes)
    if not local:
        _require_slots(spark, processes // max(1, gpus))
    with ExitStack() as stack:
        stack.enter_context(_environment())
        stack.enter_context(keep_stderr())  # for messages
        stack.enter_context(redirect_stdout(output))  # TorchDistributor prints the output of local processes here
        stack.enter_context(redirect_stderr(output))  # and that of the executors' processes here
        distributor = TorchDistributor(num_processes=processes, local_mode=local, use_gpu=gpus > 0)
        distributor.logger.setLevel(logging.WARNING)
        distributor.run(*call)


@contextmanager
def _environment() -> Iterator[None]:
    """Set environment variables for local processes. torchrun leaves folders behind, so TMPDIR is a temporary one."""
    with TemporaryDirectory(prefix="tonality-", ignore_cleanup_errors=True) as folder:
        variables = {
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),  # otherwise torchrun sets it, with a warning
            "PYTHONUNBUFFERED": "1",  # lines must not wait in a pipe's buffer
            "TMPDIR": folder,
        }
        previous = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in previous.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _session(settings: SparkSettings) -> Iterator[SparkSession]:
    """The active session, or a new one for the duration."""
    if spark := SparkSession.getActiveSession():
        yield spark
    else:
        # one task per process, which reports its own progress
        with spark_session("train", settings.model_copy(update={"progress": False})) as spark:
            yield spark


def _gpus_per_task(spark: SparkSession, processes: int) -> int:
    """The number of GPUs, and hence processes, per task of the cluster; 0: one process per task, on the CPU."""
    key = "spark.task.resource.gpu.amount"
    amount = spark.sparkContext.getConf().get(key) or "0"
    if not amount.isdecimal() or (int(amount) and processes % int(amount)):
        raise SettingsError(
            f"{key} is {amount}: expected a whole number that divides train.processes, {processes}: each process "
            f"has its own GPU"
        )
    return int(amount)


def _require_slots(spark: SparkSession, tasks: int) -> None:
    """Raise SettingsError if not all processes can run at once: Spark might wait for missing slots forever."""
    if spark.sparkContext.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        raise SettingsError(
            "train.processes above 1 needs a fixed set of executors: submit with "
            "spark.dynamicAllocation.enabled=false and a number of executors"
        )
    deadline = time.monotonic() + _REGISTRATION_SECONDS
    while (slots := _slots(spark)) < tasks:
        if time.monotonic() > deadline:
            raise SettingsError(
                f"train.processes needs {tasks} tasks, but the cluster runs {slots} tasks at once: "
                f"request more executors or cores from spark-submit, or lower train.processes"
            )
        time.sleep(_POLL_SECONDS)


def _slots(spark: SparkSession) -> int:
    """The number of tasks that the present executors run at once."""
    context = spark.sparkContext._jsc.sc()
    return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))


def _call_in_process(function: Callable[..., None], arguments: tuple[str, ...], errors: str) -> None:
    """The entry point of each process."""
    channel = ErrorChannel(errors)
    if channel.read():
        return  # Spark's retry after an error that would recur
    _exit_with_parent()
    try:
        function(*arguments)
    except (UserError, KeyboardInterrupt) as error:
        channel.report(error)
        raise


def _exit_with_parent() -> None:
    """Exit when the parent process has been killed, since nothing else would end this one."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        time.sleep(_GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _SignalHandler:
    """Raises KeyboardInterrupt on SIGINT and SIGTERM, and waits for local processes on exit.

    They end by themselves after saving their state; TorchDistributor does not wait for them. Only the main thread
    receives signals: in another thread this does nothing.
    """

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._running: list[psutil.Process] = []

    def __enter__(self) -> "_SignalHandler":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        psutil.wait_procs(self._running, timeout=2 * _GRACE_SECONDS)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        with suppress(psutil.Error):  # they may be ending already
            started = [child for child in psutil.Process().children() if child.name() != "java"]
            self._running = [process for child in started for process in (child, *child.children(recursive=True))]
        if callable(handler := self._previous[signal.SIGINT]):  # Spark's, which cancels jobs, or Python's
            handler(number, frame)
        raise KeyboardInterrupt
