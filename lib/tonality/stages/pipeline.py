"""pipeline: every stage in order, in one Spark session."""

from functools import partial

from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.console import to_stderr, to_stdout
from tonality.runtime.diagnostics.errors import run_checks
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.retry import with_retries
from tonality.runtime.spark.session import in_run
from tonality.stages import STAGES, clean, evaluate, label, prepare, promote, report, score, train

_MODULES = {
    "clean": clean,
    "label": label,
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "promote": promote,
    "score": score,
    "report": report,
}


def check(settings: Settings) -> None:
    """Refuse now what a later stage would refuse after hours."""
    run_checks(partial(module.check, settings) for module in (clean, prepare, train))


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """From raw archive to survey page. Each stage leaves its own record; the last one's summary is the pipeline's."""
    check(settings)
    seconds: dict[str, float] = {}
    summary = ""
    for name, module in _MODULES.items():
        if name == "label" and not settings.corpus.labelled:
            continue
        if summary:
            to_stdout(summary, end="\n\n")
        with Run(name, settings, part_of=record.id) as stage, in_run(spark, stage, settings.spark):
            to_stderr(f"{name}: {STAGES[name].summary} Run {stage.id}.")
            needed = (spark,) if STAGES[name].spark else ()
            summary = with_retries(partial(module.run, settings, stage, *needed))
        seconds[name] = round(stage.seconds, 1)
    record.add(seconds_by_stage=seconds)
    return summary
