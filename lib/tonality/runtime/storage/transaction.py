"""Publishing days of tables whole: readers find the old ones or the new ones, whatever is killed when.

A day is replaced by renaming folders, never by deleting and writing in place: what is new is written and counted under
`_staging/<run>/`, then a journal names every folder that is to change, then folders are renamed, then the journal goes.
A run that is killed before the journal stands has changed nothing; one that is killed after it is finished by the next
transaction or by `recover`, whichever comes first. So a day is the old one or the new one, never a mixture, and since
the two change places in one step, it is never missing either.

That is the promise on a local disk. A file system that cannot exchange folders, such as NFS, takes two steps instead,
and a kill between them leaves a day missing until the next run. On HDFS the lock is a file: after a kill it has to be
removed by hand, which the next run's message says, and what a dead run had only staged stays until then. On object
stores a rename is a copy, so a reader may find a day missing for as long as it takes, and a lock is only as exclusive
as the store's conditional put.
"""

import json
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
from tonality.runtime.storage.locks import lock, lock_if_free
from tonality.runtime.storage.schema import DAY
from tonality.runtime.storage.urls import join
from tonality.runtime.storage.write_locks import WriteLock, hold_write_locks

__all__ = ["Transaction", "begin_transaction", "recover"]

_STAGING: Final = "_staging"
_JOURNAL: Final = "_journal"
_LOCK: Final = "_lock"
_ALIVE: Final = ".alive"
_REPLACED_BY: Final = ".replaced-by-"
"""Begins the name of a mark in a folder that is to go; readers pass over a name with a dot in front."""


class _Move(NamedTuple):
    """A partition folder that is to change: replaced by the staged one, or taken away where there is none."""

    target: str
    staged: str | None


class _Removal(NamedTuple):
    """Partitions that are to go: those of the column that are covered and not replaced."""

    table: str
    column: str
    covered: Callable[[str], bool]


class Transaction:
    """What a run is about to publish: partitions of one or several tables, all of them or none."""

    def __init__(self, spark: SparkSession, folders: HadoopRoot, run: str, name: str) -> None:
        self._spark = spark
        self._folders = folders
        self._run = run
        self._name = name
        self._staging = join(_STAGING, name)
        self._moves: list[_Move] = []
        self._removals: list[_Removal] = []

    def temporary_folder(self, name: str) -> str:
        """The URL of a folder for the run's intermediate results; it goes when the run ends."""
        return self._folders.url(join(self._staging, "scratch", name))

    def make_temporary_folder(self, name: str) -> str:
        """The same, of a folder that is there: for tasks that write files of their own."""
        self._folders.make(join(self._staging, "scratch", name))
        return self.temporary_folder(name)

    def stage(
        self,
        table: str,
        frame: DataFrame,
        schema: pa.Schema,
        column: str,
        values: Iterable[str] = (),
        options: Mapping[str, str] | None = None,
    ) -> DataFrame:
        """Write the frame by partitions of the column, where no reader sees it yet; returned as written.

        These values become partitions even where the frame has no row of them. The options are those of Parquet files.
        """
        writer = frame.select(*schema.names).write.options(**options or {}).partitionBy(column)
        writer.parquet(self._folders.url(join(self._staging, table)))
        return self._staged(table, schema, column, values)

    def add_files(
        self,
        table: str,
        scratch: str,
        files: Mapping[str, Sequence[str]],
        schema: pa.Schema,
        values: Iterable[str] = (),
    ) -> DataFrame:
        """Do the same with files of days that were written to a scratch folder, named by their days; what else is there
        was not vouched for, and stays behind.
        """
        self._folders.make(join(self._staging, table))
        for value, names in files.items():
            for name in names:
                place = join(self._staging, table, f"{DAY}={value}", name)
                self._folders.rename(join(self._staging, "scratch", scratch, name), place)
        return self._staged(table, schema, DAY, values)

    def _staged(self, table: str, schema: pa.Schema, column: str, values: Iterable[str]) -> DataFrame:
        staged = join(self._staging, table)
        found = tables.partitions(self._spark, self._folders.root, staged, column)
        for value in sorted(set(values) - set(found)):
            empty = self._spark.createDataFrame([], from_arrow_schema(schema)).drop(column).coalesce(1)
            empty.write.parquet(self._folders.url(join(staged, f"{column}={value}")))
        names = [f"{column}={value}" for value in sorted({*found, *values})]
        self._moves.extend(_Move(join(table, name), join(staged, name)) for name in names)
        return self._spark.read.schema(from_arrow_schema(schema)).parquet(self._folders.url(staged))

    def write_partition_file(self, table: str, column: str, value: str, name: str, content: object) -> None:
        """Put a file of JSON into a partition that was staged: it comes and goes with it."""
        text = json.dumps(content, indent=2, ensure_ascii=False)
        self._folders.write_text(join(self._staging, table, f"{column}={value}", name), text)

    def remove_partitions(self, table: str, column: str, covered: Callable[[str], bool]) -> None:
        """Take away the partitions that this transaction covers but has nothing for, as they stand when it commits."""
        self._removals.append(_Removal(table, column, covered))

    def replace(self, table: str, parts: Mapping[str, DataFrame], schema: pa.Schema) -> dict[str, DataFrame]:
        """Write the frames as the whole of a table that has no days, each in a folder of its name; as written.

        A name may be empty where there is one frame.
        """
        staged = join(self._staging, table)
        written: dict[str, DataFrame] = {}
        for part, frame in parts.items():
            url = self._folders.url(join(staged, part) if part else staged)
            frame.select(*schema.names).write.parquet(url)
            written[part] = self._spark.read.schema(from_arrow_schema(schema)).parquet(url)
        self._moves.append(_Move(table, staged))
        return written

    def add_table(
        self, table: str, scratch: str, files: Mapping[str, Sequence[str]], schema: pa.Schema
    ) -> dict[str, DataFrame]:
        """Make files of a scratch folder the whole of a table that has no days, each in the folder it is named for; as
        they will be read.
        """
        staged = join(self._staging, table)
        for part, names in files.items():
            for name in names:
                self._folders.rename(join(self._staging, "scratch", scratch, name), join(staged, part, name))
        self._moves.append(_Move(table, staged))
        read = self._spark.read.schema(from_arrow_schema(schema))
        return {part: read.parquet(self._folders.url(join(staged, part))) for part in files}

    def copy_partition_files(self, table: str, column: str, values: Iterable[str], besides: str = "") -> None:
        """Put into partitions that were staged what was noted in those that they replace, but for one kind of note."""
        for value in values:
            part = join(table, f"{column}={value}")
            for name in self._folders.names(part):
                if name.startswith("_") and name.endswith(".json") and name != besides:
                    self._folders.write_text(join(self._staging, part, name), self._folders.read_text(join(part, name)))

    def versions(self, table: str, column: str, values: Sequence[str]) -> dict[str, str]:
        """What `versions` will say of partitions that were staged, once they are published."""
        return tables.versions(self._spark, self._folders.root, join(self._staging, table), column, values)

    def remove(self, name: str) -> None:
        """Remove a folder or file below the root when all else is published."""
        self._moves.append(_Move(name, None))

    def write_metadata(self, table: str, content: object) -> None:
        """Put `<table>.json` beside the parts of a replaced table."""
        text = json.dumps(content, indent=2, ensure_ascii=False)
        self._folders.write_text(join(self._staging, table, f"{table}.json"), text)

    def commit(self) -> None:
        """Let readers see all of it. From the moment the journal stands, it will happen, even if this run is killed."""
        with lock(self._folders, _LOCK, self._run):
            _finish_others(self._folders)
            moves = [*self._moves, *self._vacated()]
            journal = join(_JOURNAL, f"{self._name}.json")
            self._folders.write_text(journal, json.dumps({"run": self._name, "moves": moves}))
            _carry_out(self._folders, journal)

    def _vacated(self) -> Iterator[_Move]:
        targets = {move.target for move in self._moves}
        for table, column, covered in self._removals:
            for value in tables.partitions(self._spark, self._folders.root, table, column):
                target = join(table, f"{column}={value}")
                if target not in targets and covered(value):
                    yield _Move(target, None)

    def discard(self) -> None:
        """Remove what was staged and the scratch, unless a journal still stands for it."""
        if not self._folders.exists(join(_JOURNAL, f"{self._name}.json")):
            self._folders.delete(self._staging)


@contextmanager
def begin_transaction(spark: SparkSession, root: str, run: str, claims: Sequence[WriteLock]) -> Iterator[Transaction]:
    """A transaction whose staged files go at the end, whatever happens.

    Inside, no other run writes what is locked, and what killed ones had begun to publish is finished: what is read
    there is what the transaction replaces.

    Raises UserError where another run, which claims some of the same, does not end in time.
    """
    folders = HadoopRoot(spark, root)
    name = f"{run}-{secrets.token_hex(2)}"  # where a run begins again, tasks of its first try may write still
    pending = Transaction(spark, folders, run, name)
    alive = join(_STAGING, f"{name}{_ALIVE}")
    with hold_write_locks(folders, run, claims):
        if claims:  # the one that was waited for may have been killed
            recover(spark, root, run)
        with lock(folders, alive, run):
            try:
                yield pending
            finally:
                pending.discard()
                folders.delete(alive)


def recover(spark: SparkSession, root: str, run: str) -> None:
    """Finish what killed runs had begun to publish, and clear away what they had only staged."""
    folders = HadoopRoot(spark, root)
    if not folders.exists(_JOURNAL) and not folders.exists(_STAGING):
        return
    with lock(folders, _LOCK, run):
        _finish_others(folders)
        for staged in sorted({name.removesuffix(_ALIVE) for name in folders.names(_STAGING)}):
            alive = join(_STAGING, f"{staged}{_ALIVE}")
            with lock_if_free(folders, alive) as free:
                if free:
                    folders.delete(join(_STAGING, staged))
                    folders.delete(alive)


def _finish_others(folders: HadoopRoot) -> None:
    for name in folders.names(_JOURNAL):
        if name.endswith(".json"):
            _carry_out(folders, join(_JOURNAL, name))
        else:  # a kill left it half written: nothing was promised yet
            folders.delete(join(_JOURNAL, name))


def _carry_out(folders: HadoopRoot, journal: str) -> None:
    """Rename what the journal names. Done again after a kill, it goes on where it stopped."""
    content = _read_journal(folders, journal)
    replaced = join(_STAGING, content["run"], "replaced")
    mark = f"{_REPLACED_BY}{content['run']}"
    for target, staged in content["moves"]:
        if staged is not None and _exchanged(folders, target, staged, mark):
            continue
        old = join(replaced, target)
        if staged is None or folders.exists(staged):
            if folders.exists(old):  # an object store's rename was cut short: what stands is not whole
                folders.delete(target)
            elif folders.exists(target):
                folders.rename(target, old)
            if staged is not None:
                folders.rename(staged, target)
    folders.delete(journal)
    folders.delete(replaced)


def _exchanged(folders: HadoopRoot, target: str, staged: str, mark: str) -> bool:
    """Whether both stand, each in the other's place: done in one step, so that no reader finds the target absent.

    Where a folder was exchanged before a kill, the mark that it got while it was the target tells.
    """
    place, new = folders.local(target), folders.local(staged)
    if place is None or new is None or not place.is_dir() or not new.is_dir():
        return False
    if (new / mark).exists():
        return True
    (place / mark).touch()
    return folders.exchange(target, staged)


def _read_journal(folders: HadoopRoot, journal: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(folders.read_text(journal))
    except ValueError:
        raise UserError(
            f"{folders.url(journal)} is not whole, as after a power cut: the days of its run may be old or new. Remove "
            "it, then run the stages of those days again"
        ) from None
    return content
