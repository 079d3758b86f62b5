"""score: the probability of being positive of every clean tweet.

Each task scores the tweets of some files, or of a part of one, and writes one file per day, ordered by time. Nothing is
shuffled, and a day with many tweets is shared by many tasks.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.spark_udf import packed_model_for, scoring_udf
from tonality.model.inference.tone import tone
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError, UserError
from tonality.runtime.runs.record import Run
from tonality.runtime.runs.text_rules_check import refuse_other_rules
from tonality.runtime.settings.sections import ScoreSettings, Settings
from tonality.runtime.spark.session import tasks_per_core
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, ORIGIN_FILE, SCORED, TONES, TWEETS
from tonality.runtime.storage.transaction import begin_transaction
from tonality.runtime.storage.write_locks import WriteLock

_LOG: Final = logging.getLogger(__name__)

_OTHER_RULES: Final = (
    "Expected the model's rules: set them in [text] and run `clean` again, or `prepare` and `train` with those found."
)
_TASKS_PER_CORE: Final = 4
_PARQUET_OPTIONS: Final = {
    "parquet.block.size": str(2**25),
    **{f"parquet.enable.dictionary#{name}": "false" for name in ("tweet_id", "created_at", "text", "probability")},
    "parquet.column.statistics.enabled#text": "false",
}
"""Parquet options: row groups small enough for several readers, no dictionaries of values that hardly ever repeat, and
no minimum and maximum of texts, which nobody queries."""


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Score the requested days, except those with up-to-date scores, and publish them."""
    root, options = settings.paths.root, settings.score
    artifact = ModelRegistry(root).read_production()
    model = packed_model_for(spark, artifact, options.precision, options.device)
    write_lock = WriteLock("scored", options.since, options.until)
    with (
        begin_transaction(spark, root, record.id, [write_lock]) as transaction,
        tasks_per_core(spark, _TASKS_PER_CORE),
    ):
        origins = _origins(spark, settings, artifact, model)
        days = list(origins) if options.days == "all" else _outdated_days(spark, settings, origins)
        tweets = _tweets(spark, root, days, artifact)
        _LOG.info(f"scoring {counted(len(days), 'day')} of {len(origins):,}")
        scored = _score(tweets, model, artifact.fingerprint, settings, record.id)
        written = transaction.stage("scored", scored, SCORED, DAY, days, _PARQUET_OPTIONS)
        for day in days:
            transaction.write_partition_file("scored", DAY, day, ORIGIN_FILE, {**origins[day], "run": record.id})
        transaction.remove_partitions("scored", DAY, _has_no_tweets(spark, settings))
        counts = _count(written)
        _verify(sum(counts.values()), tweets.count())
        transaction.commit()
    record.add(
        model=artifact.fingerprint,
        precision=model.precision,
        device=model.device,
        days=len(days),
        days_as_they_were=len(origins) - len(days),
        reads={"tweets": {"rows": sum(counts.values()), "days": len(days)}},
        writes={"scored": {"rows": sum(counts.values()), "days": len(days)}},
        counts=counts,
    )
    return _summary(counts, len(days), len(origins) - len(days), artifact.fingerprint)


def _origins(
    spark: SparkSession, settings: Settings, artifact: Artifact, model: PackedModel
) -> dict[str, dict[str, Any]]:
    """The origin of each requested day's scores: model, precision, device, thresholds and version of its tweets.

    Raises InputError if tweets/ has none of the days.
    """
    root, options, survey = settings.paths.root, settings.score, settings.survey
    existing = tables.days(spark, root, "tweets")
    days = [day for day in existing if _is_requested(day, options)]
    if not days:
        found = f"it has {existing[0]} to {existing[-1]}" if existing else "it has none: run `clean` first"
        period = f"between {options.since or 'start'} and {options.until or 'end'}"
        raise InputError(f"tweets/ under {root} has no day {period}; {found}")
    versions = tables.versions(spark, root, "tweets", DAY, days)
    scored_with = {
        "model": artifact.fingerprint,
        "precision": model.precision,
        "device": model.device,
        "positive": survey.positive,
        "negative": survey.negative,
    }
    return {day: {**scored_with, "tweets": version} for day, version in versions.items()}


def _is_requested(day: str, options: ScoreSettings) -> bool:
    """True if the day is in the requested range. ISO dates compare as text."""
    return (options.since is None or day >= str(options.since)) and (options.until is None or day <= str(options.until))


def _outdated_days(spark: SparkSession, settings: Settings, origins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The days without scores, or whose scores have another origin.

    Precision and device are compared only if the settings name them: `auto` may change from night to night with the
    driver's machine.
    """
    options = settings.score
    ignored = {name for name in ("precision", "device") if getattr(options, name) == "auto"}
    published = tables.read_partition_files(spark, settings.paths.root, "scored", DAY, list(origins), ORIGIN_FILE)

    def is_outdated(day: str, origin: Mapping[str, Any]) -> bool:
        return any(published[day].get(name) != origin[name] for name in origin.keys() - ignored)

    return [day for day, origin in origins.items() if is_outdated(day, origin)]


def _has_no_tweets(spark: SparkSession, settings: Settings) -> Callable[[str], bool]:
    """A test for requested days that tweets/ no longer has. It lists tweets/ at its first call: during publishing."""

    @cache
    def existing() -> frozenset[str]:
        return frozenset(tables.days(spark, settings.paths.root, "tweets"))

    return lambda day: _is_requested(day, settings.score) and day not in existing()


def _tweets(spark: SparkSession, root: str, days: Collection[str], artifact: Artifact) -> DataFrame:
    """The tweets of the days. Raises InputError if they were cleaned with other text rules than the model's."""
    tweets = tables.read(spark, root, "tweets", TWEETS).where(F.col(DAY).cast("string").isin(*days))
    refuse_other_rules(tweets, root, "tweets", artifact.rules, artifact.rules_fingerprint, _OTHER_RULES)
    return tweets


def _score(tweets: DataFrame, model: PackedModel, fingerprint: str, settings: Settings, run: str) -> DataFrame:
    probability = scoring_udf(tweets.sparkSession, model, settings.score.batch_rows)
    survey = settings.survey
    return (
        tweets.withColumn("probability", probability(F.col("stems")))
        .withColumn("tonality", tone(F.col("probability"), survey.positive, survey.negative))
        .withColumn("model", F.lit(fingerprint))
        .withColumn("tweets_run", F.col("run"))
        .withColumn("run", F.lit(run))
        .select(*SCORED.names)
        .sortWithinPartitions(
            DAY, "created_at", "tweet_id"
        )  # instead of Spark's own sort by day, which loses the order if it spills
    )


def _count(scored: DataFrame) -> dict[str, int]:
    counts = {row.tonality: row["count"] for row in scored.groupBy("tonality").count().collect()}
    return {name: counts.get(name, 0) for name in TONES}


def _verify(scored: int, tweets: int) -> None:
    if scored != tweets:
        raise UserError(f"nothing was published: {scored:,} rows were scored, but there are {tweets:,} tweets")


def _summary(counts: dict[str, int], days: int, up_to_date: int, model: str) -> str:
    rest = f"; {counted(up_to_date, 'day')} scored by it already" if up_to_date else ""
    lines = [f"{counted(sum(counts.values()), 'tweet')} of {counted(days, 'day')} scored by model {model}{rest}:"]
    return "\n".join([*lines, *(f"  {count:>12,} {name}" for name, count in counts.items())])
