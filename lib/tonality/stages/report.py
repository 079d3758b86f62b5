"""report: the survey page, its figures, its chart and its examples."""

from datetime import UTC, date, datetime
from typing import Final

import pandas as pd
from pydantic import BaseModel, ValidationError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

import tonality
from tonality.model.inference.tone_spark import tone
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.diagnostics.errors import InputError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings, SurveySettings
from tonality.runtime.storage import tables
from tonality.runtime.storage.hadoop_fs import HadoopRoot
from tonality.runtime.storage.json_files import first_error
from tonality.runtime.storage.schema import ACCOUNTS, DAY, REJECTS, SCORED, TONES, TWEETS
from tonality.runtime.storage.transaction import recover
from tonality.runtime.storage.urls import filesystem, join, write_files
from tonality.runtime.storage.write_locks import WriteLock, hold_write_locks
from tonality.survey import daily_shares as dynamics_of
from tonality.survey import examples as examples_of
from tonality.survey.filter import on_topic
from tonality.survey.page import render
from tonality.survey.png_chart import draw_png
from tonality.survey.view_model import Comparison, Coverage, Question, Survey

_SHOWN_DAMAGE: Final = 20
"""Damaged files that the page names; it counts the others."""


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Count the scored tweets of the survey's question and draw them."""
    root, asked = settings.paths.root, settings.survey
    folder = join(root, "report")
    with hold_write_locks(
        HadoopRoot(spark, root), record.id, [WriteLock("report")]
    ):  # of several the last has seen all days
        recover(spark, root, record.id)
        survey, models = _survey(settings, spark)
        files = _files(survey)
        write_files(folder, files)
    days = len(survey.dynamics)
    record.add(
        days=days,
        models=models,
        examples=len(survey.examples),
        reads={"scored": {"days": days}},
        writes={"report": {"files": len(files), "bytes": sum(map(len, files.values()))}},
        counts=_totals(survey.dynamics),
    )
    return _summary(survey, asked, join(folder, "index.html"))


def _survey(settings: Settings, spark: SparkSession) -> tuple[Survey, list[str]]:
    """What the page shows, and the models that scored it. Raises InputError where nobody voted."""
    root, asked = settings.paths.root, settings.survey
    days = tables.read(spark, root, "scored", SCORED, asked.since, asked.until)
    scored = _asked(days, asked)
    counts = dynamics_of.daily_counts(scored, asked.voting).toPandas()
    period, models = _period_and_models(days)
    dynamics = dynamics_of.with_shares(counts, period)
    _refuse_nothing(asked, days, dynamics)
    survey = Survey(
        title=asked.title,
        question=_question(asked),
        dynamics=dynamics,
        examples=examples_of.choose(scored, asked.positive, asked.negative, asked.examples),
        coverage=_coverage(spark, root),
        comparison=_comparison(root, models),
        facts=_facts(dynamics, models),
        picture=draw_png(dynamics, asked.title, _voters(asked)),
    )
    return survey, models


def _asked(scored: DataFrame, asked: SurveySettings) -> DataFrame:
    """The tweets of the question, with today's thresholds, whichever held when they were scored."""
    about = on_topic(scored, asked.hashtags, asked.keywords, asked.retweets)
    return about.withColumn("tonality", tone(F.col("probability"), asked.positive, asked.negative))


def _period_and_models(days: DataFrame) -> tuple[list[date], list[str]]:
    """The first and the last day that were scored, whoever spoke of the topic on them, and the models that scored."""
    row = days.agg(F.min(DAY), F.max(DAY), F.sort_array(F.collect_set("model"))).first()
    assert row is not None, "an aggregate has one row"
    first, last, models = row
    return [first, last] if first else [], models


def _refuse_nothing(asked: SurveySettings, days: DataFrame, dynamics: pd.DataFrame) -> None:
    """A survey without a vote is a mistake in its question; say which part of it left none."""
    if not dynamics.empty and dynamics["voters"].sum():
        return
    period = f"between {asked.since or 'start'} and {asked.until or 'end'}"
    if days.isEmpty():
        raise InputError(
            f"no scored tweet {period}: widen survey.since and survey.until, or run `score` for those days"
        )
    if not dynamics.empty:
        found = int(dynamics["tweets"].sum())
        raise InputError(
            f"survey.voting is author, but none of the {found:,} tweets asked for, {period}, names its author: "
            "count tweets with survey.voting=tweet, or clean the archive with the column of its authors"
        )
    words = [*(f"#{tag.lstrip('#＃')}" for tag in asked.hashtags), *(f"«{phrase}»" for phrase in asked.keywords)]
    topic = f" with {' or '.join(words)}" if words else ""
    only = ", retweets left out" if asked.retweets == "drop" else ""
    raise InputError(
        f"none of the {days.count():,} scored tweets {period} is one{topic}{only}. Words are matched whole: in "
        "survey.keywords and survey.hashtags write * for their endings (войн*), or add spellings"
    )


def _question(asked: SurveySettings) -> Question:
    return Question(
        positive=asked.positive,
        negative=asked.negative,
        hashtags=asked.hashtags,
        keywords=asked.keywords,
        retweets=asked.retweets,
        voting=asked.voting,
    )


def _coverage(spark: SparkSession, root: str) -> Coverage:
    """Where the archive's records went, by the accounts and the table of tweets.

    Several runs of `clean` may have read a file, each for days of its own or one for days of another: its records are
    counted once, and its tweets as the table holds them. What no run kept was filtered or, as far as they say, a
    duplicate.
    """
    once = {name: F.max(name) for name in ("lines", "notices", "rejects", "damage")}
    accounts = tables.read(spark, root, "accounts", ACCOUNTS).groupBy("source")
    files = accounts.agg(
        *(value.alias(name) for name, value in once.items()), F.sum("duplicates").alias("said_duplicates")
    )
    kept = tables.read(spark, root, "tweets", TWEETS).groupBy("source").agg(F.count("*").alias("tweets"))
    others = F.col("lines") - F.col("notices") - F.col("rejects") - F.col("tweets")
    whole = (
        files.join(kept, on="source", how="left")
        .fillna(0, ["tweets"])
        .withColumn("duplicates", F.least("said_duplicates", others))
        .withColumn("filtered", others - F.col("duplicates"))
    )
    names = ("tweets", "notices", "filtered", "duplicates", "rejects")
    sums = {name: F.sum(name) for name in names}
    is_damaged = F.col("damage") != ""
    totals = tables.totals(whole, files=F.count("*"), records=F.sum("lines"), damaged=F.count_if(is_damaged), **sums)
    damaged = files.where(is_damaged).orderBy("source").limit(_SHOWN_DAMAGE).collect()
    return Coverage(reasons=_reasons(spark, root), damage={row.source: row.damage for row in damaged}, **totals)


def _reasons(spark: SparkSession, root: str) -> dict[str, int]:
    rejects = tables.read(spark, root, "rejects", REJECTS).select("source", "offset", "reason").distinct()
    return {row.reason: row["count"] for row in rejects.groupBy("reason").count().orderBy("reason").collect()}


class _Measures(BaseModel):
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_f1: float | None
    auc: float | None
    log_loss: float | None


class _Evaluation(BaseModel):
    """What the page needs of evaluation.json."""

    model: str
    networks: dict[str, str] = {}
    """Names in `models` by fingerprint; an evaluation of an earlier version has one network, the first."""
    rows: int
    models: dict[str, _Measures]

    def of(self, model: str) -> dict[str, dict[str, float | None]] | None:
        """Measures by name, those of this network first; None where it was not measured."""
        names = self.networks or {self.model: next(iter(self.models), "")}
        first = names.get(model)
        if first not in self.models:
            return None
        return {name: self.models[name].model_dump() for name in sorted(self.models, key=lambda name: name != first)}


def _comparison(root: str, models: list[str]) -> Comparison | None:
    """How good the model was found to be, where `evaluate` has measured the one that scored."""
    system, folder = filesystem(join(root, "evaluation"))
    try:
        found = _Evaluation.model_validate_json(system.cat_file(join(folder, "evaluation.json")))
        measures = found.of(models[0]) if len(models) == 1 else None
        return Comparison(found.rows, measures, system.cat_file(join(folder, "evaluation.png"))) if measures else None
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise InputError(
            f"{join(root, 'evaluation')} cannot be read ({first_error(error)}). Run `evaluate` again."
        ) from error


def _facts(dynamics: pd.DataFrame, models: list[str]) -> dict[str, str]:
    anonymous = int(dynamics["anonymous"].sum())
    return {
        "Model": ", ".join(models),
        **({"Tweets without an author": f"{anonymous:,}, which have no vote"} if anonymous else {}),
        "Made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by Tonality {tonality.__version__}",
    }


def _files(survey: Survey) -> dict[str, bytes]:
    return {
        "dynamics.csv": dynamics_of.to_csv(survey.dynamics).encode(),
        "dynamics.png": survey.picture,
        "examples.csv": examples_of.to_csv(survey.examples),
        "index.html": render(survey).encode(),
    }


def _voters(asked: SurveySettings) -> str:
    return "authors" if asked.voting == "author" else "tweets"


def _totals(dynamics: pd.DataFrame) -> dict[str, int]:
    return {name: int(dynamics[name].sum()) for name in ("tweets", "voters", *TONES, "ties", "anonymous")}


def _summary(survey: Survey, asked: SurveySettings, page: str) -> str:
    totals = _totals(survey.dynamics)
    toned = max(1, sum(totals[name] for name in dynamics_of.TONED))
    shares = ", ".join(f"{totals[name] / toned:.1%} {name}" for name in dynamics_of.TONED)
    votes = f", {toned:,} votes of authors" if asked.voting == "author" else ""
    days = f"{counted(totals['tweets'], 'tweet')} of {counted(len(survey.dynamics), 'day')}{votes}"
    return f"{survey.title}: {days}, {shares}\n{page}"
