"""score: every clean tweet's probability of being positive.

A task scores the tweets of its files, or of a part of one, and writes those of a day in the order of time, into a file
of their own: nothing is shuffled, and a day of many tweets is many tasks.
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality.model.inference.packed_model import PackedModel
from tonality.model.inference.spark_udf import packed_model_for, scoring_udf
from tonality.model.inference.tone_spark import tone
from tonality.model.registry.artifact import Artifact
from tonality.model.registry.registry import ModelRegistry
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError, UserError
from tonality.runtime.runs.record import Run
from tonality.runtime.runs.text_rules import refuse_other_rules
from tonality.runtime.settings.sections import ScoreSettings, Settings
from tonality.runtime.spark.session import tasks_per_core
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, ORIGIN_FILE, SCORED, TONES, TWEETS
from tonality.runtime.storage.transaction import begin_transaction
from tonality.runtime.storage.write_locks import WriteLock

_OTHER_RULES: Final = (
    "The model's rules are expected: run `clean` again with them in [text], or `prepare` and `train` with those found."
)
_TASKS_PER_CORE: Final = 4
_WRITING: Final = {
    "parquet.block.size": str(2**25),
    **{f"parquet.enable.dictionary#{name}": "false" for name in ("tweet_id", "created_at", "text", "probability")},
    "parquet.column.statistics.enabled#text": "false",
}
"""Row groups small enough to be shared out among readers; no dictionaries of what hardly ever comes twice, and no
smallest and largest text, which nobody looks for."""


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Score the asked days, but those that are as this model would score them, and publish them."""
    root, asked = settings.paths.root, settings.score
    artifact = ModelRegistry(root).read_production()
    model = packed_model_for(spark, artifact, asked.precision, asked.device)
    claim = WriteLock("scored", asked.since, asked.until)
    with (
        begin_transaction(spark, root, record.id, [claim]) as transaction,
        tasks_per_core(spark, _TASKS_PER_CORE),
    ):
        origins = _origins(spark, settings, artifact, model)
        days = list(origins) if asked.days == "all" else _not_scored(spark, settings, origins)
        tweets = _tweets(spark, root, days, artifact)
        scored = _score(tweets, model, artifact.fingerprint, settings, record.id)
        written = transaction.stage("scored", scored, SCORED, DAY, days, _WRITING)
        for day in days:
            transaction.write_partition_file("scored", DAY, day, ORIGIN_FILE, {**origins[day], "run": record.id})
        transaction.remove_partitions("scored", DAY, _without_tweets(spark, settings))
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
    """What the scores of each asked day follow from: the model and how it computes, the day's tweets, the thresholds.

    Raises InputError where there is no such day.
    """
    root, asked, survey = settings.paths.root, settings.score, settings.survey
    there = tables.days(spark, root, "tweets")
    days = [day for day in there if _asked(day, asked)]
    if not days:
        range_there = f"it has {there[0]} to {there[-1]}" if there else "it has none: run `clean` first"
        asked_range = f"between {asked.since or 'start'} and {asked.until or 'end'}"
        raise InputError(f"tweets/ under {root} has no day {asked_range}; {range_there}")
    versions = tables.versions(spark, root, "tweets", DAY, days)
    made_by = {
        "model": artifact.fingerprint,
        "precision": model.precision,
        "device": model.device,
        "positive": survey.positive,
        "negative": survey.negative,
    }
    return {day: {**made_by, "tweets": version} for day, version in versions.items()}


def _asked(day: str, asked: ScoreSettings) -> bool:
    """ISO dates compare as text."""
    return (asked.since is None or day >= str(asked.since)) and (asked.until is None or day <= str(asked.until))


def _not_scored(spark: SparkSession, settings: Settings, origins: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The days whose scores, if there are any, follow from something else.

    The precision and the device count where they are asked for by name: what `auto` stands for may change from night to
    night with the driver's machine.
    """
    asked = settings.score
    either = {name for name in ("precision", "device") if getattr(asked, name) == "auto"}
    notes = tables.partition_files(spark, settings.paths.root, "scored", DAY, list(origins), ORIGIN_FILE)

    def is_new(day: str, origin: Mapping[str, Any]) -> bool:
        return any(notes[day].get(name) != origin[name] for name in origin.keys() - either)

    return [day for day, origin in origins.items() if is_new(day, origin)]


def _without_tweets(spark: SparkSession, settings: Settings) -> Callable[[str], bool]:
    """Whether an asked day has gone from the tweets, as they are when it is first asked: while the run publishes."""

    @cache
    def there() -> frozenset[str]:
        return frozenset(tables.days(spark, settings.paths.root, "tweets"))

    return lambda day: _asked(day, settings.score) and day not in there()


def _tweets(spark: SparkSession, root: str, days: Collection[str], artifact: Artifact) -> DataFrame:
    """The tweets of the days. Raises InputError where they were cut by other rules than the model's."""
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
        .sortWithinPartitions(DAY, "created_at", "tweet_id")  # in the place of a sort by day that mixes where it spills
    )


def _count(scored: DataFrame) -> dict[str, int]:
    counts = {row.tonality: row["count"] for row in scored.groupBy("tonality").count().collect()}
    return {name: counts.get(name, 0) for name in TONES}


def _verify(scored: int, tweets: int) -> None:
    if scored != tweets:
        raise UserError(f"nothing was published: {scored:,} rows were scored of {tweets:,} tweets")


def _summary(counts: dict[str, int], days: int, as_they_were: int, model: str) -> str:
    rest = f"; {counted(as_they_were, 'day')} scored by it already" if as_they_were else ""
    lines = [f"{counted(sum(counts.values()), 'tweet')} of {counted(days, 'day')} scored by model {model}{rest}:"]
    return "\n".join([*lines, *(f"  {count:>12,} {name}" for name, count in counts.items())])
