"""What may stand in the tables still of what must go, since `forget` cannot look it up or they are behind `tweets/`."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from pyspark.sql import SparkSession

from tonality.privacy.erasure.requests import AUTHOR, TWEET
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, ORIGIN_FILE

__all__ = ["LOOKED_UP_BY", "behind", "not_looked_up"]

LOOKED_UP_BY: Final = {TWEET: "ids", AUTHOR: "authors"}
"""What days of tweets/ must have, where such a one is to be found in them."""

_FOLLOWING: Final = {"scored": "score", "labelled": "label", "dataset": "prepare", "report": "report"}
"""Tables that follow tweets/, and the stages that make them again."""


def not_looked_up(spark: SparkSession, root: str, noted: Collection[Mapping[str, Any]]) -> list[str]:
    """What is said of days that do not have what a list names."""
    dropped = {name: sum(note.get(name) == "drop" for note in noted) for name in LOOKED_UP_BY.values()}
    return [
        f"{days:,} days of tweets/ have no {name} (privacy.{name} = drop), by which a list could be looked up there: "
        f"`clean` those days again, which leaves out what is forgotten{_then_run(spark, root)}"
        for name, days in dropped.items()
        if days
    ]


def behind(spark: SparkSession, root: str) -> list[str]:
    """What is said of days that were scored before `clean` made them again."""
    days, there = tables.days(spark, root, "scored"), tables.days(spark, root, "tweets")
    origins = tables.partition_files(spark, root, "scored", DAY, days, ORIGIN_FILE)
    versions = tables.versions(spark, root, "tweets", DAY, sorted(set(days).intersection(there)))
    number = sum(origin.get("tweets") != versions.get(day, "") for day, origin in origins.items())
    if not number:
        return []
    return [
        f"{number:,} days of scored/ are not of tweets/ as they are: what `clean` has left out since may be there still"
        f"{_then_run(spark, root)}"
    ]


def _then_run(spark: SparkSession, root: str) -> str:
    """The stages by which the tables that there are follow tweets/, in their order."""
    stages = [stage for table, stage in _FOLLOWING.items() if tables.holds(spark, root, table)]
    if "label" not in stages and "prepare" in stages:  # of a corpus alone
        stages.remove("prepare")
    return (
        f"; then run {', '.join(f'`{stage}`' for stage in stages)}, whose tables hold it until then" if stages else ""
    )
