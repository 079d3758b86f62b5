"""Erased tweets that may remain in derived tables: `forget` cannot look them up there, or the tables are stale."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from pyspark.sql import SparkSession

from tonality.privacy.erasure.requests import AUTHOR, TWEET
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, ORIGIN_FILE

__all__ = ["LOOKUP_COLUMNS", "days_without_lookup", "stale_scored_days"]

LOOKUP_COLUMNS: Final = {TWEET: "ids", AUTHOR: "authors"}
"""By kind of request: the setting of [privacy] whose column the days of tweets/ need for a look-up."""

_DERIVED: Final = {"scored": "score", "labelled": "label", "dataset": "prepare", "report": "report"}
"""Tables derived from tweets/, and the stages that write them."""


def days_without_lookup(spark: SparkSession, root: str, policies: Collection[Mapping[str, Any]]) -> list[str]:
    """Return a message for each column that some days of tweets/ dropped, so that requests cannot be looked up."""
    dropped = {name: sum(policy.get(name) == "drop" for policy in policies) for name in LOOKUP_COLUMNS.values()}
    return [
        f"on {counted(days, 'day')} tweets/ has no {name} (privacy.{name} = drop), so requests cannot be "
        f"looked up there: `clean` those days again, which drops erased tweets{_then_run(spark, root)}"
        for name, days in dropped.items()
        if days
    ]


def stale_scored_days(spark: SparkSession, root: str) -> list[str]:
    """Return a message if days of scored/ do not follow from the current days of tweets/."""
    days, cleaned = tables.days(spark, root, "scored"), tables.days(spark, root, "tweets")
    origins = tables.read_partition_files(spark, root, "scored", DAY, days, ORIGIN_FILE)
    versions = tables.versions(spark, root, "tweets", DAY, sorted(set(days).intersection(cleaned)))
    stale = sum(origin.get("tweets") != versions.get(day, "") for day, origin in origins.items())
    if not stale:
        return []
    return [
        f"{counted(stale, 'day')} of scored/ not scored from the current tweets/: tweets that `clean` has dropped "
        f"since may remain there{_then_run(spark, root)}"
    ]


def _then_run(spark: SparkSession, root: str) -> str:
    """Name the stages, in order, that update the existing tables derived from tweets/."""
    stages = [stage for table, stage in _DERIVED.items() if tables.exists(spark, root, table)]
    if "label" not in stages and "prepare" in stages:  # the dataset comes only from a corpus
        stages.remove("prepare")
    names = ", ".join(f"`{stage}`" for stage in stages)
    return f"; then run {names}, whose tables hold erased tweets until then" if stages else ""
