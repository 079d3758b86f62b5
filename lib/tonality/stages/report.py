"""report: the survey page with its daily shares, chart and examples."""

import logging
from datetime import UTC, date, datetime
from typing import Final

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

import tonality
from tonality.model.evaluation.evaluation_file import read_evaluation
from tonality.model.inference.tone import tone
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings, SurveySettings
from tonality.runtime.storage import tables
from tonality.runtime.storage.atomic_files import write_files
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.schema import ACCOUNTS, DAY, REJECTS, SCORED, TONES, TWEETS
from tonality.runtime.storage.transaction import recover
from tonality.runtime.storage.urls import filesystem, join
from tonality.runtime.storage.write_locks import WriteLock, hold_write_locks
from tonality.survey import daily_shares
from tonality.survey import examples as survey_examples
from tonality.survey.filter import on_topic
from tonality.survey.page import render
from tonality.survey.png_chart import draw_png
from tonality.survey.view_model import Comparison, Coverage, Question, Survey

_LOG: Final = logging.getLogger(__name__)

_SHOWN_DAMAGE: Final = 20
"""Damaged files named on the page; the others are only counted."""
_COMPARED: Final = {"accuracy", "accuracy_low", "accuracy_high", "macro_f1", "auc", "log_loss"}
"""Metrics shown on the page."""


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Count the scored tweets that the survey asks about and draw the page."""
    root, question = settings.paths.root, settings.survey
    folder = join(root, "report")
    write_lock = WriteLock("report")  # of several runs, the last sees the days of all
    with hold_write_locks(HadoopRoot(spark, root), record.id, [write_lock]):
        recover(spark, root, record.id)
        survey, models = _survey(settings, spark)
        files = _files(survey)
        write_files(folder, files)
    days = len(survey.daily_shares)
    record.add(
        days=days,
        models=models,
        examples=len(survey.examples),
        reads={"scored": {"days": days}},
        writes={"report": {"files": len(files), "bytes": sum(map(len, files.values()))}},
        counts=_totals(survey.daily_shares),
    )
    return _summary(survey, question, join(folder, "index.html"))


def _survey(settings: Settings, spark: SparkSession) -> tuple[Survey, list[str]]:
    """The content of the page and the models that scored it. Raises InputError if there is no vote."""
    root, question = settings.paths.root, settings.survey
    days = tables.read(spark, root, "scored", SCORED, question.since, question.until)
    scored = _tweets_on_topic(days, question)
    _LOG.info("counting votes by day")
    counts = daily_shares.daily_counts(scored, question.voting).toPandas()
    period, models = _period_and_models(days)
    shares = daily_shares.with_shares(counts, period)
    _refuse_no_votes(question, days, shares)
    _LOG.info("choosing examples and drawing the page")
    survey = Survey(
        title=question.title,
        question=_shown_question(question),
        daily_shares=shares,
        examples=survey_examples.choose(scored, question.positive, question.negative, question.examples),
        coverage=_coverage(spark, root),
        comparison=_comparison(root, models),
        facts=_facts(shares, models),
        chart=draw_png(shares, question.title, _voters(question)),
    )
    return survey, models


def _tweets_on_topic(scored: DataFrame, question: SurveySettings) -> DataFrame:
    """The tweets that the survey asks about, with tones by today's thresholds instead of those at scoring time."""
    tweets = on_topic(scored, question.hashtags, question.keywords, question.retweets)
    return tweets.withColumn("tonality", tone(F.col("probability"), question.positive, question.negative))


def _period_and_models(days: DataFrame) -> tuple[list[date], list[str]]:
    """The first and last scored day, with or without tweets on the topic, and the models that scored them."""
    row = days.agg(F.min(DAY), F.max(DAY), F.sort_array(F.collect_set("model"))).first()
    assert row is not None, "an aggregate has one row"
    first, last, models = row
    return [first, last] if first else [], models


def _refuse_no_votes(question: SurveySettings, days: DataFrame, shares: pd.DataFrame) -> None:
    """Raise InputError if there is no vote, naming the setting that excludes them all."""
    if not shares.empty and shares["voters"].sum():
        return
    period = f"between {question.since or 'start'} and {question.until or 'end'}"
    if days.isEmpty():
        raise InputError(
            f"no scored tweet {period}: widen survey.since and survey.until, or run `score` for those days"
        )
    if not shares.empty:
        found = int(shares["tweets"].sum())
        raise InputError(
            f"survey.voting is author, but none of the {found:,} tweets on the topic, {period}, names its author: "
            "count tweets with survey.voting=tweet, or clean the archive with its column of authors"
        )
    words = [*(f"#{tag.lstrip('#＃')}" for tag in question.hashtags), *(f"«{phrase}»" for phrase in question.keywords)]
    topic = f" with {' or '.join(words)}" if words else ""
    dropped = ", retweets dropped" if question.retweets == "drop" else ""
    raise InputError(
        f"none of the {days.count():,} scored tweets {period} is one{topic}{dropped}. Words are matched whole: in "
        "survey.keywords and survey.hashtags write * for endings (войн*), or add spellings"
    )


def _shown_question(question: SurveySettings) -> Question:
    return Question(
        positive=question.positive,
        negative=question.negative,
        hashtags=question.hashtags,
        keywords=question.keywords,
        retweets=question.retweets,
        voting=question.voting,
    )


def _coverage(spark: SparkSession, root: str) -> Coverage:
    """The outcomes of the archive's records, by accounts/ and tweets/.

    Several runs of `clean` may have read the same file for different days. Its records are counted once, and its tweets
    as tweets/ has them; all others were filtered or, as far as the accounts show, duplicates.
    """
    once = {name: F.max(name) for name in ("lines", "notices", "rejects", "damage")}
    accounts = tables.read(spark, root, "accounts", ACCOUNTS).groupBy("source")
    files = accounts.agg(
        *(value.alias(name) for name, value in once.items()), F.sum("duplicates").alias("known_duplicates")
    )
    kept = tables.read(spark, root, "tweets", TWEETS).groupBy("source").agg(F.count("*").alias("tweets"))
    others = F.col("lines") - F.col("notices") - F.col("rejects") - F.col("tweets")
    by_file = (
        files.join(kept, on="source", how="left")
        .fillna(0, ["tweets"])
        .withColumn("duplicates", F.least("known_duplicates", others))
        .withColumn("filtered", others - F.col("duplicates"))
    )
    names = ("tweets", "notices", "filtered", "duplicates", "rejects")
    sums = {name: F.sum(name) for name in names}
    is_damaged = F.col("damage") != ""
    totals = tables.totals(by_file, files=F.count("*"), records=F.sum("lines"), damaged=F.count_if(is_damaged), **sums)
    damaged = files.where(is_damaged).orderBy("source").limit(_SHOWN_DAMAGE).collect()
    return Coverage(reasons=_reasons(spark, root), damage={row.source: row.damage for row in damaged}, **totals)


def _reasons(spark: SparkSession, root: str) -> dict[str, int]:
    rejects = tables.read(spark, root, "rejects", REJECTS).select("source", "offset", "reason").distinct()
    return {row.reason: row["count"] for row in rejects.groupBy("reason").count().orderBy("reason").collect()}


def _comparison(root: str, models: list[str]) -> Comparison | None:
    """The evaluation of the model that scored, if there is only one and `evaluate` has evaluated it."""
    evaluation = read_evaluation(root, "models")
    if evaluation is None or len(models) != 1 or (metrics := evaluation.metrics_with_first(models[0])) is None:
        return None
    system, path = filesystem(join(root, "evaluation", "evaluation.png"))
    try:
        plot = system.cat_file(path)
    except FileNotFoundError:
        return None
    return Comparison(
        evaluation.rows, {name: shown.model_dump(include=_COMPARED) for name, shown in metrics.items()}, plot
    )


def _facts(shares: pd.DataFrame, models: list[str]) -> dict[str, str]:
    anonymous = int(shares["anonymous"].sum())
    return {
        "Model": ", ".join(models),
        **({"Tweets without an author": f"{anonymous:,}, without a vote"} if anonymous else {}),
        "Made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by Tonality {tonality.__version__}",
    }


def _files(survey: Survey) -> dict[str, bytes]:
    return {
        "dynamics.csv": daily_shares.to_csv(survey.daily_shares).encode(),
        "dynamics.png": survey.chart,
        "examples.csv": survey_examples.to_csv(survey.examples),
        "index.html": render(survey).encode(),
    }


def _voters(question: SurveySettings) -> str:
    return "authors" if question.voting == "author" else "tweets"


def _totals(shares: pd.DataFrame) -> dict[str, int]:
    return {name: int(shares[name].sum()) for name in ("tweets", "voters", *TONES, "ties", "anonymous")}


def _summary(survey: Survey, question: SurveySettings, page: str) -> str:
    totals = _totals(survey.daily_shares)
    toned = max(1, sum(totals[name] for name in daily_shares.TONED))
    shares = ", ".join(f"{totals[name] / toned:.1%} {name}" for name in daily_shares.TONED)
    votes = f", {toned:,} votes of authors" if question.voting == "author" else ""
    days = f"{counted(totals['tweets'], 'tweet')} of {counted(len(survey.daily_shares), 'day')}{votes}"
    return f"{escaped_name(survey.title)}: {days}, {shares}\n{escaped_name(page)}"
