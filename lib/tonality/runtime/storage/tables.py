"""Readers of the tables on disk: rows, days, and facts about days that need no rows."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Final, TypeVar

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.urls import join

__all__ = [
    "days",
    "exists",
    "files",
    "partitions",
    "read",
    "read_partition_files",
    "totals",
    "versions",
]

_PARALLEL_REQUESTS: Final = 16

_Result = TypeVar("_Result")

_WRITERS: Final = {
    **dict.fromkeys(("tweets", "rejects", "accounts"), "`clean`"),
    "labelled": "`label`",
    **dict.fromkeys(("vocabulary", "dataset"), "`prepare`"),
    "scored": "`score`",
    "forgotten": "`forget`",
}
"""The stage that writes each table, for error messages."""


def read(
    spark: SparkSession, root: str, table: str, schema: pa.Schema, since: date | None = None, until: date | None = None
) -> DataFrame:
    """A table with its declared schema; of a table of days, those from `since` to `until`, both included.

    Raises InputError if the table does not exist.
    """
    hadoop = HadoopRoot(spark, root)
    if not hadoop.exists(table):
        stage = _WRITERS.get(table.partition("/")[0], "the stage that writes it")
        raise InputError(f"there is no table {table} under {root}: run {stage} first")
    frame = spark.read.schema(from_arrow_schema(schema)).parquet(hadoop.url(table))
    if since:
        frame = frame.where(F.col(DAY) >= F.lit(since))
    if until:
        frame = frame.where(F.col(DAY) <= F.lit(until))
    return frame


def totals(frame: DataFrame, **counts: Column) -> dict[str, int]:
    """Aggregates over all rows of a frame, by name; a sum over no rows is 0."""
    row = frame.agg(*(F.coalesce(count, F.lit(0)).alias(name) for name, count in counts.items())).first()
    assert row is not None, "an aggregate has one row"
    return {name: int(count) for name, count in row.asDict().items()}


def days(spark: SparkSession, root: str, table: str) -> list[str]:
    """The days of a table as sorted ISO dates; empty if the table does not exist."""
    return partitions(spark, root, table, DAY)


def partitions(spark: SparkSession, root: str, table: str, column: str) -> list[str]:
    """The sorted values of a table's partition column; empty if the table does not exist."""
    prefix = f"{column}="
    return [name.removeprefix(prefix) for name in HadoopRoot(spark, root).names(table) if name.startswith(prefix)]


def exists(spark: SparkSession, root: str, name: str) -> bool:
    """True if the table or file exists under the root."""
    return HadoopRoot(spark, root).exists(name)


def files(spark: SparkSession, root: str, table: str, parts: Sequence[str]) -> dict[str, list[str]]:
    """The names of the data files in each of a table's folders, such as `day=2015-12-10`."""
    hadoop = HadoopRoot(spark, root)
    return _map_parallel(parts, lambda part: sorted(_data_files(hadoop.sizes(join(table, part)))))


def versions(spark: SparkSession, root: str, table: str, column: str, values: Sequence[str]) -> dict[str, str]:
    """A version of each partition's content: 12 hex digits that change when the partition is replaced.

    A digest of the names and sizes of its files; Spark never writes two files of the same name.
    """
    hadoop = HadoopRoot(spark, root)
    return _map_parallel(values, lambda value: _version(hadoop.sizes(join(table, f"{column}={value}"))))


def _version(sizes: Mapping[str, int]) -> str:
    return hashlib.sha256(json.dumps(sorted(_data_files(sizes).items())).encode()).hexdigest()[:12]


def _data_files(sizes: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if not name.startswith(("_", "."))}


def read_partition_files(
    spark: SparkSession, root: str, table: str, column: str, values: Sequence[str], name: str
) -> dict[str, dict[str, Any]]:
    """The JSON file of this name in each partition; an empty dict if it is missing or unreadable."""
    hadoop = HadoopRoot(spark, root)

    def read_json(value: str) -> dict[str, Any]:
        file = join(table, f"{column}={value}", name)
        try:
            content = json.loads(hadoop.read_text(file)) if hadoop.exists(file) else {}
        except (ValueError, Py4JJavaError):  # Hadoop raises the latter on a wrong checksum
            return {}
        return content if isinstance(content, dict) else {}

    return _map_parallel(values, read_json)


def _map_parallel(values: Sequence[str], function: Callable[[str], _Result]) -> dict[str, _Result]:
    """The function's result for each value, in parallel: there may be thousands of days on a slow store."""
    with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
        return dict(zip(values, pool.map(function, values), strict=True))
