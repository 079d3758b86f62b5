"""Stage the tables without the rows of an erasure plan, to be published in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.privacy.day_policies import ERASED_TABLE, record_salt
from tonality.privacy.erasure.adjust_accounts import adjust_accounts
from tonality.privacy.erasure.match_rows import LOCATION, partition_name, with_location
from tonality.privacy.erasure.plan import ErasurePlan
from tonality.privacy.erasure.rewrite_files import RewriteJob, RewrittenFile, TableFile, rewrite
from tonality.privacy.erasure.scrub_rejects import scrub_rejects
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import (
    ACCOUNTS,
    DATASET,
    DAY,
    FORGOTTEN,
    LABELLED,
    ORIGIN_FILE,
    REJECTS,
    SCORED,
    TWEETS,
    WINDOW,
)
from tonality.runtime.storage.transaction import Transaction
from tonality.runtime.storage.urls import join

__all__ = ["stage_erasure"]

_DAY_TABLES: Final = {"tweets": TWEETS, "scored": SCORED, "labelled": LABELLED}
_SMALL_ROW_GROUPS: Final = {"parquet.block.size": str(2**20)}
"""For a table that many tasks read in parts."""

DatasetMetadata = Callable[[Mapping[str, DataFrame]], object]
"""Makes the metadata of dataset/, given its rewritten partitions by name."""


def stage_erasure(
    spark: SparkSession,
    root: str,
    transaction: Transaction,
    plan: ErasurePlan,
    run: str,
    dataset_metadata: DatasetMetadata,
) -> None:
    """Stage every table that changes. Raises UserError if other rows than the planned ones would be removed."""
    for table, schema in _DAY_TABLES.items():
        if plan.counts.get(table):
            _stage_days(spark, root, transaction, table, schema, plan)
    if plan.counts.get("tweets"):
        _stage_accounts(spark, root, transaction, plan.removed["tweets"])
    if plan.counts.get("scored"):
        _stage_origins(spark, root, transaction, plan)
    if plan.counts.get("dataset"):
        _stage_dataset(spark, root, transaction, plan, dataset_metadata)
    if plan.rejects is not None and plan.counts["rejects"]:
        _stage_rejects(spark, root, transaction, plan.rejects)
    if plan.remembered:
        transaction.stage(ERASED_TABLE, plan.new_digests.withColumn("run", F.lit(run)), FORGOTTEN, "run", [run])
        record_salt(transaction, run, plan.salt)
    for report in plan.reports:
        transaction.remove(report)


def _stage_days(
    spark: SparkSession, root: str, transaction: Transaction, table: str, schema: pa.Schema, plan: ErasurePlan
) -> None:
    """Stage the days of a table that lose rows: affected files are rewritten, the others copied."""
    rows = plan.removed[table]
    files = _rewrite(spark, root, transaction, table, _distinct(rows, "part"), rows, plan.counts[table])
    by_day = {part.removeprefix(f"{DAY}="): names for part, names in files.items()}
    transaction.add_files(table, f"files_{table}", by_day, schema)
    transaction.copy_partition_files(table, DAY, by_day, exclude=ORIGIN_FILE)


def _rewrite(
    spark: SparkSession,
    root: str,
    transaction: Transaction,
    table: str,
    parts: Sequence[str],
    rows: DataFrame,
    count: int,
) -> dict[str, list[str]]:
    """Write new files of these partitions without the rows, to the temporary folder `files_<table>`.

    Returns the names of the files by partition. Raises UserError unless `count` rows were removed.
    """
    locations = transaction.temporary_folder(f"removed_{table}")
    folder = transaction.make_temporary_folder(f"files_{table}")
    rows.select(*LOCATION).sort(*LOCATION).write.options(**_SMALL_ROW_GROUPS).parquet(locations)
    affected = {(row["part"], row["name"]) for row in rows.select("part", "name").distinct().collect()}
    existing = tables.files(spark, root, table, parts)
    files = [TableFile(part, name, (part, name) in affected) for part, names in existing.items() for name in names]
    tasks = spark.sparkContext.parallelize([[file] for file in files], max(1, len(files)))
    job = RewriteJob(join(root, table), locations, folder)
    written: list[RewrittenFile] = tasks.flatMap(partial(rewrite, job)).collect()
    removed = sum(file.rows_before - file.rows_after for file in written)
    if removed != count:
        raise UserError(f"nothing was removed: rewriting {table}/ removed {removed:,} rows, expected {count:,}")
    return {part: [file.name for file in written if file.part == part] for part in parts}


def _stage_accounts(spark: SparkSession, root: str, transaction: Transaction, removed: DataFrame) -> None:
    if tables.exists(spark, root, "accounts"):
        accounts = adjust_accounts(tables.read(spark, root, "accounts", ACCOUNTS), removed)
        windows = _distinct(accounts.where(F.col("erased") > 0), WINDOW)
        transaction.stage("accounts", accounts.where(_is_in(WINDOW, windows)).coalesce(1), ACCOUNTS, WINDOW, windows)


def _stage_origins(spark: SparkSession, root: str, transaction: Transaction, plan: ErasurePlan) -> None:
    """Stage the origins of scored days. Days that were up to date stay so: they get the new versions of tweets/."""
    days = [part.removeprefix(f"{DAY}=") for part in _distinct(plan.removed["scored"], "part")]
    tweet_parts = _distinct(plan.removed["tweets"], "part") if "tweets" in plan.removed else []
    replaced = {part.removeprefix(f"{DAY}=") for part in tweet_parts}.intersection(days)
    before = tables.versions(spark, root, "tweets", DAY, sorted(replaced))
    after = transaction.versions("tweets", DAY, sorted(replaced))
    origins = tables.read_partition_files(spark, root, "scored", DAY, days, ORIGIN_FILE)
    for day, origin in origins.items():
        if origin:
            up_to_date = day in replaced and origin.get("tweets") == before[day]
            content = {**origin, "tweets": after[day]} if up_to_date else origin
            transaction.write_partition_file("scored", DAY, day, ORIGIN_FILE, content)


def _stage_dataset(
    spark: SparkSession, root: str, transaction: Transaction, plan: ErasurePlan, dataset_metadata: DatasetMetadata
) -> None:
    rows = reduce(DataFrame.union, plan.dataset.values())
    files = _rewrite(spark, root, transaction, "dataset", list(plan.dataset), rows, plan.counts["dataset"])
    parts = transaction.add_table_files("dataset", "files_dataset", files, DATASET)
    transaction.write_metadata("dataset", dataset_metadata(parts))


def _stage_rejects(spark: SparkSession, root: str, transaction: Transaction, locations: DataFrame) -> None:
    windows = [part.removeprefix(f"{WINDOW}=") for part in _distinct(locations, "part")]
    rejects = tables.read(spark, root, "rejects", REJECTS).where(_is_in(WINDOW, windows))
    located = with_location(rejects, partition_name(WINDOW), *REJECTS.names)
    rows = scrub_rejects(located, locations).sortWithinPartitions("source", "offset")
    transaction.stage("rejects", rows, REJECTS, WINDOW, windows)


def _distinct(rows: DataFrame, column: str) -> list[str]:
    return sorted(str(row[0]) for row in rows.select(column).distinct().collect())


def _is_in(column: str, values: Sequence[str]) -> Column:
    return F.col(column).cast("string").isin(*values) if values else F.lit(False)
