"""What many tests share: one Spark session, set up as the stages set theirs up."""

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from tonality.session import spark_session
from tonality.settings import SparkSettings


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with spark_session("tests", SparkSettings(master="local[2]", memory="1g")) as session:
        session.conf.set("spark.sql.shuffle.partitions", 2)
        yield session
