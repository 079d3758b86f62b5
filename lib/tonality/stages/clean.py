"""clean: the raw archive to tweets/, rejects/ and accounts/.

One pass over the archive: its tasks write the tweets to files of their own and tell of all else in notes. Tweets,
rejects and accounts are made of both, counted against each other, and published together.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial, reduce
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.ingest.options import ColumnNames, ReadOptions
from tonality.ingest.planning.files import check_columns, find_files
from tonality.ingest.planning.splits import plan_tasks
from tonality.ingest.reading.estimate import estimate, in_words
from tonality.ingest.reading.spark_source import TweetSource
from tonality.ingest.replacement import DateRange, refuse_to_drop_days, refuse_to_lose_tweets
from tonality.ingest.writing.day_files import DayFileJob, StoredRowGroup, plan_day_files, write_day_files
from tonality.ingest.writing.reconcile import FORGOTTEN, counted, dropped, of_kind, placed
from tonality.privacy.day_policies import (
    ERASED_TABLE,
    erasure_salt,
    key_check,
    policy_of,
    record_policy,
    refuse_other_policies,
)
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError, run_checks
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import text_rules
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.session import local_cores
from tonality.runtime.storage import tables
from tonality.runtime.storage.day_paths import day_locations
from tonality.runtime.storage.schema import ACCOUNTS, KEPT, REJECTS, TWEETS, WINDOW
from tonality.runtime.storage.schema import FORGOTTEN as FORGOTTEN_ROWS
from tonality.runtime.storage.transaction import Transaction, begin_transaction
from tonality.runtime.storage.urls import join
from tonality.runtime.storage.write_locks import WriteLock

_OUTCOMES: Final = ("tweets", "notices", "filtered", "duplicates", "rejects")
_STORED: Final = "tweets"
_DROPPED: Final = "dropped"
_DAYS: Final = "days"
"""Intermediate results: the tweets as they were read, where those are that are left out, and the files of days."""
_EPOCH: Final = date(1970, 1, 1)
_SMALL_GROUPS: Final = {"parquet.block.size": str(2**20)}
"""For a table that is read in parts, by many."""
_IS_IT_A_TABLE: Final = 'Is it a table? Then set archive.format = "table" and name its columns in [archive.columns].'
_SHOWN_DAMAGE: Final = 3
_SHOWN_CHARACTERS: Final = 200


def check(settings: Settings) -> None:
    """Refuse settings that name no archive, or would show what they are to hide."""
    run_checks((partial(_check_archive, settings), partial(_check_ids, settings), partial(_check_key, settings)))


def _check_archive(settings: Settings) -> None:
    if not settings.paths.archive:
        raise SettingsError("paths.archive is empty: name the raw archive, a file, a folder or a glob")


def _check_ids(settings: Settings) -> None:
    """An id that was derived from an author tells whether a name that somebody guesses is the author's."""
    archive, privacy = settings.archive, settings.privacy
    derived = archive.format == "table" and not archive.columns.id
    if derived and privacy.authors != "keep" and privacy.ids == "keep":
        raise SettingsError(
            "archive.columns.id is empty, so that ids are derived from author, time and text: they would tell authors "
            f"to whoever guesses, with privacy.authors = {privacy.authors}. Set privacy.ids to hash or drop"
        )


def _check_key(settings: Settings) -> None:
    key_check(settings.privacy)


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Clean the archive and publish its days."""
    check(settings)
    archive = settings.archive
    root, policy, key = settings.paths.root, policy_of(settings.privacy), key_check(settings.privacy)
    options = _options(settings, spark.sparkContext.defaultParallelism)
    options = options.model_copy(update={"privacy": policy, "key": settings.privacy.key})
    files = find_files(options.paths, options.besides)
    check_columns(files, options)
    window = DateRange(archive)
    spark.dataSource.register(TweetSource)
    claim = WriteLock("tweets", archive.since, archive.until)
    with begin_transaction(spark, root, record.id, [claim]) as transaction:
        refuse_other_policies(spark, root, _staying(spark, root, window), policy, key)
        forgotten = _forgotten(spark, root)
        options = options.model_copy(update={"erasure_salt": erasure_salt(spark, root)})
        notes = _read_once(spark, options, transaction)
        groups = _groups(notes)
        read = _stored(spark, groups, transaction)
        out = dropped(read, notes, archive.deduplicate, archive.honour_deletes, forgotten)
        out = _written(out.sortWithinPartitions("path"), transaction.temporary_folder(_DROPPED), _SMALL_GROUPS)
        days = _write_days(spark, groups, options, record.id, transaction)
        read_days = {str(_EPOCH + timedelta(days=day)) for group in groups for day in group.days}
        emptied = read_days.intersection(tables.days(spark, root, "tweets")).difference(days)
        tweets = transaction.add_files("tweets", _DAYS, days, TWEETS, {*window.days(), *emptied})
        record_policy(transaction, {*days, *window.days(), *emptied}, policy, key)
        accounts = _stage_accounts(transaction, counted(notes, tweets, out), record.id, window)
        rejects = _stage_rejects(transaction, of_kind(placed(notes), "reject"), record.id, window)
        reasons, counts = _count(notes, read, tweets, rejects)
        totals = _verify(counts, accounts)
        if forgotten is not None:
            totals["forgotten"] = out.where(F.col("reason") == FORGOTTEN).count()
        damage = _first_damage(accounts) if totals["damaged"] else []
        _refuse_nothing(totals, reasons, damage, window)
        refuse_to_drop_days(tables.days(spark, root, "tweets"), read_days, window)
        refuse_to_lose_tweets(spark, root, tweets, [file.url for file in files], window)
        refuse_other_policies(spark, root, _staying(spark, root, window), policy, key)  # another run may have published
        transaction.commit()
    size = {"files": len(files), "bytes": sum(file.bytes for file in files)}
    record.add(
        **size,
        days=len(days),
        reads={"archive": {**size, "records": totals["lines"]}},
        writes={"tweets": {"rows": totals["tweets"]}, "rejects": {"rows": totals["rejects"]}},
        counts=totals,
        reasons=reasons,
        privacy={**policy.model_dump(), "key_check": key},
    )
    summary = _summary(totals, reasons, damage, len(files), window)
    if archive.strict:
        _refuse_loss(totals, summary)
    return summary


def plan(settings: Settings) -> str:
    """What a run would read and about how long it would take, by the beginning of some files. Writes nothing."""
    check(settings)
    cores = local_cores(settings.spark)
    options = _options(settings, cores or 1)
    files = find_files(options.paths, options.besides)
    check_columns(files, options)
    groups = estimate(files, options)
    said = in_words(groups, len(plan_tasks(files, options)), cores)
    tables_perhaps = any("malformed-json" in group.others for group in groups if not group.tweets)
    return f"{said}\n{_IS_IT_A_TABLE}" if tables_perhaps else said


def _options(settings: Settings, cores: int) -> ReadOptions:
    archive = settings.archive
    paths, besides = day_locations(
        settings.paths.archive, archive.since, archive.until, archive.lookback, archive.lookahead
    )
    return ReadOptions(
        paths=paths,
        besides=besides,
        cores=cores,
        rules=text_rules(settings.text),
        columns=ColumnNames(**archive.columns.model_dump()) if archive.format == "table" else None,
        **archive.model_dump(include=set(ReadOptions.model_fields) - {"columns"}),
    )


def _staying(spark: SparkSession, root: str, window: DateRange) -> list[str]:
    """The days of the table that the run does not replace."""
    return [day for day in tables.days(spark, root, "tweets") if not window.holds(day, day)]


def _forgotten(spark: SparkSession, root: str) -> DataFrame | None:
    """What must not come back, where there is anything."""
    if not tables.holds(spark, root, ERASED_TABLE):
        return None
    return tables.read(spark, root, ERASED_TABLE, FORGOTTEN_ROWS)


def _read_once(spark: SparkSession, options: ReadOptions, transaction: Transaction) -> DataFrame:
    """The notes of a pass over the archive, which opens and decompresses it once, and stores its tweets."""
    folder = transaction.make_temporary_folder(_STORED)
    source = spark.read.format("tweets").option("options", options.model_dump_json()).option("folder", folder)
    return _written(source.load(), transaction.temporary_folder("notes"))


def _groups(notes: DataFrame) -> list[StoredRowGroup]:
    return [
        StoredRowGroup(row.path, row.group, row.first, tuple(row.days), tuple(row.counts), row.bytes)
        for row in of_kind(notes, "group").collect()
    ]


def _stored(spark: SparkSession, groups: Sequence[StoredRowGroup], transaction: Transaction) -> DataFrame:
    """The tweets of a pass, with the places where they are stored.

    Only files that a note names are read: an attempt of a task that was given up may leave others.
    """
    schema = from_arrow_schema(KEPT)
    files = sorted({join(transaction.temporary_folder(_STORED), group.path) for group in groups})
    if not files:
        return spark.createDataFrame([], schema.add("path", "string").add("row", "long"))
    place = (F.col("_metadata.file_name").alias("path"), F.col("_metadata.row_index").alias("row"))
    return spark.read.schema(schema).parquet(*files).select("*", *place)


def _written(frame: DataFrame, scratch: str, options: Mapping[str, str] | None = None) -> DataFrame:
    """The frame, computed once and read from where it was written."""
    frame.write.options(**options or {}).parquet(scratch)
    return frame.sparkSession.read.schema(frame.schema).parquet(scratch)


def _write_days(
    spark: SparkSession,
    groups: Sequence[StoredRowGroup],
    options: ReadOptions,
    run: str,
    transaction: Transaction,
) -> dict[str, list[str]]:
    """The files of each day, written without what is left out."""
    tasks = plan_day_files(groups, options.cores)
    job = DayFileJob(
        stored=transaction.temporary_folder(_STORED),
        dropped=transaction.temporary_folder(_DROPPED),
        folder=transaction.make_temporary_folder(_DAYS),
        constants={"rules": options.rules.fingerprint, "run": run},
        drop_ids=options.privacy.ids == "drop",
    )
    days: dict[str, list[str]] = defaultdict(list)
    if tasks:
        context = spark.sparkContext
        for file in context.parallelize(tasks, len(tasks)).flatMap(partial(write_day_files, job)).collect():
            days[file.day].append(file.name)
    return days


def _stage_accounts(transaction: Transaction, counted: DataFrame, run: str, window: DateRange) -> DataFrame:
    accounts = counted.withColumn("run", F.lit(run)).withColumn(WINDOW, F.lit(window.name)).coalesce(1)
    written = transaction.stage("accounts", accounts, ACCOUNTS, WINDOW, [window.name])
    transaction.remove_partitions("accounts", WINDOW, lambda name: window.holds(*name.split("..")))
    return written


def _stage_rejects(transaction: Transaction, rejects: DataFrame, run: str, window: DateRange) -> DataFrame:
    rejects = (
        rejects.withColumn("run", F.lit(run))
        .withColumn(WINDOW, F.lit(window.name))
        .hint("rebalance")
        .sortWithinPartitions("source", "offset")
    )
    written = transaction.stage("rejects", rejects, REJECTS, WINDOW, [window.name])
    transaction.remove_partitions("rejects", WINDOW, lambda name: window.holds(*name.split("..")))
    return written


def _count(
    notes: DataFrame, read: DataFrame, tweets: DataFrame, rejects: DataFrame
) -> tuple[dict[str, int], Counter[str]]:
    """The rejects by their reason, and what else there is, each counted where it is: all by one job."""
    once = F.lit(1)
    each = [
        of_kind(notes, "account").select(F.lit("kept").alias("what"), F.lit("").alias("reason"), F.col("kept")),
        read.select(F.lit("read"), F.lit(""), once),
        tweets.select(F.lit("tweets"), F.lit(""), once),
        rejects.select(F.lit("rejects"), "reason", once),
    ]
    rows = reduce(DataFrame.union, each).groupBy("what", "reason").agg(F.sum("kept").alias("count")).collect()
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.what] += row["count"]
    return {row.reason: row["count"] for row in rows if row.what == "rejects"}, counts


def _verify(counts: Mapping[str, int], accounts: DataFrame) -> dict[str, int]:
    """The totals of the accounts, once every record is found where its source's account says that it went."""
    outcomes = sum((F.col(name) for name in _OUTCOMES), F.lit(0))
    sums = {name: F.sum(name) for name in ("lines", *_OUTCOMES, "deleted")}
    noted = {"damaged": F.count_if(F.col("damage") != ""), "skipped": F.count_if(F.col("skipped") != "")}
    totals = tables.totals(accounts, wrong=F.count_if(F.col("lines") != outcomes), **sums, **noted)
    if totals.pop("wrong"):
        wrong = accounts.where(F.col("lines") != outcomes).limit(1).collect()[0]
        raise UserError(f"nothing was published: the counts of {wrong.source} do not add up: {wrong.asDict()}")
    went = totals["tweets"] + totals["duplicates"] + totals["deleted"]
    for what, found, said in (
        ("tweets were written", counts["tweets"], totals["tweets"]),
        ("rejects were written", counts["rejects"], totals["rejects"]),
        ("tweets were read", counts["read"], went),
        ("tweets were kept", counts["kept"], went),
    ):
        if found != said:
            raise UserError(f"nothing was published: {found} {what}, the accounts say {said}")
    return totals


def _first_damage(accounts: DataFrame) -> list[str]:
    damaged = accounts.where(F.col("damage") != "").orderBy("source").limit(_SHOWN_DAMAGE).collect()
    return [f"{row.source}: {row.damage[:_SHOWN_CHARACTERS]}" for row in damaged]


def _refuse_nothing(
    totals: Mapping[str, int], reasons: Mapping[str, int], damage: Sequence[str], window: DateRange
) -> None:
    """An archive without a tweet is a mistake, unless certain days were asked for, which may be empty."""
    if totals["tweets"] or (window.bounded and totals["lines"] > totals["rejects"]):
        return
    why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "none"
    said = [
        f"no tweet found among {totals['lines']:,} records: {totals['filtered']:,} filtered (archive.languages, since, "
        f"until, retweets, hashtags, keywords), {totals['notices']:,} notices, rejected: {why}, {totals['damaged']:,} "
        "damaged files. Nothing was published.",
        *damage,
    ]
    if "malformed-json" in reasons:
        said.append(_IS_IT_A_TABLE)
    raise InputError("\n".join(said))


def _refuse_loss(totals: Mapping[str, int], summary: str) -> None:
    """What archive.strict asks for: that damage and rejects fail the run, whose tables are in place."""
    if totals["rejects"] or totals["damaged"]:
        raise InputError(
            f"archive.strict: {totals['rejects']:,} rejects and {totals['damaged']:,} damaged files, as rejects/ and "
            f"accounts/ say. What could be read was published.\n{summary}"
        )


def _summary(
    totals: Mapping[str, int], reasons: Mapping[str, int], damage: Sequence[str], files: int, window: DateRange
) -> str:
    days = window.name if window.since or window.until else "all days"
    lines = [f"{totals['lines']:,} records of {files:,} file(s), {days}:"]
    lines += [f"  {totals[name]:>12,} {name}" for name in _OUTCOMES]
    lines += [f"  {count:>12,} {reason} (of the rejects)" for reason, count in sorted(reasons.items())]
    forgotten = totals.get("forgotten", 0)
    if by_notice := totals["deleted"] - forgotten:
        lines.append(f"  {by_notice:>12,} deleted by a notice of the archive (of the filtered)")
    if forgotten:
        lines.append(f"  {forgotten:>12,} forgotten before, by `forget` (of the filtered)")
    if totals["damaged"]:
        first = f", the first {len(damage)}" if totals["damaged"] > len(damage) else ""
        lines.append(f"  {totals['damaged']:>12,} damaged files: accounts/, column damage, tells of all{first}:")
        lines += [f"  {'':>12} {one}" for one in damage]
    if totals["skipped"]:
        lines.append(f"  {totals['skipped']:>12,} entries of tars that were not read: see accounts/, column skipped")
    return "\n".join(lines)
