"""forget: what was deleted goes from every table, and does not come back with the next run of clean.

The rows that must go are found first, by their places in the files. The files that hold them are written again without
them, accounts and notes are brought into line, and all of it is published together.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.ingest.compliance.lists import DeletionLists
from tonality.model.dataset.encode import side_of
from tonality.model.dataset.metadata import read_metadata
from tonality.privacy.day_policies import ERASED_TABLE, erasure_salt, policies, record_salt
from tonality.privacy.digests import SALT_BYTES, SaltedDigests
from tonality.privacy.erasure.adjust_accounts import moved
from tonality.privacy.erasure.match_rows import PLACE, located, part_of
from tonality.privacy.erasure.plan import ErasurePlan, Lines, in_words
from tonality.privacy.erasure.report_examples import Example, among, examples_of, shows
from tonality.privacy.erasure.requests import ENTRIES, write_entries
from tonality.privacy.erasure.rewrite_files import NewFile, RewriteJob, TableFile, rewrite
from tonality.privacy.erasure.scrub_rejects import emptied
from tonality.privacy.erasure.search import Search, unmatched
from tonality.privacy.erasure.stale_tables import LOOKED_UP_BY, behind, not_looked_up
from tonality.privacy.keys import read_key
from tonality.privacy.pseudonyms import Pseudonyms
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.session import spark_session
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
from tonality.runtime.storage.transaction import Transaction, begin_transaction
from tonality.runtime.storage.urls import filesystem, join
from tonality.runtime.storage.write_locks import WriteLock

_OF_TWEETS: Final = {"tweets": TWEETS, "scored": SCORED}
_OF_DAYS: Final = {**_OF_TWEETS, "labelled": LABELLED}
_EVERYTHING: Final = tuple(WriteLock(table) for table in ("tweets", "labelled", "dataset", "scored", "report"))
_REPORT: Final = ("index.html", "dynamics.csv", "dynamics.png", "examples.csv")
_SMALL_GROUPS: Final = {"parquet.block.size": str(2**20)}
"""For a table that is read in parts, by many."""
_UNKNOWN_ORIGIN: Final = (
    "dataset/ does not say whether it was made with corpus.labelled: rows of the removed tweets' stems and labels were "
    "taken out, which may be those of a corpus"
)
_SHOWN_ALONE: Final = "report/ shows a tweet that is neither in tweets/ nor in scored/ any more"


def check(settings: Settings) -> None:
    """Refuse settings that name no list, or a key that cannot be read."""
    if not settings.paths.deletions:
        raise SettingsError("paths.deletions is empty: name the lists of what must go, files, folders or globs")
    if settings.privacy.key:
        read_key(settings.privacy.key)


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Remove what the lists name from every table, and remember it."""
    check(settings)
    root = settings.paths.root
    with begin_transaction(spark, root, record.id, _EVERYTHING) as transaction:
        found = _found(spark, settings, transaction)
        if found.has_work:
            _stage(spark, root, transaction, found, record.id)
            transaction.commit()
    record.add(**found.facts())
    return in_words(found, "Removed")


def plan(settings: Settings) -> str:
    """What a run would remove. Writes nothing that stays."""
    with (
        spark_session("forget", settings.spark) as spark,
        begin_transaction(spark, settings.paths.root, Run("forget", settings).id, ()) as transaction,
    ):
        found = _found(spark, settings, transaction)
    return f"{in_words(found, 'To be removed')}\nNothing was written."


def _found(spark: SparkSession, settings: Settings, transaction: Transaction) -> ErasurePlan:
    """All that must go. Raises InputError where the lists name nothing."""
    root, key = settings.paths.root, settings.privacy.key
    pseudonyms = Pseudonyms(read_key(key)) if key else None
    noted = policies(spark, root, tables.days(spark, root, "tweets")).values()
    _refuse_other_keys(noted, pseudonyms)
    salt = erasure_salt(spark, root) or secrets.token_hex(SALT_BYTES)
    lists = DeletionLists(settings.paths.deletions, settings.forget.ids)
    entries = _entries(spark, transaction, lists, SaltedDigests(bytes.fromhex(salt)), pseudonyms)
    search = Search(entries, salt, partial(_written, transaction))
    tweets = search.tweets(_there(spark, root, _OF_TWEETS))
    removed = dict(tweets.removed)
    for table in _there(spark, root, {"labelled": LABELLED}).values():
        removed["labelled"] = search.labelled(table, tweets.removed.values())
    digests = _new(spark, root, search.digests(tweets.texts))
    lines = Lines(lists.events, lists.nothing_goes, lists.unknown)
    found = ErasurePlan(lines, salt, _written(transaction, digests, "new_digests"), removed)
    for table in _there(spark, root, {"rejects": REJECTS}).values():
        found.rejects = search.rejects(table, tweets.texts, removed.values())
    if "labelled" in removed and not removed["labelled"].isEmpty() and tables.holds(spark, root, "dataset"):
        _find_in_dataset(spark, root, search, found)
    _find_in_report(spark, root, entries, noted, found)
    found.remarks += not_looked_up(spark, root, noted) + behind(spark, root)
    if number := unmatched(entries, tweets.removed.values()):
        found.remarks.append(
            f"{number:,} users are listed by a number that no author here has, or has any more: where an archive names "
            "its authors, their numbers are not stored. List the names too, as @name, or their tweets by id"
        )
    found.count()
    return found


def _refuse_other_keys(noted: Iterable[Mapping[str, Any]], pseudonyms: Pseudonyms | None) -> None:
    """Raise SettingsError where the key of the pseudonyms in tweets/ is not the one given."""
    keys = {str(note.get("key")) for note in noted if note.get("key")}
    if keys and (pseudonyms is None or keys != {pseudonyms.check}):
        found = "is of another key" if pseudonyms else "is empty"
        raise SettingsError(
            f"privacy.key {found}, and tweets/ holds pseudonyms: name the key that its days were cleaned with, or "
            "nothing of the lists is found"
        )


def _entries(
    spark: SparkSession,
    transaction: Transaction,
    lists: DeletionLists,
    digests: SaltedDigests,
    pseudonyms: Pseudonyms | None,
) -> DataFrame:
    """What the lists name, as a table. Raises InputError where that is nothing."""
    folder = transaction.make_temporary_folder("entries")
    write_entries(((one.tweet_id, one.author) for one in lists), folder, digests, pseudonyms)
    if not lists.events:
        others = ", ".join(f"{count:,} {event}" for event, count in lists.nothing_goes.most_common())
        raise InputError(
            f"no tweet or author to forget in the lists: {lists.unknown:,} lines of no known form; nothing goes for "
            f"{others or 'any other'}. Wanted: a tweet's id or @name a line, CSV with a column tweet_id or id, or with "
            "columns of authors alone, or Twitter's compliance messages"
        )
    return spark.read.schema(from_arrow_schema(ENTRIES)).parquet(folder)


def _there(spark: SparkSession, root: str, expected: dict[str, pa.Schema]) -> dict[str, DataFrame]:
    """Those of the tables that are there."""
    return {
        name: tables.read(spark, root, name, schema)
        for name, schema in expected.items()
        if tables.holds(spark, root, name)
    }


def _new(spark: SparkSession, root: str, digests: DataFrame) -> DataFrame:
    """The digests that are not remembered yet."""
    for known in _there(spark, root, {ERASED_TABLE: FORGOTTEN}).values():
        digests = digests.join(known, on=["kind", "mark"], how="left_anti")
    return digests


def _find_in_dataset(spark: SparkSession, root: str, search: Search, found: ErasurePlan) -> None:
    """The training rows that came from removed labelled tweets, as far as anybody knows."""
    note = read_metadata(root)
    if note.labelled is False:
        return
    if note.labelled is None:
        found.remarks.append(_UNKNOWN_ORIGIN)
    for part in (f"split={side}" for side in note.rows):
        rows = tables.read(spark, root, f"dataset/{part}", DATASET)
        found.dataset[part] = search.dataset(part, rows, found.removed["labelled"])


def _find_in_report(
    spark: SparkSession, root: str, entries: DataFrame, noted: Collection[Mapping[str, Any]], found: ErasurePlan
) -> None:
    """The files of the report, where an example on its page goes, or has gone from all tables, or nobody can tell."""
    there = tuple(f"report/{name}" for name in _REPORT if tables.holds(spark, root, f"report/{name}"))
    removed = found.removed.values()
    if "report/examples.csv" in there:
        system, path = filesystem(join(root, "report", "examples.csv"))
        examples = examples_of(system.cat_file(path))
        goes = shows(examples, entries, removed)
        if not goes and (goes := _is_in_no_table(spark, root, examples)):
            found.remarks.append(_SHOWN_ALONE)
    else:  # a page that nobody can look through
        goes = bool(there) and any(not rows.isEmpty() for rows in removed)
    if goes or (there and _is_new_and_hidden(noted, found.new_digests)):
        found.reports = there


def _is_in_no_table(spark: SparkSession, root: str, examples: Sequence[Example]) -> bool:
    """Whether one of them has left the tables by another way: `clean` has left it out, and `score` has followed."""
    days, left = sorted({one.created_at[:10] for one in examples}), set(examples)
    for rows in _there(spark, root, {"scored": SCORED, "tweets": TWEETS}).values():
        if left:
            left -= among(rows.where(_among(DAY, days)), left)
    return bool(left)


def _is_new_and_hidden(noted: Collection[Mapping[str, Any]], new_digests: DataFrame) -> bool:
    """Whether the lists name, for the first time, what days of tweets/ do not tell of themselves."""
    hidden = [kind for kind, name in LOOKED_UP_BY.items() if any(note.get(name) == "drop" for note in noted)]
    return bool(hidden) and not new_digests.where(_among("kind", hidden)).isEmpty()


def _written(transaction: Transaction, frame: DataFrame, name: str) -> DataFrame:
    """The frame, computed once and read from where it was written."""
    place = transaction.temporary_folder(name)
    frame.write.parquet(place)
    return frame.sparkSession.read.schema(frame.schema).parquet(place)


def _stage(spark: SparkSession, root: str, transaction: Transaction, found: ErasurePlan, run: str) -> None:
    """The tables without what goes, where no reader sees them yet."""
    for table, schema in _OF_DAYS.items():
        if found.counts.get(table):
            _stage_days(spark, root, transaction, table, schema, found)
    if found.counts.get("tweets"):
        _stage_accounts(spark, root, transaction, found.removed["tweets"])
    if found.counts.get("scored"):
        _stage_origins(spark, root, transaction, found)
    if found.counts.get("dataset"):
        _stage_dataset(spark, root, transaction, found)
    if found.rejects is not None and found.counts["rejects"]:
        _stage_rejects(spark, root, transaction, found.rejects)
    if found.remembered:
        transaction.stage(ERASED_TABLE, found.new_digests.withColumn("run", F.lit(run)), FORGOTTEN, "run", [run])
        record_salt(transaction, run, found.salt)
    for report in found.reports:
        transaction.remove(report)


def _stage_days(
    spark: SparkSession,
    root: str,
    transaction: Transaction,
    table: str,
    schema: pa.Schema,
    found: ErasurePlan,
) -> None:
    """The days of a table that lose rows: the files that hold them again, their others as they are."""
    rows = found.removed[table]
    files = _without(spark, root, transaction, table, _values(rows, "part"), rows, found.counts[table])
    by_day = {part.removeprefix(f"{DAY}="): names for part, names in files.items()}
    transaction.add_files(table, f"files_{table}", by_day, schema)
    transaction.copy_partition_files(table, DAY, by_day, besides=ORIGIN_FILE)


def _without(
    spark: SparkSession,
    root: str,
    transaction: Transaction,
    table: str,
    parts: Sequence[str],
    places: DataFrame,
    count: int,
) -> dict[str, list[str]]:
    """New files of these parts, without the rows at the places, in the scratch folder `files_<table>`."""
    gone, new = transaction.temporary_folder(f"gone_{table}"), transaction.make_temporary_folder(f"files_{table}")
    places.select(*PLACE).sort(*PLACE).write.options(**_SMALL_GROUPS).parquet(gone)
    losing = {(row["part"], row["name"]) for row in places.select("part", "name").distinct().collect()}
    there = tables.files(spark, root, table, parts)
    files = [TableFile(part, name, (part, name) in losing) for part, names in there.items() for name in names]
    tasks = spark.sparkContext.parallelize([[file] for file in files], max(1, len(files)))
    written: list[NewFile] = tasks.flatMap(partial(rewrite, RewriteJob(join(root, table), gone, new))).collect()
    went = sum(file.before - file.after for file in written)
    if went != count:
        raise UserError(f"nothing was removed: {went:,} rows of {table}/ went, {count:,} were to go")
    return {part: [file.name for file in written if file.part == part] for part in parts}


def _stage_accounts(spark: SparkSession, root: str, transaction: Transaction, removed: DataFrame) -> None:
    for table in _there(spark, root, {"accounts": ACCOUNTS}).values():
        accounts = moved(table, removed)
        windows = _values(accounts.where(F.col("gone") > 0), WINDOW)
        transaction.stage("accounts", accounts.where(_among(WINDOW, windows)).coalesce(1), ACCOUNTS, WINDOW, windows)


def _stage_origins(spark: SparkSession, root: str, transaction: Transaction, found: ErasurePlan) -> None:
    """What the scored days follow from: of those that were up to date, the days of tweets as they are to be."""
    days = [part.removeprefix(f"{DAY}=") for part in _values(found.removed["scored"], "part")]
    of_tweets = _values(found.removed["tweets"], "part") if "tweets" in found.removed else []
    replaced = {part.removeprefix(f"{DAY}=") for part in of_tweets}.intersection(days)
    before = tables.versions(spark, root, "tweets", DAY, sorted(replaced))
    after = transaction.versions("tweets", DAY, sorted(replaced))
    origins = tables.partition_files(spark, root, "scored", DAY, days, ORIGIN_FILE)
    for day, origin in origins.items():
        if origin:
            up_to_date = day in replaced and origin.get("tweets") == before[day]
            content = {**origin, "tweets": after[day]} if up_to_date else origin
            transaction.write_partition_file("scored", DAY, day, ORIGIN_FILE, content)


def _stage_dataset(spark: SparkSession, root: str, transaction: Transaction, found: ErasurePlan) -> None:
    note = read_metadata(root)
    places = reduce(DataFrame.union, found.dataset.values())
    files = _without(spark, root, transaction, "dataset", list(found.dataset), places, found.counts["dataset"])
    sides = transaction.add_table("dataset", "files_dataset", files, DATASET)
    rows = {part.removeprefix("split="): side_of(side) for part, side in sides.items()}
    transaction.write_metadata("dataset", note.model_copy(update={"rows": rows}).model_dump(mode="json"))


def _stage_rejects(spark: SparkSession, root: str, transaction: Transaction, places: DataFrame) -> None:
    windows = [part.removeprefix(f"{WINDOW}=") for part in _values(places, "part")]
    rejects = tables.read(spark, root, "rejects", REJECTS).where(_among(WINDOW, windows))
    rows = emptied(located(rejects, part_of(WINDOW), *REJECTS.names), places).sortWithinPartitions("source", "offset")
    transaction.stage("rejects", rows, REJECTS, WINDOW, windows)


def _values(rows: DataFrame, column: str) -> list[str]:
    return sorted(str(row[0]) for row in rows.select(column).distinct().collect())


def _among(column: str, values: Sequence[str]) -> Column:
    return F.col(column).cast("string").isin(*values) if values else F.lit(False)
