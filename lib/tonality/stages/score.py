"""score: every clean tweet's probability of being positive."""

from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from tonality import tables
from tonality.faults import Fault, InputFault
from tonality.locations import join
from tonality.network.artifact import Artifact
from tonality.network.storage import read as read_model
from tonality.record import Run
from tonality.schema import DAY, SCORED, TONES, TWEETS
from tonality.scoring.tone import tone
from tonality.scoring.udf import scoring_udf
from tonality.session import rows_per_batch
from tonality.settings import Settings

_OTHER_RULES: Final = (
    "The model's rules are wanted: run `clean` again with them in [text], or `prepare` and `train` with those found."
)


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Score the asked days and publish them."""
    root, asked = settings.paths.root, settings.score
    artifact = read_model(join(root, "model"))
    tables.recover(spark, root)
    days = [day for day in tables.days(spark, root, "tweets") if _asked(day, asked.since, asked.until)]
    if not days:
        raise InputFault(f"tweets/ under {root} has no day between {asked.since or 'start'} and {asked.until or 'end'}")
    tweets = tables.read(spark, root, "tweets", TWEETS, asked.since, asked.until)
    tables.refuse_other_rules(tweets, root, "tweets", artifact.rules, artifact.rules_fingerprint, _OTHER_RULES)
    with tables.publication(spark, root, record.id) as publication, rows_per_batch(spark, asked.batch_rows):
        scored = _score(tweets, artifact, settings, record.id)
        written = publication.stage("scored", scored, SCORED, DAY, days)
        publication.remove_others("scored", DAY, lambda day: _asked(day, asked.since, asked.until))
        counts = _count(written)
        _verify(sum(counts.values()), tweets.count())
        publication.commit()
    record.note(model=artifact.fingerprint, days=len(days), counts=counts)
    return _summary(counts, len(days), artifact.fingerprint)


def _asked(day: str, since: object, until: object) -> bool:
    """ISO dates compare as text."""
    return (since is None or day >= str(since)) and (until is None or day <= str(until))


def _score(tweets: DataFrame, artifact: Artifact, settings: Settings, run: str) -> DataFrame:
    probability = scoring_udf(tweets.sparkSession, artifact)
    return (
        tweets.withColumn("probability", probability(F.col("stems")))
        .withColumn("tonality", tone(F.col("probability"), settings.survey.positive, settings.survey.negative))
        .withColumn("model", F.lit(artifact.fingerprint))
        .withColumn("tweets_run", F.col("run"))
        .withColumn("run", F.lit(run))
        .select(*SCORED.names)
        .hint("rebalance", DAY)
        .sortWithinPartitions(DAY, "created_at", "tweet_id")
    )


def _count(scored: DataFrame) -> dict[str, int]:
    counts = {row.tonality: row["count"] for row in scored.groupBy("tonality").count().collect()}
    return {name: counts.get(name, 0) for name in TONES}


def _verify(scored: int, tweets: int) -> None:
    if scored != tweets:
        raise Fault(f"nothing was published: {scored:,} rows were scored of {tweets:,} tweets")


def _summary(counts: dict[str, int], days: int, model: str) -> str:
    total = sum(counts.values())
    lines = [f"{total:,} tweets of {days:,} days scored by model {model}:"]
    return "\n".join([*lines, *(f"  {count:>12,} {name}" for name, count in counts.items())])
