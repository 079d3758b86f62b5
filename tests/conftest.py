"""The Spark session shared by all tests, set up like that of the stages; logging as it was before each test."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark.session import spark_session

# Many short-lived Java processes: optimising their code, and collecting garbage in parallel, takes longer than it saves,
# and classes come faster from `make`'s archive of them, which is ignored where it is missing or another Java's or Spark's.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
ARCHIVED = (
    f"-XX:SharedArchiveFile={Path(__file__).parents[1] / 'build' / 'spark.jsa'} -Xlog:cds=off -Xlog:cds+dynamic=off"
)
os.environ.setdefault("SPARK_SUBMIT_OPTS", f"{SHORT_LIVED} {ARCHIVED}")
os.environ.setdefault("SPARK_LAUNCHER_OPTS", SHORT_LIVED)

# A script's background jobs ignore SIGINT and nohup's SIGHUP, and so would every process that a test starts and signals.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name compressed bytes, which hold the time, by their number: parallel processes must find the same names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and not val.isascii() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the shared session, and run files with slow tests first, so that no core waits for them."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with spark_session("tests", SparkSettings(master="local[2]", memory="1g", progress=False)) as session:
        session.conf.set("spark.sql.shuffle.partitions", 2)
        yield session


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    """Undo what a command of the test has set: handlers, level and the capture of warnings."""
    root, ours = logging.getLogger(), logging.getLogger("tonality")
    handlers, level = list(root.handlers), ours.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = [handler for handler in root.handlers if handler in handlers]
    ours.setLevel(level)
