"""report: the survey page, its figures and its chart."""

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

import tonality
from tonality import tables
from tonality.faults import InputFault
from tonality.locations import filesystem, join, write_files
from tonality.record import Run
from tonality.schema import ACCOUNTS, SCORED
from tonality.scoring.tone import tone
from tonality.settings import Settings, SurveySettings
from tonality.survey.chart import draw_png
from tonality.survey.dynamics import daily_counts, to_csv, with_shares
from tonality.survey.page import render


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Count the scored tweets of the survey's days and draw them."""
    root, survey = settings.paths.root, settings.survey
    tables.recover(spark, root)
    scored = tables.read(spark, root, "scored", SCORED, survey.since, survey.until)
    # today's thresholds, whichever held when the tweets were scored
    scored = scored.withColumn("tonality", tone(F.col("probability"), survey.positive, survey.negative))
    dynamics = with_shares(daily_counts(scored).toPandas())
    if dynamics.empty:
        raise InputFault(
            f"no scored tweet under {root} between {survey.since or 'start'} and {survey.until or 'end'}: "
            "widen survey.since and survey.until, or run `score` for those days"
        )
    models = sorted(row.model for row in scored.select("model").distinct().collect())
    facts = {**_coverage(spark, root), "Model": ", ".join(models), **_evaluation(root, models), **_version()}
    png = draw_png(dynamics, survey.title)
    page = render(dynamics, survey.title, facts, positive=survey.positive, negative=survey.negative, png=png)
    folder = join(root, "report")
    write_files(folder, {"dynamics.csv": to_csv(dynamics).encode(), "dynamics.png": png, "index.html": page.encode()})
    record.note(days=len(dynamics), counts=_totals(dynamics))
    return _summary(dynamics, survey, join(folder, "index.html"))


def _coverage(spark: SparkSession, root: str) -> dict[str, str]:
    """What the archive held, in the words of the accounts.

    Several runs of `clean` may have read the same file, each for days of its own: its records are counted once.
    """
    files = (
        tables.read(spark, root, "accounts", ACCOUNTS)
        .groupBy("source")
        .agg(*(F.max(name).alias(name) for name in ("lines", "notices", "rejects", "damage")))
    )
    sums = {name: F.sum(name) for name in ("lines", "notices", "rejects")}
    totals = tables.totals(files, files=F.count("*"), damaged=F.count_if(F.col("damage") != ""), **sums)
    return {
        "Archive": f"{totals['lines']:,} records in {totals['files']:,} file(s), {totals['damaged']:,} of them damaged",
        "No tweets": f"{totals['notices']:,} notices of the stream, {totals['rejects']:,} rejected records",
    }


def _evaluation(root: str, models: list[str]) -> dict[str, str]:
    """How good the model was found to be, where `evaluate` has measured the one that scored."""
    system, path = filesystem(join(root, "evaluation", "evaluation.json"))
    if not system.exists(path):
        return {}
    content: dict[str, Any] = json.loads(system.cat_file(path))
    if models != [content["model"]]:
        return {}
    return {
        f"Accuracy of the {name}": f"{metrics['accuracy']:.1%} of {metrics['rows']:,} held-out labelled tweets"
        for name, metrics in content["models"].items()
    }


def _version() -> dict[str, str]:
    return {"Made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by Tonality {tonality.__version__}"}


def _totals(dynamics: pd.DataFrame) -> dict[str, int]:
    return {name: int(dynamics[name].sum()) for name in ("tweets", "positive", "neutral", "negative", "none")}


def _summary(dynamics: pd.DataFrame, survey: SurveySettings, page: str) -> str:
    totals = _totals(dynamics)
    toned = max(1, totals["tweets"] - totals["none"])
    shares = ", ".join(f"{totals[name] / toned:.1%} {name}" for name in ("positive", "neutral", "negative"))
    return f"{survey.title}: {totals['tweets']:,} tweets of {len(dynamics):,} days, {shares}\n{page}"
