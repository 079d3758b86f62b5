"""The Spark data source `tweets`: one pass over an archive (Spark's Python Data Source API).

Its rows are schema.TASK_MANIFEST: accounts, rejects, deletes, and the row groups of the files of tweets
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
from tonality.ingest.reading.task import read_staged
from tonality.ingest.writing.tweet_files import stored
from tonality.privacy.keys import keys_of_pass
from tonality.runtime.diagnostics.task_log import announced
from tonality.runtime.storage.schema import TASK_MANIFEST

__all__ = ["TweetSource"]

_OBJECTS_A_COLLECTION: Final = 100_000
"""New objects before garbage is looked for among them. Tweets that wait are no garbage, and there are thousands."""


class TweetSource(DataSource):
    """`spark.read.format("tweets").option("options", ReadOptions(...).model_dump_json()).option("folder", url).load()`.

    The folder is where the tasks write the tweets, which must be there and belong to this pass alone.
    """

    @classmethod
    def name(cls) -> str:
        """The format's name."""
        return "tweets"

    def schema(self) -> StructType:
        """schema.TASK_MANIFEST in Spark's types."""
        return from_arrow_schema(TASK_MANIFEST)

    def reader(self, schema: StructType) -> DataSourceReader:  # noqa: ARG002 - Spark's signature
        """The reader of one options."""
        return _Reader(ReadOptions.model_validate_json(self.options["options"]), self.options["folder"])


class _Task(InputPartition):
    """The splits that a task reads."""

    def __init__(self, splits: list[Split]) -> None:
        super().__init__(splits)
        self.splits = splits


class _Reader(DataSourceReader):
    def __init__(self, options: ReadOptions, folder: str) -> None:
        self._options = options
        self._folder = folder
        # Spark makes the reader on the driver, and sends it to the tasks: no other machine needs the key's file
        self._keys = keys_of_pass(options.privacy, options.key)

    def partitions(self) -> list[InputPartition]:
        files = find_files(self._options.paths, self._options.besides)
        return [_Task(task) for task in plan_tasks(files, self._options)]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch] | Any:
        assert isinstance(partition, _Task)
        gc.freeze()  # what was imported lives as long as the worker: no collection need look at it again
        gc.set_threshold(_OBJECTS_A_COLLECTION)
        notes = stored(read_staged(partition.splits, self._options, self._keys), self._folder)
        return announced("read", notes, _records)


def _records(notes: pa.RecordBatch) -> int:
    """How many records these notes account for."""
    return pc.sum(notes["lines"]).as_py() or 0
