"""Reading the tables on disk: rows, days, and what is known of a day without its rows."""

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
    "files",
    "holds",
    "partition_files",
    "partitions",
    "read",
    "totals",
    "versions",
]

_ASKED_AT_ONCE: Final = 16

_Answer = TypeVar("_Answer")

_WRITERS: Final = {
    **dict.fromkeys(("tweets", "rejects", "accounts"), "`clean`"),
    "labelled": "`label`",
    **dict.fromkeys(("vocabulary", "dataset"), "`prepare`"),
    "scored": "`score`",
    "forgotten": "`forget`",
}
"""The stage that writes a table, for people who come too early."""


def read(
    spark: SparkSession, root: str, table: str, schema: pa.Schema, since: date | None = None, until: date | None = None
) -> DataFrame:
    """A table with its declared schema; of a table of days, those from `since` to `until`, both included.

    Raises InputError where the table was never written.
    """
    folders = HadoopRoot(spark, root)
    if not folders.exists(table):
        stage = _WRITERS.get(table.partition("/")[0], "the stage that writes it")
        raise InputError(f"there is no table {table} under {root}: run {stage} first")
    frame = spark.read.schema(from_arrow_schema(schema)).parquet(folders.url(table))
    if since:
        frame = frame.where(F.col(DAY) >= F.lit(since))
    if until:
        frame = frame.where(F.col(DAY) <= F.lit(until))
    return frame


def totals(frame: DataFrame, **counts: Column) -> dict[str, int]:
    """Counts over all rows of a frame, by name; a sum over no rows is 0."""
    row = frame.agg(*(F.coalesce(count, F.lit(0)).alias(name) for name, count in counts.items())).first()
    assert row is not None, "an aggregate has one row"
    return {name: int(count) for name, count in row.asDict().items()}


def days(spark: SparkSession, root: str, table: str) -> list[str]:
    """The days that a table holds, as ISO dates in order; none where there is no table."""
    return partitions(spark, root, table, DAY)


def partitions(spark: SparkSession, root: str, table: str, column: str) -> list[str]:
    """The values of the column that a table is partitioned by, in order; none where there is no table."""
    prefix = f"{column}="
    return [name.removeprefix(prefix) for name in HadoopRoot(spark, root).names(table) if name.startswith(prefix)]


def holds(spark: SparkSession, root: str, name: str) -> bool:
    """Whether there is such a table, or file, under the root."""
    return HadoopRoot(spark, root).exists(name)


def files(spark: SparkSession, root: str, table: str, parts: Sequence[str]) -> dict[str, list[str]]:
    """The names of the files that readers see in each of these folders of a table, as `day=2015-12-10`."""
    folders = HadoopRoot(spark, root)
    return _of_each(parts, lambda part: sorted(_seen(folders.sizes(join(table, part)))))


def versions(spark: SparkSession, root: str, table: str, column: str, values: Sequence[str]) -> dict[str, str]:
    """What stands for the content of each of these partitions: 12 hex digits, which change when it is replaced.

    Of the names and sizes of the files, since no two that were written have the same name.
    """
    folders = HadoopRoot(spark, root)
    return _of_each(values, lambda value: _version(folders.sizes(join(table, f"{column}={value}"))))


def _version(sizes: Mapping[str, int]) -> str:
    return hashlib.sha256(json.dumps(sorted(_seen(sizes).items())).encode()).hexdigest()[:12]


def _seen(sizes: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if not name.startswith(("_", "."))}


def partition_files(
    spark: SparkSession, root: str, table: str, column: str, values: Sequence[str], name: str
) -> dict[str, dict[str, Any]]:
    """What a transaction noted in each of these partitions; nothing of one without a note that can be read."""
    folders = HadoopRoot(spark, root)

    def note(value: str) -> dict[str, Any]:
        place = join(table, f"{column}={value}", name)
        try:
            content = json.loads(folders.read_text(place)) if folders.exists(place) else {}
        except (ValueError, Py4JJavaError):  # Hadoop says so where its checksum is another
            return {}
        return content if isinstance(content, dict) else {}

    return _of_each(values, note)


def _of_each(values: Sequence[str], ask: Callable[[str], _Answer]) -> dict[str, _Answer]:
    """Answers for thousands of days, from stores that take their time."""
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        return dict(zip(values, pool.map(ask, values), strict=True))
