"""forget: erase deleted tweets and authors from every table, and keep them out when `clean` runs again.

The rows to erase are located first. The files that hold them are rewritten without them, accounts and metadata are
adjusted, and everything is published together.
"""

import logging
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.ingest.compliance.lists import DeletionLists
from tonality.model.dataset.encode import count_rows
from tonality.model.dataset.metadata import read_metadata
from tonality.privacy.day_policies import ERASED_TABLE, erasure_salt, read_policies
from tonality.privacy.digests import SALT_BYTES, SaltedDigests
from tonality.privacy.erasure.apply import stage_erasure
from tonality.privacy.erasure.plan import ErasurePlan, ListCounts, summarize
from tonality.privacy.erasure.report_examples import Example, examples_among, parse_examples, shows_erased
from tonality.privacy.erasure.requests import REQUESTS, write_requests
from tonality.privacy.erasure.search import Search, count_unmatched_user_ids
from tonality.privacy.erasure.stale_tables import LOOKUP_COLUMNS, days_without_lookup, stale_scored_days
from tonality.privacy.keys import read_key
from tonality.privacy.pseudonyms import Pseudonyms
from tonality.runtime.diagnostics.errors import InputError, SettingsError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.session import spark_session
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DATASET, DAY, FORGOTTEN, LABELLED, REJECTS, SCORED, TWEETS
from tonality.runtime.storage.transaction import Transaction, begin_transaction
from tonality.runtime.storage.urls import filesystem, join
from tonality.runtime.storage.write_locks import WriteLock

_LOG: Final = logging.getLogger(__name__)

_TWEET_TABLES: Final = {"tweets": TWEETS, "scored": SCORED}
_WRITE_LOCKS: Final = tuple(WriteLock(table) for table in ("tweets", "labelled", "dataset", "scored", "report"))
_REPORT_FILES: Final = ("index.html", "dynamics.csv", "dynamics.png", "examples.csv")
_UNKNOWN_ORIGIN: Final = (
    "dataset/ does not record whether it was made with corpus.labelled: rows with the stems and labels of the erased "
    "tweets were removed, which may be those of a corpus"
)
_ONLY_IN_REPORT: Final = "report/ shows a tweet that is no longer in tweets/ or scored/"


def check(settings: Settings) -> None:
    """Refuse settings without a list, or with a key that cannot be read."""
    if not settings.paths.deletions:
        raise SettingsError("paths.deletions is empty: name the lists of deletions, as files, folders or globs")
    if settings.privacy.key:
        read_key(settings.privacy.key)


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Erase the listed tweets and authors from every table, and remember their digests."""
    check(settings)
    root = settings.paths.root
    with begin_transaction(spark, root, record.id, _WRITE_LOCKS) as transaction:
        _LOG.info("finding the listed tweets and authors")
        erasure = _plan_erasure(spark, settings, transaction)
        if erasure.has_work:
            _LOG.info("erasing from every table")
            stage_erasure(spark, root, transaction, erasure, record.id, partial(_dataset_metadata, root))
            transaction.commit()
    record.add(**erasure.facts())
    return summarize(erasure, "Removed")


def plan(settings: Settings) -> str:
    """Describe what a run would erase. Leaves nothing behind."""
    with (
        spark_session("forget", settings.spark) as spark,
        begin_transaction(spark, settings.paths.root, Run("forget", settings).id, ()) as transaction,
    ):
        erasure = _plan_erasure(spark, settings, transaction)
    return f"{summarize(erasure, 'To be removed')}\nNothing was written."


def _plan_erasure(spark: SparkSession, settings: Settings, transaction: Transaction) -> ErasurePlan:
    """Find everything to erase. Raises InputError if the lists request nothing."""
    root, key = settings.paths.root, settings.privacy.key
    pseudonyms = Pseudonyms(read_key(key)) if key else None
    policies = read_policies(spark, root, tables.days(spark, root, "tweets")).values()
    _refuse_other_keys(policies, pseudonyms)
    salt = erasure_salt(spark, root) or secrets.token_hex(SALT_BYTES)
    lists = DeletionLists(settings.paths.deletions, settings.forget.ids)
    requests = _read_requests(spark, transaction, lists, SaltedDigests(bytes.fromhex(salt)), pseudonyms)
    search = Search(requests, salt, partial(_computed_once, transaction))
    tweets = search.tweets(_existing(spark, root, _TWEET_TABLES))
    removed = dict(tweets.removed)
    for table in _existing(spark, root, {"labelled": LABELLED}).values():
        removed["labelled"] = search.labelled(table, tweets.removed.values())
    digests = _new_digests(spark, root, search.digests(tweets.texts))
    counts = ListCounts(lists.events, lists.no_action, lists.unknown)
    erasure = ErasurePlan(counts, salt, _computed_once(transaction, digests, "new_digests"), removed)
    for table in _existing(spark, root, {"rejects": REJECTS}).values():
        erasure.rejects = search.rejects(table, tweets.texts, removed.values())
    if "labelled" in removed and not removed["labelled"].isEmpty() and tables.exists(spark, root, "dataset"):
        _find_in_dataset(spark, root, search, erasure)
    _find_in_report(spark, root, requests, policies, erasure)
    erasure.remarks += days_without_lookup(spark, root, policies) + stale_scored_days(spark, root)
    if number := count_unmatched_user_ids(requests, tweets.removed.values()):
        erasure.remarks.append(
            f"{number:,} users are listed by a number that matches no author here: archives that name their authors "
            "do not have their numbers stored. List their names too, as @name, or their tweets by id"
        )
    erasure.count()
    return erasure


def _refuse_other_keys(policies: Iterable[Mapping[str, Any]], pseudonyms: Pseudonyms | None) -> None:
    """Raise SettingsError if the pseudonyms in tweets/ were made with another key than the given one."""
    keys = {str(policy.get("key")) for policy in policies if policy.get("key")}
    if keys and (pseudonyms is None or keys != {pseudonyms.check}):
        found = "is another key" if pseudonyms else "is empty"
        raise SettingsError(
            f"privacy.key {found}, but tweets/ holds pseudonyms: name the key that its days were cleaned with; "
            "without it nothing on the lists is found"
        )


def _read_requests(
    spark: SparkSession,
    transaction: Transaction,
    lists: DeletionLists,
    digests: SaltedDigests,
    pseudonyms: Pseudonyms | None,
) -> DataFrame:
    """The erasure requests of the lists as a table. Raises InputError if there are none."""
    folder = transaction.make_temporary_folder("requests")
    write_requests(((deletion.tweet_id, deletion.author) for deletion in lists), folder, digests, pseudonyms)
    if not lists.events:
        others = ", ".join(f"{count:,} {event}" for event, count in lists.no_action.most_common()) or "none"
        raise InputError(
            f"no tweet or author to erase in the lists: {lists.unknown:,} lines in no known format, others that "
            f"request no erasure: {others}. Expected one tweet id or @name per line, CSV with a column tweet_id or id "
            "or with columns of authors only, or Twitter's compliance messages"
        )
    return spark.read.schema(from_arrow_schema(REQUESTS)).parquet(folder)


def _existing(spark: SparkSession, root: str, schemas: Mapping[str, pa.Schema]) -> dict[str, DataFrame]:
    """Those of the tables that exist."""
    return {
        name: tables.read(spark, root, name, schema)
        for name, schema in schemas.items()
        if tables.exists(spark, root, name)
    }


def _new_digests(spark: SparkSession, root: str, digests: DataFrame) -> DataFrame:
    """The digests that forgotten/ does not have yet."""
    for known in _existing(spark, root, {ERASED_TABLE: FORGOTTEN}).values():
        digests = digests.join(known, on=["kind", "mark"], how="left_anti")
    return digests


def _find_in_dataset(spark: SparkSession, root: str, search: Search, erasure: ErasurePlan) -> None:
    """Add the training rows made from erased labelled tweets, unless the dataset is made from a corpus only."""
    metadata = read_metadata(root)
    if metadata.labelled is False:
        return
    if metadata.labelled is None:
        erasure.remarks.append(_UNKNOWN_ORIGIN)
    for part in (f"split={name}" for name in metadata.rows):
        rows = tables.read(spark, root, f"dataset/{part}", DATASET)
        erasure.dataset[part] = search.dataset(part, rows, erasure.removed["labelled"])


def _find_in_report(
    spark: SparkSession,
    root: str,
    requests: DataFrame,
    policies: Collection[Mapping[str, Any]],
    erasure: ErasurePlan,
) -> None:
    """Add the report's files if the page shows, or may show, an erased tweet or one that has left all tables."""
    existing = tuple(f"report/{name}" for name in _REPORT_FILES if tables.exists(spark, root, f"report/{name}"))
    removed = erasure.removed.values()
    if "report/examples.csv" in existing:
        system, path = filesystem(join(root, "report", "examples.csv"))
        examples = parse_examples(system.cat_file(path))
        outdated = shows_erased(examples, requests, removed)
        if not outdated and (outdated := _is_in_no_table(spark, root, examples)):
            erasure.remarks.append(_ONLY_IN_REPORT)
    else:  # the examples of such a page are unknown
        outdated = bool(existing) and any(not rows.isEmpty() for rows in removed)
    if outdated or (existing and _has_new_hidden_requests(policies, erasure.new_digests)):
        erasure.reports = existing


def _is_in_no_table(spark: SparkSession, root: str, examples: Sequence[Example]) -> bool:
    """True if an example has left the tables without `forget`: `clean` dropped it, and `score` followed."""
    days, missing = sorted({example.created_at[:10] for example in examples}), set(examples)
    for rows in _existing(spark, root, {"scored": SCORED, "tweets": TWEETS}).values():
        if missing:
            missing -= examples_among(rows.where(F.col(DAY).cast("string").isin(*days)), missing)
    return bool(missing)


def _has_new_hidden_requests(policies: Collection[Mapping[str, Any]], new_digests: DataFrame) -> bool:
    """True if the lists have new requests by a column that days of tweets/ have dropped."""
    hidden = [kind for kind, name in LOOKUP_COLUMNS.items() if any(policy.get(name) == "drop" for policy in policies)]
    return bool(hidden) and not new_digests.where(F.col("kind").isin(*hidden)).isEmpty()


def _computed_once(transaction: Transaction, frame: DataFrame, name: str) -> DataFrame:
    """The frame, written to a temporary folder and read back from it."""
    folder = transaction.temporary_folder(name)
    frame.write.parquet(folder)
    return frame.sparkSession.read.schema(frame.schema).parquet(folder)


def _dataset_metadata(root: str, parts: Mapping[str, DataFrame]) -> dict[str, Any]:
    """The metadata of dataset/ with the row counts of its rewritten partitions, `split=<name>`."""
    rows = {part.removeprefix("split="): count_rows(split) for part, split in parts.items()}
    return read_metadata(root).model_copy(update={"rows": rows}).model_dump(mode="json")
