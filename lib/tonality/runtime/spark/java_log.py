"""Messages that Spark's Java process, and the Python workers that it starts, print on stderr, as log messages here."""

import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from typing import Final

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway

__all__ = ["launch_java", "read_messages"]

_LOG: Final = logging.getLogger(__name__)

_START: Final = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (DEBUG|INFO|WARN|ERROR|FATAL) ")
"""The start of a message of log4j, and of Tonality's tasks; lines without it continue the one before."""
_LEVELS: Final = {"DEBUG": logging.DEBUG, "INFO": logging.INFO}
_HARMLESS: Final = re.compile(
    r"WARNING: Using incubator modules"  # Spark adds jdk.incubator.vector for its linear algebra,
    r"|.*dev\.ludovic\.netlib|netlib-\w+: "  # which looks for native libraries too,
    r"|.*Unable to load native-hadoop library"  # as Hadoop does
)
"""Remarks on optional accelerators, which appear in every healthy run."""


def launch_java(conf: SparkConf) -> None:
    """Start the Java process of this process's Spark sessions, unless it runs; its stderr is logged.

    A remark on a missing accelerator is logged as a detail only.
    """
    if SparkContext._gateway is not None:
        return
    readable, writable = os.pipe()
    threading.Thread(target=_log_lines, args=(readable,), name="java-stderr", daemon=True).start()
    try:
        gateway = launch_gateway(conf, {"stderr": writable})  # type: ignore[no-untyped-call]
    finally:
        os.close(writable)  # so that the thread ends with the last process that holds it
    SparkContext._ensure_initialized(gateway=gateway, conf=conf)


def _log_lines(readable: int) -> None:
    """Log the lines of a pipe until its last writer has ended."""
    with open(readable, encoding="utf-8", errors="replace") as lines:
        for level, message in read_messages(line.rstrip("\n") for line in lines):
            _LOG.log(level, "%s", message)


def read_messages(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines with their levels; a line of unknown origin is a warning.

    A line that continues a message, such as one of its stack trace, has its level and is indented: a line feed in a
    name starts no message.
    """
    level, indent = logging.WARNING, ""
    for line in lines:
        if _HARMLESS.match(line):
            yield logging.DEBUG, line
        elif start := _START.match(line):
            level, indent = _LEVELS.get(start[1], logging.WARNING), "  "
            yield level, line
        else:
            yield level, indent + line
