"""Transactions on tables: readers see the old days or the new ones, whatever is killed when.

A day is replaced by renaming folders, never by deleting and writing in place. New data is staged under
`_staging/<run>/`; a journal then lists every folder to change, the folders are renamed, and the journal is removed. A
run that is killed before its journal exists has changed nothing; one that is killed after is completed by the next
transaction or by `recover`, whichever comes first. A day is therefore either old or new, never a mixture, and as both
are swapped in one step, it is never missing.

This holds on a local disk. A file system that cannot swap folders, such as NFS, takes two steps, and a kill between
them leaves a day missing until the next run. On HDFS the lock is a file: after a kill it has to be removed by hand, as
the next run's message says, and the dead run's staged data stays until then. On object stores a rename is a copy, so a
day may be missing for readers while it is copied, and a lock is only as exclusive as the store's conditional put.
"""

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage import tables
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.json_files import to_json
from tonality.runtime.storage.locks import lock, try_lock
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.urls import join
from tonality.runtime.storage.write_locks import WriteLock, hold_write_locks

__all__ = ["Transaction", "begin_transaction", "recover"]

_LOG: Final = logging.getLogger(__name__)

_STAGING: Final = "_staging"
_TEMPORARY: Final = "temporary"
_JOURNAL: Final = "_journal"
_LOCK: Final = "_lock"
_ALIVE: Final = ".alive"
_REPLACED_BY: Final = ".replaced-by-"
"""The prefix of a marker file in a folder to be replaced; readers ignore names with a leading dot."""


class _Move(NamedTuple):
    """A folder to change: replaced by the staged one, or removed if there is none."""

    target: str
    staged: str | None


class _Removal(NamedTuple):
    """Partitions to remove: those of the column that are covered but not replaced."""

    table: str
    column: str
    covered: Callable[[str], bool]


class Transaction:
    """Staged changes of one or several tables that are committed together or not at all."""

    def __init__(self, spark: SparkSession, root: HadoopRoot, run: str, name: str) -> None:
        self._spark = spark
        self._root = root
        self._run = run
        self._name = name
        self._staging = join(_STAGING, name)
        self._moves: list[_Move] = []
        self._removals: list[_Removal] = []

    def temporary_folder(self, name: str) -> str:
        """The URL of a folder for intermediate results, removed when the transaction ends."""
        return self._root.url(self._temporary(name))

    def make_temporary_folder(self, name: str) -> str:
        """Create a temporary folder, for tasks that write their own files, and return its URL."""
        self._root.make(self._temporary(name))
        return self.temporary_folder(name)

    def _temporary(self, *names: str) -> str:
        return join(self._staging, _TEMPORARY, *names)

    def stage(
        self,
        table: str,
        frame: DataFrame,
        schema: pa.Schema,
        column: str,
        values: Iterable[str] = (),
        options: Mapping[str, str] | None = None,
    ) -> DataFrame:
        """Stage the frame, partitioned by the column, and return it as written.

        Each of `values` becomes a partition even if the frame has no rows for it. The options are those of Spark's
        Parquet writer.
        """
        writer = frame.select(*schema.names).write.options(**options or {}).partitionBy(column)
        writer.parquet(self._root.url(join(self._staging, table)))
        return self._stage_partitions(table, schema, column, values)

    def add_files(
        self,
        table: str,
        folder: str,
        files: Mapping[str, Sequence[str]],
        schema: pa.Schema,
        values: Iterable[str] = (),
    ) -> DataFrame:
        """Stage the given files of a temporary folder as days of a table, and return them as written.

        `files` are names by day. Other files of the folder, such as those of failed tasks, are not staged.
        """
        self._root.make(join(self._staging, table))
        for value, names in files.items():
            for name in names:
                staged = join(self._staging, table, f"{DAY}={value}", name)
                self._root.rename(self._temporary(folder, name), staged)
        return self._stage_partitions(table, schema, DAY, values)

    def _stage_partitions(self, table: str, schema: pa.Schema, column: str, values: Iterable[str]) -> DataFrame:
        staged = join(self._staging, table)
        found = tables.partitions(self._spark, self._root.location, staged, column)
        for value in sorted(set(values) - set(found)):
            empty = self._spark.createDataFrame([], from_arrow_schema(schema)).drop(column).coalesce(1)
            empty.write.parquet(self._root.url(join(staged, f"{column}={value}")))
        names = [f"{column}={value}" for value in sorted({*found, *values})]
        self._moves.extend(_Move(join(table, name), join(staged, name)) for name in names)
        return self._spark.read.schema(from_arrow_schema(schema)).parquet(self._root.url(staged))

    def write_partition_file(self, table: str, column: str, value: str, name: str, content: object) -> None:
        """Write a JSON file into a staged partition, as part of it."""
        self._root.write_text(join(self._staging, table, f"{column}={value}", name), to_json(content))

    def remove_partitions(self, table: str, column: str, covered: Callable[[str], bool]) -> None:
        """Remove, at commit, the partitions that this transaction covers but does not replace."""
        self._removals.append(_Removal(table, column, covered))

    def stage_table(self, table: str, parts: Mapping[str, DataFrame], schema: pa.Schema) -> dict[str, DataFrame]:
        """Stage a whole table without days: frames, each in a folder of its name. Return them as written.

        The name of a single frame may be empty.
        """
        staged = join(self._staging, table)
        written: dict[str, DataFrame] = {}
        for part, frame in parts.items():
            url = self._root.url(join(staged, part) if part else staged)
            frame.select(*schema.names).write.parquet(url)
            written[part] = self._spark.read.schema(from_arrow_schema(schema)).parquet(url)
        self._moves.append(_Move(table, staged))
        return written

    def add_table_files(
        self, table: str, folder: str, files: Mapping[str, Sequence[str]], schema: pa.Schema
    ) -> dict[str, DataFrame]:
        """Stage a whole table without days: files of a temporary folder. Return its parts as written.

        `files` are names by part; each part is a folder of the table.
        """
        staged = join(self._staging, table)
        for part, names in files.items():
            for name in names:
                self._root.rename(self._temporary(folder, name), join(staged, part, name))
        self._moves.append(_Move(table, staged))
        read = self._spark.read.schema(from_arrow_schema(schema))
        return {part: read.parquet(self._root.url(join(staged, part))) for part in files}

    def copy_partition_files(self, table: str, column: str, values: Iterable[str], exclude: str = "") -> None:
        """Copy the JSON files of partitions into the staged ones that replace them, except those named `exclude`."""
        for value in values:
            part = join(table, f"{column}={value}")
            for name in self._root.names(part):
                if name.startswith("_") and name.endswith(".json") and name != exclude:
                    self._root.write_text(join(self._staging, part, name), self._root.read_text(join(part, name)))

    def versions(self, table: str, column: str, values: Sequence[str]) -> dict[str, str]:
        """The versions of staged partitions: those that `tables.versions` returns after the commit."""
        return tables.versions(self._spark, self._root.location, join(self._staging, table), column, values)

    def remove(self, name: str) -> None:
        """Remove a file or folder below the root at commit, after the staged changes."""
        self._moves.append(_Move(name, None))

    def write_metadata(self, table: str, content: object) -> None:
        """Write `_<table>.json` beside the parts of a replaced table; the underscore hides it from readers."""
        self._root.write_text(join(self._staging, table, f"_{table}.json"), to_json(content))

    def commit(self) -> None:
        """Make all changes visible. Once the journal is written they will happen, even if this run is killed."""
        _LOG.info("publishing")
        with lock(self._root, _LOCK, self._run):
            _complete_others(self._root)
            moves = [*self._moves, *self._removed_partitions()]
            journal = join(_JOURNAL, f"{self._name}.json")
            self._root.write_text(journal, json.dumps({"run": self._name, "moves": moves}))
            _apply(self._root, journal)

    def _removed_partitions(self) -> Iterator[_Move]:
        replaced = {move.target for move in self._moves}
        for table, column, covered in self._removals:
            for value in tables.partitions(self._spark, self._root.location, table, column):
                target = join(table, f"{column}={value}")
                if target not in replaced and covered(value):
                    yield _Move(target, None)

    def discard(self) -> None:
        """Remove staged data and temporary folders, unless a journal still needs them."""
        if not self._root.exists(join(_JOURNAL, f"{self._name}.json")):
            self._root.delete(self._staging)


@contextmanager
def begin_transaction(
    spark: SparkSession, root: str, run: str, write_locks: Sequence[WriteLock]
) -> Iterator[Transaction]:
    """Hold the write locks and yield a transaction; uncommitted data is discarded at the end, whatever happens.

    Commits of killed runs are completed first, so that tables read inside are those that the transaction replaces.

    Raises UserError if another run with overlapping write locks does not end in time.
    """
    hadoop = HadoopRoot(spark, root)
    name = f"{run}-{secrets.token_hex(2)}"  # unique per attempt: tasks of a failed one may still be writing
    transaction = Transaction(spark, hadoop, run, name)
    alive = join(_STAGING, f"{name}{_ALIVE}")
    with hold_write_locks(hadoop, run, write_locks):
        if write_locks:  # their previous holder may have been killed
            recover(spark, root, run)
        with lock(hadoop, alive, run):
            try:
                yield transaction
            finally:
                transaction.discard()
                hadoop.delete(alive)


def recover(spark: SparkSession, root: str, run: str) -> None:
    """Complete the commits of killed runs and remove data that they had only staged."""
    hadoop = HadoopRoot(spark, root)
    if not hadoop.exists(_JOURNAL) and not hadoop.exists(_STAGING):
        return
    with lock(hadoop, _LOCK, run):
        _complete_others(hadoop)
        for name in sorted({name.removesuffix(_ALIVE) for name in hadoop.names(_STAGING)}):
            alive = join(_STAGING, f"{name}{_ALIVE}")
            with try_lock(hadoop, alive) as free:
                if free:
                    hadoop.delete(join(_STAGING, name))
                    hadoop.delete(alive)


def _complete_others(root: HadoopRoot) -> None:
    """Apply the journals of killed runs."""
    for name in root.names(_JOURNAL):
        if name.endswith(".json"):
            _apply(root, join(_JOURNAL, name))
        else:  # half-written when its run was killed: nothing has been committed
            root.delete(join(_JOURNAL, name))


def _apply(root: HadoopRoot, journal: str) -> None:
    """Rename the folders of a journal, then remove it. Repeated after a kill, it continues at the interrupted step."""
    content = _read_journal(root, journal)
    replaced = join(_STAGING, content["run"], "replaced")
    marker = f"{_REPLACED_BY}{content['run']}"
    for target, staged in content["moves"]:
        if staged is not None and _swap(root, target, staged, marker):
            continue
        old = join(replaced, target)
        if staged is None or root.exists(staged):
            if root.exists(old):  # an object store's rename was interrupted: the target is incomplete
                root.delete(target)
            elif root.exists(target):
                root.rename(target, old)
            if staged is not None:
                root.rename(staged, target)
    root.delete(journal)
    root.delete(replaced)


def _swap(root: HadoopRoot, target: str, staged: str, marker: str) -> bool:
    """Swap two existing folders in one step, so that no reader finds the target missing; False if not possible.

    The marker, created in the target beforehand, shows in the staged folder if a killed run has already swapped them.
    """
    old, new = root.local(target), root.local(staged)
    if old is None or new is None or not old.is_dir() or not new.is_dir():
        return False
    if (new / marker).exists():
        return True
    (old / marker).touch()
    return root.exchange(target, staged)


def _read_journal(root: HadoopRoot, journal: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(root.read_text(journal))
    except ValueError:
        raise UserError(
            f"{root.url(journal)} is incomplete, as after a power cut: the days of its run may be old or new. Remove "
            "it, then run the stages of those days again"
        ) from None
    return content
