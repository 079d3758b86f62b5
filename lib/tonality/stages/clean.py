"""clean: the raw archive to tweets/, rejects/ and accounts/.

One pass over the archive: its tasks write the tweets to temporary files and report everything else in a task manifest.
Tweets, rejects and accounts are made from both, reconciled with each other and published together.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final, NamedTuple

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.ingest.options import ReadOptions
from tonality.ingest.planning.files import ArchiveFile, check_columns, find_files
from tonality.ingest.planning.splits import plan_tasks
from tonality.ingest.reading.estimate import estimate, format_estimate
from tonality.ingest.reading.spark_source import TweetSource
from tonality.ingest.writing.day_files import DayFileJob, StoredRowGroup, plan_day_files, write_day_files
from tonality.ingest.writing.dropped_tweets import find_dropped_tweets
from tonality.ingest.writing.overwrite_guard import DateRange, refuse_to_drop_days, refuse_to_lose_tweets
from tonality.ingest.writing.pass_summary import TABLE_HINT, PassSummary
from tonality.ingest.writing.reconcile import reconcile, rows_of_kind
from tonality.privacy.day_policies import (
    ERASED_TABLE,
    erasure_salt,
    key_check,
    policy_of,
    record_policy,
    refuse_other_policies,
)
from tonality.privacy.policy import Policy
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import SettingsError, run_checks
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.session import local_cores
from tonality.runtime.storage import tables
from tonality.runtime.storage.day_paths import day_locations
from tonality.runtime.storage.schema import FORGOTTEN, KEPT, TWEETS
from tonality.runtime.storage.transaction import Transaction, begin_transaction
from tonality.runtime.storage.urls import join
from tonality.runtime.storage.write_locks import WriteLock

_LOG: Final = logging.getLogger(__name__)

_STORED: Final = "tweets"
_MANIFEST: Final = "manifest"
_DROPPED: Final = "dropped"
_DAYS: Final = "days"
"""Temporary folders: the tweets as they were read, the task manifest, the rows to drop, and the files by day."""
_EPOCH: Final = date(1970, 1, 1)
_SMALL_ROW_GROUPS: Final = {"parquet.block.size": str(2**20)}
"""For a table that many tasks read in parts."""


def check(settings: Settings) -> None:
    """Refuse settings that name no archive, or that would reveal what they are meant to hide."""
    run_checks((partial(_check_archive, settings), partial(_check_ids, settings), partial(_check_key, settings)))


def _check_archive(settings: Settings) -> None:
    if not settings.paths.archive:
        raise SettingsError("paths.archive is empty: name the raw archive, a file, a folder or a glob")


def _check_ids(settings: Settings) -> None:
    """Refuse ids derived from hidden authors: with such an id anybody can check a guess of the author's name."""
    archive, privacy = settings.archive, settings.privacy
    derived = archive.format == "table" and not archive.columns.id
    if derived and privacy.authors != "keep" and privacy.ids == "keep":
        raise SettingsError(
            "archive.columns.id is empty, so that ids are derived from author, time and text: with privacy.authors = "
            f"{privacy.authors} they would let anybody check a guess of the author. Set privacy.ids to hash or drop"
        )


def _check_key(settings: Settings) -> None:
    key_check(settings.privacy)


@dataclass(frozen=True)
class _Job:
    """The inputs of a run and the days that it replaces."""

    run: str
    root: str
    options: ReadOptions
    files: list[ArchiveFile]
    window: DateRange
    policy: Policy
    key_check: str


class _Pass(NamedTuple):
    """The archive as one pass has read it."""

    manifest: DataFrame
    groups: list[StoredRowGroup]
    tweets: DataFrame

    def days(self) -> set[str]:
        return {str(_EPOCH + timedelta(days=day)) for group in self.groups for day in group.days}


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Clean the archive and publish its days."""
    check(settings)
    job = _prepare(settings, record, spark)
    lock = WriteLock("tweets", settings.archive.since, settings.archive.until)
    with begin_transaction(spark, job.root, record.id, [lock]) as transaction:
        _refuse_other_policies(spark, job)
        archive = _read_archive(spark, job, transaction)
        dropped = _find_duplicates_and_deleted(spark, job, archive, transaction)
        tweets, days = _write_days(spark, job, archive, transaction)
        summary = _reconcile(spark, job, archive, dropped, tweets, transaction)
        _refuse_to_lose(spark, job, archive, tweets, summary)
        transaction.commit()
    _record(record, job, summary, days)
    if settings.archive.strict:
        summary.refuse_loss(len(job.files))
    return summary.text(len(job.files))


def plan(settings: Settings) -> str:
    """Estimate what a run would read, and its duration, from the beginnings of some files. Writes nothing."""
    check(settings)
    cores = local_cores(settings.spark)
    options = _options(settings, cores or 1)
    files = find_files(options.paths, options.optional_paths)
    check_columns(files, options)
    groups = estimate(files, options)
    description = format_estimate(groups, len(plan_tasks(files, options)), cores)
    may_be_tables = any("malformed-json" in group.others for group in groups if not group.tweets)
    return f"{description}\n{TABLE_HINT}" if may_be_tables else description


def _prepare(settings: Settings, record: Run, spark: SparkSession) -> _Job:
    policy = policy_of(settings.privacy)
    options = _options(settings, spark.sparkContext.defaultParallelism)
    options = options.model_copy(update={"privacy": policy, "key_file": settings.privacy.key})
    files = find_files(options.paths, options.optional_paths)
    check_columns(files, options)
    _LOG.info(f"reading {counted(len(files), 'file')}, {sum(file.bytes for file in files):,} bytes")
    return _Job(
        run=record.id,
        root=settings.paths.root,
        options=options,
        files=files,
        window=DateRange(settings.archive),
        policy=policy,
        key_check=key_check(settings.privacy),
    )


def _options(settings: Settings, cores: int) -> ReadOptions:
    archive = settings.archive
    paths, optional_paths = day_locations(
        settings.paths.archive, archive.since, archive.until, archive.lookback, archive.lookahead
    )
    return ReadOptions(
        paths=paths,
        optional_paths=optional_paths,
        cores=cores,
        rules=text_rules(settings.text),
        **archive.model_dump(),
    )


def _refuse_other_policies(spark: SparkSession, job: _Job) -> None:
    """Raise SettingsError if days that the run does not replace were cleaned with another privacy policy or key."""
    others = [day for day in tables.days(spark, job.root, "tweets") if not job.window.covers(day, day)]
    refuse_other_policies(spark, job.root, others, job.policy, job.key_check)


def _read_archive(spark: SparkSession, job: _Job, transaction: Transaction) -> _Pass:
    """Open and decompress the archive once: store its tweets in temporary files and collect the task manifest."""
    spark.dataSource.register(TweetSource)
    options = job.options.model_copy(update={"erasure_salt": erasure_salt(spark, job.root)})
    folder = transaction.make_temporary_folder(_STORED)
    source = spark.read.format("tweets").option("options", options.model_dump_json()).option("folder", folder)
    manifest = _computed_once(source.load(), transaction.temporary_folder(_MANIFEST))
    groups = [
        StoredRowGroup(row.path, row.group, row.first, tuple(row.days), tuple(row.counts), row.bytes)
        for row in rows_of_kind(manifest, "group").collect()
    ]
    return _Pass(manifest, groups, _stored_tweets(spark, groups, folder))


def _stored_tweets(spark: SparkSession, groups: Sequence[StoredRowGroup], folder: str) -> DataFrame:
    """The tweets of a pass, each with the `path` and the `row` where it is stored.

    Only files named in the manifest are read: abandoned attempts of tasks may leave others.
    """
    schema = from_arrow_schema(KEPT)
    files = sorted({join(folder, group.path) for group in groups})
    if not files:
        return spark.createDataFrame([], schema.add("path", "string").add("row", "long"))
    place = (F.col("_metadata.file_name").alias("path"), F.col("_metadata.row_index").alias("row"))
    return spark.read.schema(schema).parquet(*files).select("*", *place)


def _find_duplicates_and_deleted(spark: SparkSession, job: _Job, archive: _Pass, transaction: Transaction) -> DataFrame:
    """Write down which stored tweets are not published: duplicates, deleted and erased ones."""
    _LOG.info("finding duplicates and deleted tweets")
    deletes = rows_of_kind(archive.manifest, "delete") if job.options.honour_deletes else None
    erased = tables.read(spark, job.root, ERASED_TABLE, FORGOTTEN) if _has_erased(spark, job) else None
    dropped = find_dropped_tweets(archive.tweets, deletes, erased, job.options.deduplicate)
    folder = transaction.temporary_folder(_DROPPED)
    return _computed_once(dropped.sortWithinPartitions("path"), folder, _SMALL_ROW_GROUPS)


def _has_erased(spark: SparkSession, job: _Job) -> bool:
    return tables.exists(spark, job.root, ERASED_TABLE)


def _computed_once(frame: DataFrame, folder: str, options: Mapping[str, str] | None = None) -> DataFrame:
    """The frame, written to a folder and read back from it."""
    frame.write.options(**options or {}).parquet(folder)
    return frame.sparkSession.read.schema(frame.schema).parquet(folder)


def _write_days(
    spark: SparkSession, job: _Job, archive: _Pass, transaction: Transaction
) -> tuple[DataFrame, list[str]]:
    """Write the files of each day without the dropped tweets and stage them; the staged tweets and their days."""
    files = _write_day_files(spark, job, archive.groups, transaction)
    emptied = archive.days().intersection(tables.days(spark, job.root, "tweets")).difference(files)
    tweets = transaction.add_files("tweets", _DAYS, files, TWEETS, {*job.window.days(), *emptied})
    record_policy(transaction, {*files, *job.window.days(), *emptied}, job.policy, job.key_check)
    return tweets, list(files)


def _write_day_files(
    spark: SparkSession, job: _Job, groups: Sequence[StoredRowGroup], transaction: Transaction
) -> dict[str, list[str]]:
    """The names of the new files, by day."""
    tasks = plan_day_files(groups, job.options.cores)
    _LOG.info("writing the tweets by day")
    file_job = DayFileJob(
        stored=transaction.temporary_folder(_STORED),
        dropped=transaction.temporary_folder(_DROPPED),
        folder=transaction.make_temporary_folder(_DAYS),
        constants={"rules": job.options.rules.fingerprint, "run": job.run},
        drop_ids=job.policy.ids == "drop",
    )
    days: dict[str, list[str]] = defaultdict(list)
    if tasks:
        context = spark.sparkContext
        for file in context.parallelize(tasks, len(tasks)).flatMap(partial(write_day_files, file_job)).collect():
            days[file.day].append(file.name)
    return days


def _reconcile(
    spark: SparkSession, job: _Job, archive: _Pass, dropped: DataFrame, tweets: DataFrame, transaction: Transaction
) -> PassSummary:
    _LOG.info("reconciling the records of every file")
    return reconcile(
        transaction,
        manifest=archive.manifest,
        stored=archive.tweets,
        dropped=dropped,
        tweets=tweets,
        run=job.run,
        window=job.window,
        count_erased=_has_erased(spark, job),
    )


def _refuse_to_lose(spark: SparkSession, job: _Job, archive: _Pass, tweets: DataFrame, summary: PassSummary) -> None:
    """Refuse to publish nothing, or fewer days or tweets than the table has for no apparent reason."""
    summary.refuse_empty()
    refuse_to_drop_days(tables.days(spark, job.root, "tweets"), archive.days(), job.window)
    refuse_to_lose_tweets(spark, job.root, tweets, [file.url for file in job.files], job.window)
    _refuse_other_policies(spark, job)  # again: another run may have published in the meantime


def _record(record: Run, job: _Job, summary: PassSummary, days: Sequence[str]) -> None:
    size = {"files": len(job.files), "bytes": sum(file.bytes for file in job.files)}
    totals = summary.totals
    record.add(
        **size,
        days=len(days),
        reads={"archive": {**size, "records": totals["lines"]}},
        writes={"tweets": {"rows": totals["tweets"]}, "rejects": {"rows": totals["rejects"]}},
        counts=totals,
        reasons=summary.reasons,
        privacy={**job.policy.model_dump(), "key_check": job.key_check},
    )
