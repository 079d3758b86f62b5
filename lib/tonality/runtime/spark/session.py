"""The SparkSession: spark-submit's where there is one, else a local one that the settings describe."""

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
from py4j.protocol import Py4JError
from pyspark import accumulators
from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.errors import SettingsError, UserError
from tonality.runtime.diagnostics.task_log import EXPECTED, RUN
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import conf_directory
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.settings.types import in_bytes

__all__ = ["check_session", "in_run", "local_cores", "spark_session", "tasks_per_core"]

_FIXED: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""What the tables' meaning and form depend on, whatever spark-submit says."""

_LOCAL: Final = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "16",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "384m",
}
"""What suits one machine; on a cluster conf/spark/ and spark-submit decide. Shuffled rows take about three times the
bytes that they take as Parquet, so that the files that Spark writes become 128 MiB."""

_SAID_BY_THE_EXCEPTION: Final = ("toPandas attempted Arrow optimization", "Unable to cleanly shutdown Spark JVM")
"""Warnings of pyspark's that come before an exception, with Java's whole stack trace, or tell of a dead Java."""

_OLDEST_JAVA: Final = 17

_MASTER: Final = re.compile(r"local(\[(\*|[1-9][0-9]*)(, *[1-9][0-9]*)?\])?|local-cluster\[.+\]|yarn|(spark|k8s)://.+")
_LEAST_MEMORY: Final = 512 * 2**20
"""Bytes of the heap; Spark refuses less than 450 MiB."""


def check_session(settings: SparkSettings) -> None:
    """Refuse settings that no session can be made of, but where spark-submit rules. Raises SettingsError, for all."""
    if _under_spark_submit():
        return
    faults = []
    if not _MASTER.fullmatch(settings.master):
        faults.append(f"spark.master: found {settings.master!r}, expected local[*], local[4], yarn, spark:// or k8s://")
    expected, there = in_bytes(settings.memory), psutil.virtual_memory().total
    if expected < _LEAST_MEMORY:
        faults.append(f"spark.memory: found {settings.memory}, expected 512m or more: Spark does not start with less")
    if expected > 2 * there:  # a heap somewhat too large starts, and may never be filled
        faults.append(f"spark.memory: found {settings.memory}, but this machine has {there >> 20}m")
    if faults:
        raise SettingsError("\n".join(faults))


def local_cores(settings: SparkSettings) -> int | None:
    """How many tasks run at once where the session is one of this machine; None where it is a cluster's."""
    local = _MASTER.fullmatch(settings.master)
    if _under_spark_submit() or not settings.master.startswith("local") or not local or "cluster" in settings.master:
        return None
    return (os.cpu_count() or 1) if local[2] == "*" else int(local[2] or 1)


@contextmanager
def spark_session(name: str, settings: SparkSettings) -> Iterator[SparkSession]:
    """A session for one stage, stopped at its end.

    Raises UserError where Java is missing, too old or does not run.
    """
    builder = SparkSession.builder.appName(f"tonality {name}")
    if not _under_spark_submit():
        _check_java()
        _use_this_python()
        builder = builder.master(settings.master)
        local = {**_LOCAL, "spark.driver.memory": settings.memory, **_console(settings.progress)}
        for key, value in local.items():
            builder = builder.config(key, value)
    for key, value in _FIXED.items():
        builder = builder.config(key, value)
    with warnings.catch_warnings():
        for known in _SAID_BY_THE_EXCEPTION:
            warnings.filterwarnings("ignore", known)
        _silence_accumulators()
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR" if not _under_spark_submit() else "WARN")
        try:
            yield session
        finally:
            session.stop()


def _silence_accumulators() -> None:
    """Where Java dies, pyspark's receivers of its counters print a trace each; the call that fails next tells it."""
    for server in (accumulators.AccumulatorTCPServer, accumulators.AccumulatorUnixServer):
        server.handle_error = lambda *_: None  # type: ignore[method-assign]


def _under_spark_submit() -> bool:
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _use_this_python() -> None:
    """Python workers run in this environment, not in whichever `python3` PATH finds first."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)


def _console(progress: bool) -> dict[str, str]:
    """A progress bar on a terminal; in a log it would be noise. Log lines go to log4j2.properties' rules."""
    shown = progress and sys.stderr.isatty()
    log4j = (conf_directory() / "spark" / "log4j2.properties").as_uri()
    return {
        "spark.ui.showConsoleProgress": str(shown).lower(),
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log4j}",
    }


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java or not Path(java).exists():
        where = f"JAVA_HOME is {home}, which has no bin/java" if home else "there is no java on PATH"
        raise UserError(f"Spark needs Java 17 or 21: {where}. Install one (Debian and Ubuntu: default-jre-headless).")
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    except OSError as error:
        raise UserError(f"Spark needs Java 17 or 21: {java} does not run: {error.strerror}. Set JAVA_HOME.") from error
    version = said.partition('version "')[2].partition('"')[0]
    major = version.removeprefix("1.").split(".")[0].split("-")[0]
    if not version:
        said = said.strip().partition("\n")[0] or "nothing"
        raise UserError(f"Spark needs Java 17 or 21: {java} -version says {said}. Set JAVA_HOME to another.")
    if not major.isdigit() or int(major) < _OLDEST_JAVA:
        raise UserError(f"Spark needs Java 17 or 21: {java} is version {version}. Set JAVA_HOME to another.")


@contextmanager
def in_run(spark: SparkSession, record: Run, settings: SparkSettings) -> Iterator[None]:
    """Inside, what Spark does is done for that run: jobs and their tasks' log lines bear its id, and its record tells
    of the session.

    The id is the jobs' group and description in Spark's UI, and `mdc.run` among the variables of a log line (log4j's
    %X{mdc.run}) on executors.
    """
    context = spark.sparkContext
    record.add(spark={"version": spark.version, "master": context.master, "application": context.applicationId})
    is_expected = settings.task_lines == "on" or (settings.task_lines == "auto" and not _is_here(str(context.master)))
    marks = dict.fromkeys(("spark.jobGroup.id", "spark.job.description", RUN), record.id)
    marks[EXPECTED] = str(is_expected).lower()
    before = {name: context.getLocalProperty(name) for name in marks}
    _mark(spark, marks)
    try:
        yield
    finally:
        with suppress(Py4JError, OSError):  # Java may be gone, and whoever lost it says so
            _mark(spark, before)


def _mark(spark: SparkSession, marks: Mapping[str, str | None]) -> None:
    for name, value in marks.items():
        spark.sparkContext.setLocalProperty(name, value)  # type: ignore[arg-type] # None takes it away


def _is_here(master: str) -> bool:
    """Whether all tasks run in the driver's own Java, and log to its console."""
    return master.startswith("local") and "cluster" not in master


@contextmanager
def tasks_per_core(spark: SparkSession, tasks: int) -> Iterator[None]:
    """Inside, files of many bytes are read by at least so many tasks for each core, so that cores end together.

    Spark's own choice is a task a core, or pieces of 128 MiB: of three such pieces, one keeps one of two cores waiting.
    What the session says of it stands.
    """
    key = "spark.sql.files.minPartitionNum"
    if spark.conf.get(key, None) is not None:
        yield
        return
    spark.conf.set(key, tasks * spark.sparkContext.defaultParallelism)
    try:
        yield
    finally:
        spark.conf.unset(key)
