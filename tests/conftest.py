"""The Spark session shared by all tests, set up like that of the stages; logging as it was before each test."""

import logging
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark.session import spark_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with spark_session("tests", SparkSettings(master="local[2]", memory="1g")) as session:
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
