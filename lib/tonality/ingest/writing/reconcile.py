"""Reconciliation of a pass over an archive: accounts/ and rejects/, and a check that no record is unaccounted for.

The task manifest is a DataFrame of schema.TASK_MANIFEST.
"""

from collections import Counter
from collections.abc import Mapping
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from tonality.ingest.writing.dropped_tweets import DELETED, DUPLICATE, ERASED
from tonality.ingest.writing.overwrite_guard import DateRange
from tonality.ingest.writing.pass_summary import OUTCOMES, PassSummary
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import ACCOUNTS, REJECTS, WINDOW
from tonality.runtime.storage.transaction import Transaction

__all__ = ["reconcile", "rows_of_kind", "verify"]

_SHOWN_DAMAGE: Final = 3
_SHOWN_CHARACTERS: Final = 200


def rows_of_kind(manifest: DataFrame, kind: str) -> DataFrame:
    """The rows of a task manifest that are of this kind."""
    return manifest.where(F.col("kind") == kind)


def reconcile(
    transaction: Transaction,
    manifest: DataFrame,
    stored: DataFrame,
    dropped: DataFrame,
    tweets: DataFrame,
    run: str,
    window: DateRange,
    count_erased: bool,
) -> PassSummary:
    """Stage accounts/ and rejects/ and compare them with the tweets: stored by the tasks, dropped, and to be published.

    Raises UserError if the numbers do not add up.
    """
    accounts = _stage_accounts(transaction, _count_by_source(manifest, tweets, dropped), run, window)
    rejects = _stage_rejects(transaction, rows_of_kind(_with_file_offsets(manifest), "reject"), run, window)
    counts, reasons = _count_rows(manifest, stored, tweets, rejects)
    totals = verify(counts, accounts)
    if count_erased:
        totals["forgotten"] = dropped.where(F.col("reason") == ERASED).count()
    damage = _first_damage(accounts) if totals["damaged"] else []
    return PassSummary(totals, reasons, damage, window)


def _count_by_source(manifest: DataFrame, tweets: DataFrame, dropped: DataFrame) -> DataFrame:
    """The account of each source: the records that the tasks counted, the published tweets and the dropped ones."""
    by_tasks = (
        rows_of_kind(manifest, "account")
        .groupBy("source")
        .agg(
            *(F.sum(name).alias(name) for name in ("lines", "notices", "filtered", "rejects")),
            *(_joined_by_split(name).alias(name) for name in ("damage", "skipped")),
        )
    )
    by_reason = dropped.groupBy("source").agg(
        F.count_if(F.col("reason") == DUPLICATE).alias("duplicates"),
        F.count_if(F.col("reason").isin(DELETED, ERASED)).alias("deleted"),
    )
    published = tweets.groupBy("source").agg(F.count("*").alias("tweets"))
    return (
        by_tasks.join(published, on="source", how="left")
        .join(by_reason, on="source", how="left")
        .fillna(0, ["tweets", "duplicates", "deleted"])
        .withColumn("filtered", F.col("filtered") + F.col("deleted"))
    )


def _joined_by_split(name: str) -> Column:
    """The distinct messages of a source's splits, in the order of the splits."""
    messages = F.sort_array(F.collect_set(F.when(F.col(name) != "", F.struct("split", name))))
    return F.array_join(F.transform(messages, lambda message: message[name]), "; ")


def _with_file_offsets(manifest: DataFrame) -> DataFrame:
    """The manifest with `offset` and `line` counted from the start of the file instead of the split."""
    earlier_splits = Window.partitionBy("source").orderBy("split").rowsBetween(Window.unboundedPreceding, -1)
    starts = (
        rows_of_kind(manifest, "account")
        .where(F.col("span") > 0)
        .select(
            "source",
            "split",
            F.sum("span").over(earlier_splits).alias("bytes_before"),
            F.sum("breaks").over(earlier_splits).alias("breaks_before"),
        )
        .where(F.col("split") > 0)
    )
    return (
        manifest.join(starts, on=["source", "split"], how="left")
        .withColumn("offset", F.col("offset") + F.coalesce("bytes_before", F.lit(0)))
        .withColumn("line", F.col("line") + F.coalesce("breaks_before", F.lit(0)))
        .drop("bytes_before", "breaks_before")
    )


def _stage_accounts(transaction: Transaction, accounts: DataFrame, run: str, window: DateRange) -> DataFrame:
    rows = accounts.withColumn("run", F.lit(run)).withColumn(WINDOW, F.lit(window.name)).coalesce(1)
    staged = transaction.stage("accounts", rows, ACCOUNTS, WINDOW, [window.name])
    transaction.remove_partitions("accounts", WINDOW, lambda name: window.covers(*name.split("..")))
    return staged


def _stage_rejects(transaction: Transaction, rejects: DataFrame, run: str, window: DateRange) -> DataFrame:
    rows = (
        rejects.withColumn("run", F.lit(run))
        .withColumn(WINDOW, F.lit(window.name))
        .hint("rebalance")
        .sortWithinPartitions("source", "offset")
    )
    staged = transaction.stage("rejects", rows, REJECTS, WINDOW, [window.name])
    transaction.remove_partitions("rejects", WINDOW, lambda name: window.covers(*name.split("..")))
    return staged


def _count_rows(
    manifest: DataFrame, stored: DataFrame, tweets: DataFrame, rejects: DataFrame
) -> tuple[Counter[str], dict[str, int]]:
    """Rows of each kind, counted independently of the accounts, and the rejects by reason: all in one Spark job."""
    one = F.lit(1)
    rows_of = [
        rows_of_kind(manifest, "account").select(F.lit("kept").alias("what"), F.lit("").alias("reason"), F.col("kept")),
        stored.select(F.lit("read"), F.lit(""), one),
        tweets.select(F.lit("tweets"), F.lit(""), one),
        rejects.select(F.lit("rejects"), "reason", one),
    ]
    rows = reduce(DataFrame.union, rows_of).groupBy("what", "reason").agg(F.sum("kept").alias("count")).collect()
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.what] += row["count"]
    return counts, {row.reason: row["count"] for row in rows if row.what == "rejects"}


def verify(counts: Mapping[str, int], accounts: DataFrame) -> dict[str, int]:
    """The totals of the accounts. Raises UserError unless each account adds up and all of them match the counts.

    The counts are rows: `tweets` and `rejects` to be published, tweets that were `read` back from the stored files, and
    tweets that the tasks `kept` by their own count.
    """
    outcomes = sum((F.col(name) for name in OUTCOMES), F.lit(0))
    sums = {name: F.sum(name) for name in ("lines", *OUTCOMES, "deleted")}
    flagged = {"damaged": F.count_if(F.col("damage") != ""), "skipped": F.count_if(F.col("skipped") != "")}
    totals = tables.totals(accounts, wrong=F.count_if(F.col("lines") != outcomes), **sums, **flagged)
    if totals.pop("wrong"):
        wrong = accounts.where(F.col("lines") != outcomes).limit(1).collect()[0]
        raise UserError(f"nothing was published: the counts of {wrong.source} do not add up: {wrong.asDict()}")
    stored = totals["tweets"] + totals["duplicates"] + totals["deleted"]
    for what, found, expected in (
        ("tweets were written", counts["tweets"], totals["tweets"]),
        ("rejects were written", counts["rejects"], totals["rejects"]),
        ("tweets were read", counts["read"], stored),
        ("tweets were kept", counts["kept"], stored),
    ):
        if found != expected:
            raise UserError(f"nothing was published: {found} {what}, but the accounts have {expected}")
    return totals


def _first_damage(accounts: DataFrame) -> list[str]:
    damaged = accounts.where(F.col("damage") != "").orderBy("source").limit(_SHOWN_DAMAGE).collect()
    return [f"{row.source}: {row.damage[:_SHOWN_CHARACTERS]}" for row in damaged]
