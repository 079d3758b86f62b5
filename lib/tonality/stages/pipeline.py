"""pipeline: every stage from raw archive to survey page, in one Spark session."""

import logging
from functools import partial
from operator import attrgetter
from typing import Final

from pyspark.sql import SparkSession

from tonality.runtime.diagnostics.console import to_stdout
from tonality.runtime.diagnostics.errors import run_checks
from tonality.runtime.diagnostics.logs import log_context
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.retry import with_retries
from tonality.runtime.spark.session import in_run
from tonality.stages import STAGES, Stage

_LOG: Final = logging.getLogger(__name__)


def check(settings: Settings) -> None:
    """Refuse now any settings that a later stage would refuse after hours."""
    modules = [stage.load() for stage in STAGES.values() if stage.in_pipeline]
    run_checks(partial(module.check, settings) for module in modules if hasattr(module, "check"))


def run(settings: Settings, record: Run, spark: SparkSession) -> str:
    """Run the stages in order. Each leaves its own record; the last stage's summary is the pipeline's."""
    check(settings)
    seconds: dict[str, float] = {}
    summary = ""
    for stage in _stages(settings):
        if summary:
            to_stdout(summary, end="\n\n")
        with (
            Run(stage.name, settings, part_of=record.id) as part,
            in_run(spark, part, settings.spark),
            log_context(stage=stage.name, run=part.id),
        ):
            _LOG.info("%s Run %s.", stage.summary, part.id)
            session = (spark,) if stage.spark else ()
            summary = with_retries(partial(stage.load().run, settings, part, *session))
        seconds[stage.name] = round(part.seconds, 1)
    record.add(seconds_by_stage=seconds)
    return summary


def _stages(settings: Settings) -> list[Stage]:
    stages = [stage for stage in STAGES.values() if stage.in_pipeline]
    return [stage for stage in stages if not stage.condition or attrgetter(stage.condition)(settings)]
