"""Several processes that work together, started through Spark: on this machine, or one a task slot of the cluster.

pyspark's TorchDistributor starts torchrun, and torchrun the processes; what these have to tell comes by way of
tonality.runtime.spark.process_output.
"""

import logging
import os
import signal
import sys
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
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark.process_output import ErrorChannel, Heard
from tonality.runtime.spark.session import spark_session

__all__ = ["run_in_processes"]

_PATIENCE_SECONDS: Final = 60.0
"""How long executors may take to register before their slots are counted as lacking."""
_GRACE_SECONDS: Final = 5.0
"""How long a process whose parent is gone may go on, to save what it has learned."""
_POLL_SECONDS: Final = 0.5


def run_in_processes(
    function: Callable[..., None], arguments: tuple[str, ...], processes: int, settings: SparkSettings, faults: str
) -> None:
    """Call an importable function in so many processes, as torchrun would, and wait for all.

    `faults` is a folder for this run's faults, which all processes can reach; it is gone afterwards. Where one process
    fails the others are ended.

    Raises SettingsError where the cluster has too few slots, the UserError of a process, UserError where a process was
    killed, and what Spark raises where there is no such explanation.
    """
    with _session(settings) as spark, ErrorChannel(faults) as told, _Interruption():
        heard = Heard(sys.stderr)
        try:
            _run(spark, heard, processes, _in_process, function, arguments, faults)
        except UserError:
            raise
        except Exception as error:
            if fault := told.first(heard) or heard.explain():
                raise fault from error
            heard.show()
            raise
        if fault := told.first(heard):  # where Spark tried again after it, in vain
            raise fault


def _run(spark: SparkSession, heard: Heard, processes: int, *call: Any) -> None:
    master = str(spark.sparkContext.master)
    local = master.startswith("local") and "cluster" not in master
    gpus = 0 if local else _gpus_of_a_task(spark, processes)
    if not local:
        _require_slots(spark, processes // max(1, gpus))
    with ExitStack() as stack:
        stack.enter_context(_environment())
        stack.enter_context(redirect_stdout(heard))  # TorchDistributor prints there what local processes say
        stack.enter_context(redirect_stderr(heard))  # and there what those of executors say
        distributor = TorchDistributor(num_processes=processes, local_mode=local, use_gpu=gpus > 0)
        distributor.logger.setLevel(logging.WARNING)
        distributor.run(*call)


@contextmanager
def _environment() -> Iterator[None]:
    """Inside, what the processes of this machine inherit. torchrun leaves folders behind, so it gets one to itself."""
    with TemporaryDirectory(prefix="tonality-", ignore_cleanup_errors=True) as folder:
        ours = {
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),  # torchrun would set it and say so
            "PYTHONUNBUFFERED": "1",  # a pipe would hold lines back
            "TMPDIR": folder,
        }
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _session(settings: SparkSettings) -> Iterator[SparkSession]:
    """The session that is there, or one for this purpose."""
    if spark := SparkSession.getActiveSession():
        yield spark
    else:
        with spark_session("train", settings) as spark:
            yield spark


def _gpus_of_a_task(spark: SparkSession, processes: int) -> int:
    """How many processes, each on a GPU of its own, a task of the cluster starts; 0: one, on a processor."""
    key = "spark.task.resource.gpu.amount"
    amount = spark.sparkContext.getConf().get(key) or "0"
    if not amount.isdecimal() or (int(amount) and processes % int(amount)):
        raise SettingsError(
            f"{key} is {amount}: expected a whole number, of which train.processes, {processes}, is a multiple: "
            f"each process has a GPU of its own"
        )
    return int(amount)


def _require_slots(spark: SparkSession, tasks: int) -> None:
    """All processes must run at once: Spark would wait for ever, or for long, for slots that are not there."""
    if spark.sparkContext.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        raise SettingsError(
            "train.processes above 1 needs executors that stay: submit with spark.dynamicAllocation.enabled=false "
            "and a number of executors"
        )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (slots := _slots(spark)) < tasks:
        if time.monotonic() > deadline:
            raise SettingsError(
                f"train.processes takes {tasks} tasks, and the cluster runs {slots} tasks at once: "
                f"ask spark-submit for more executors or cores, or lower train.processes"
            )
        time.sleep(_POLL_SECONDS)


def _slots(spark: SparkSession) -> int:
    """Tasks that the executors of now run at once."""
    context = spark.sparkContext._jsc.sc()
    return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))


def _in_process(function: Callable[..., None], arguments: tuple[str, ...], faults: str) -> None:
    """What each process does."""
    told = ErrorChannel(faults)
    if told.read():
        return  # Spark tries again, and the fault is still there
    _end_with_parent()
    try:
        function(*arguments)
    except (UserError, KeyboardInterrupt) as fault:
        told.tell(fault)
        raise


def _end_with_parent() -> None:
    """End this process where the one that started it was killed: nobody would hear of it, or end it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        time.sleep(_GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Interruption:
    """While open, Ctrl-C and the system's request to end are a KeyboardInterrupt, and wait for local processes.

    Those end by themselves, once they have saved what they have learned; TorchDistributor does not wait for them.
    Signals are heard by the main thread alone: opened in another one, this does nothing.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._running: list[psutil.Process] = []

    def __enter__(self) -> "_Interruption":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        psutil.wait_procs(self._running, timeout=2 * _GRACE_SECONDS)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        with suppress(psutil.Error):  # they may be ending by themselves
            started = [child for child in psutil.Process().children() if child.name() != "java"]
            self._running = [process for child in started for process in (child, *child.children(recursive=True))]
        if callable(handler := self._before[signal.SIGINT]):  # Spark's, which cancels jobs, or Python's
            handler(number, frame)
        raise KeyboardInterrupt
