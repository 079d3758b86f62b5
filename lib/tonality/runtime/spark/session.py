"""The SparkSession: spark-submit's if there is one, else a local one from the settings."""

import logging
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

import psutil
import pyspark
from py4j.protocol import Py4JError
from pyspark import SparkConf, accumulators
from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.errors import SettingsError, UserError
from tonality.runtime.diagnostics.task_log import ENABLED, RUN
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import conf_directory
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.settings.types import in_bytes
from tonality.runtime.spark.java_log import launch_java
from tonality.runtime.spark.task_progress import report_progress

__all__ = ["check_session", "in_run", "local_cores", "spark_session", "tasks_per_core"]

_LOG: Final = logging.getLogger(__name__)

_FIXED: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""Properties that the tables' content and format depend on, which override spark-submit's."""

_LOCAL: Final = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "16",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "384m",
}
"""Properties for a single machine; on a cluster conf/spark/ and spark-submit decide. Shuffled rows take about three
times the bytes of Parquet, so that Spark writes files of 128 MiB."""

_REDUNDANT_WARNINGS: Final = ("toPandas attempted Arrow optimization", "Unable to cleanly shutdown Spark JVM")
"""pyspark's warnings that repeat an exception with its whole Java stack trace, or the end of the Java process."""

_OLDEST_JAVA: Final = 17

_MASTER: Final = re.compile(r"local(\[(\*|[1-9][0-9]*)(, *[1-9][0-9]*)?\])?|local-cluster\[.+\]|yarn|(spark|k8s)://.+")
_MIN_MEMORY: Final = 512 * 2**20
"""The smallest heap in bytes; Spark refuses less than 450 MiB."""


def check_session(settings: SparkSettings) -> None:
    """Raise SettingsError, with all errors, if no session can be created; under spark-submit its flags apply."""
    if _under_spark_submit():
        return
    errors = []
    if not _MASTER.fullmatch(settings.master):
        errors.append(f"spark.master: found {settings.master!r}, expected local[*], local[4], yarn, spark:// or k8s://")
    requested, available = in_bytes(settings.memory), psutil.virtual_memory().total
    if requested < _MIN_MEMORY:
        errors.append(f"spark.memory: found {settings.memory}, expected 512m or more: Spark does not start with less")
    if requested > 2 * available:  # a somewhat too large heap starts, and may never be filled
        errors.append(f"spark.memory: found {settings.memory}, but this machine has {available >> 20}m")
    if errors:
        raise SettingsError(*errors)


def local_cores(settings: SparkSettings) -> int | None:
    """The number of tasks that run at once on this machine; None if the session is a cluster's."""
    local = _MASTER.fullmatch(settings.master)
    if _under_spark_submit() or not settings.master.startswith("local") or not local or "cluster" in settings.master:
        return None
    return (os.cpu_count() or 1) if local[2] == "*" else int(local[2] or 1)


@contextmanager
def spark_session(name: str, settings: SparkSettings) -> Iterator[SparkSession]:
    """Yield a session for one stage and stop it at the end.

    Raises UserError if Java is missing, too old or does not run.
    """
    conf = SparkConf(loadDefaults=False).setAppName(f"tonality {name}").setAll([*_FIXED.items()])
    with warnings.catch_warnings():
        for message in _REDUNDANT_WARNINGS:
            warnings.filterwarnings("ignore", message)
        _silence_accumulators()
        if not _under_spark_submit():
            _check_java()
            _use_this_python()
            local = {**_LOCAL, "spark.driver.memory": settings.memory, **_console()}
            conf.setMaster(settings.master).setAll([*local.items()])
            _LOG.info(f"starting Spark {pyspark.__version__} on {settings.master}")
            launch_java(conf)
        session = SparkSession.builder.config(conf=conf).getOrCreate()
        session.sparkContext.setLogLevel(_log_level())
        try:
            with report_progress(session.sparkContext) if settings.progress else nullcontext():
                yield session
        finally:
            with suppress(Py4JError, OSError):  # Java may have ended, which another exception reports
                session.sparkContext.setLogLevel("OFF")  # tasks that are still ending would log that Spark is
            session.stop()


def _log_level() -> str:
    """The level of Spark's own messages: what they report reaches the user as an exception."""
    return "WARN" if _under_spark_submit() or _LOG.isEnabledFor(logging.DEBUG) else "ERROR"


def _silence_accumulators() -> None:
    """Keep pyspark's accumulator servers from printing traces when Java dies; the next failing call reports it."""
    for server in (accumulators.AccumulatorTCPServer, accumulators.AccumulatorUnixServer):
        server.handle_error = lambda *_: None  # type: ignore[method-assign]


def _under_spark_submit() -> bool:
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _use_this_python() -> None:
    """Run Python workers in this environment, not in the first `python3` on PATH."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)


def _console() -> dict[str, str]:
    """Properties for logging as in log4j2.properties, without Spark's own progress bar."""
    log4j = (conf_directory() / "spark" / "log4j2.properties").as_uri()
    return {
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log4j}",
    }


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not java or not Path(java).exists():
        reason = f"JAVA_HOME is {home}, which has no bin/java" if home else "there is no java on PATH"
        raise UserError(f"Spark needs Java 17 or 21: {reason}. Install one (Debian and Ubuntu: default-jre-headless).")
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    except OSError as error:
        raise UserError(f"Spark needs Java 17 or 21: {java} does not run: {error.strerror}. Set JAVA_HOME.") from error
    version = output.partition('version "')[2].partition('"')[0]
    major = version.removeprefix("1.").split(".")[0].split("-")[0]
    if not version:
        output = output.strip().partition("\n")[0] or "nothing"
        raise UserError(f"Spark needs Java 17 or 21: {java} -version prints {output}. Set JAVA_HOME to another.")
    if not major.isdigit() or int(major) < _OLDEST_JAVA:
        raise UserError(f"Spark needs Java 17 or 21: {java} is version {version}. Set JAVA_HOME to another.")


@contextmanager
def in_run(spark: SparkSession, record: Run, settings: SparkSettings) -> Iterator[None]:
    """Attribute Spark's jobs to the run: they and their tasks' log lines carry its id, and its record the session.

    The id is the jobs' group and description in Spark's UI, and `mdc.run` in the executors' log context (log4j's
    %X{mdc.run}).
    """
    context = spark.sparkContext
    record.add(spark={"version": spark.version, "master": context.master, "application": context.applicationId})
    is_logged = settings.task_lines == "on" or (settings.task_lines == "auto" and not _is_local(str(context.master)))
    properties = dict.fromkeys(("spark.jobGroup.id", "spark.job.description", RUN), record.id)
    properties[ENABLED] = str(is_logged).lower()
    previous = {name: context.getLocalProperty(name) for name in properties}
    _set_local_properties(spark, properties)
    try:
        yield
    finally:
        with suppress(Py4JError, OSError):  # Java may have ended, which another exception reports
            _set_local_properties(spark, previous)


def _set_local_properties(spark: SparkSession, properties: Mapping[str, str | None]) -> None:
    for name, value in properties.items():
        spark.sparkContext.setLocalProperty(name, value)  # type: ignore[arg-type] # None removes it


def _is_local(master: str) -> bool:
    """True if all tasks run in the driver's own Java process and log to its console."""
    return master.startswith("local") and "cluster" not in master


@contextmanager
def tasks_per_core(spark: SparkSession, tasks: int) -> Iterator[None]:
    """Read large files with at least this number of tasks per core, so that all cores finish at about the same time.

    Spark's default is a task per core or per 128 MiB: of three such tasks, the last one leaves one of two cores idle. A
    value set in the session takes precedence.
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
