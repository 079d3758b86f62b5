"""The Spark session shared by all tests, set up like that of the stages."""

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
