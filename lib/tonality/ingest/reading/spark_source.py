"""The Spark data source `tweets`: a single pass over an archive, using Spark's Python Data Source API.

Its rows are the task manifest (schema.TASK_MANIFEST): accounts, rejects, deletes, and the row groups of the tweet files
that its tasks write.
"""

import gc
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import find_files
from tonality.ingest.planning.splits import Split, plan_tasks
from tonality.ingest.reading.task import read_splits
from tonality.ingest.writing.tweet_files import write_tweets
from tonality.privacy.keys import load_keys
from tonality.runtime.diagnostics.task_log import log_task
from tonality.runtime.storage.schema import TASK_MANIFEST

__all__ = ["TweetSource"]

_GC_THRESHOLD: Final = 100_000
"""New objects before a garbage collection. Buffered tweets are thousands of objects and no garbage."""


class TweetSource(DataSource):
    """`spark.read.format("tweets").option("options", ReadOptions(...).model_dump_json()).option("folder", url).load()`.

    The tasks write the tweets to the folder, which must exist and be used for this pass only.
    """

    @classmethod
    def name(cls) -> str:
        """The format's name."""
        return "tweets"

    def schema(self) -> StructType:
        """schema.TASK_MANIFEST in Spark's types."""
        return from_arrow_schema(TASK_MANIFEST)

    def reader(self, schema: StructType) -> DataSourceReader:  # noqa: ARG002 - Spark's signature
        """The reader of an archive with the options given to Spark."""
        return _Reader(ReadOptions.model_validate_json(self.options["options"]), self.options["folder"])


class _Task(InputPartition):
    """The splits of a task."""

    def __init__(self, splits: list[Split]) -> None:
        super().__init__(splits)
        self.splits = splits


class _Reader(DataSourceReader):
    def __init__(self, options: ReadOptions, folder: str) -> None:
        self._options = options
        self._folder = folder
        # Spark creates the reader on the driver and sends it to the tasks: no other machine needs the key's file
        self._keys = load_keys(options.privacy, options.key_file)

    def partitions(self) -> list[InputPartition]:
        files = find_files(self._options.paths, self._options.optional_paths)
        return [_Task(splits) for splits in plan_tasks(files, self._options)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch] | Any:
        assert isinstance(partition, _Task)
        gc.freeze()  # imported modules live as long as the worker: collections need not scan them again
        gc.set_threshold(_GC_THRESHOLD)
        manifest = write_tweets(read_splits(partition.splits, self._options, self._keys), self._folder)
        return log_task("read", manifest, _records)


def _records(manifest: pa.RecordBatch) -> int:
    """The number of records counted in these manifest rows."""
    return pc.sum(manifest["lines"]).as_py() or 0
