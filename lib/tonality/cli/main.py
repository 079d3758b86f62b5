"""The `tonality` command and the scripts in jobs/: load the settings, run a stage, turn errors into exit statuses."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Final

from tonality.cli.arguments import MODEL_ACTIONS, MODELS, RUNS, SCORE_TEXT, command_parser, job_parser
from tonality.runtime.diagnostics.console import to_stderr, to_stdout
from tonality.runtime.diagnostics.errors import SettingsError, UserError, run_checks
from tonality.runtime.explain.system import translated_errors
from tonality.runtime.runs.query import RunQuery
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.retry import with_retries
from tonality.stages import STAGES, Stage

__all__ = ["main", "run_job"]

_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `tonality` command and return its exit status."""
    options = command_parser().parse_args(arguments)
    others = {SCORE_TEXT: _score_text, MODELS: _models, RUNS: _show_runs}
    if options.command in others:
        return _run_command(options.command, options, (), partial(others[options.command], options))
    return _run_stage(STAGES[options.command], options)


def run_job(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a stage for its script in jobs/ and return the exit status."""
    stage = STAGES[name]
    return _run_stage(stage, job_parser(stage).parse_args(arguments))


def _show_runs(options: argparse.Namespace, settings: Settings) -> None:
    from tonality.cli import runs

    query = RunQuery(options.run, options.stage, options.day, options.part_of, options.failed, options.last)
    to_stdout(runs.run(settings, query, options.form), end="")


def _score_text(options: argparse.Namespace, settings: Settings) -> None:
    from tonality.cli import score_text

    if summary := score_text.run(settings, options.file, options.format, options.text, options.model):
        to_stderr(summary)  # stdout has the texts


def _models(options: argparse.Namespace, settings: Settings) -> None:
    from tonality.cli import models

    expected = MODEL_ACTIONS.get(options.action)
    if bool(expected) != bool(options.model):
        found = f"found {options.model!r}" if options.model else "found none"
        raise SettingsError(f"`models {options.action}` takes {expected or 'no name'}: {found}")
    actions = {"use": models.use, "add": models.add, "remove": models.remove}
    if options.action in actions:
        to_stdout(actions[options.action](settings, options.model))
    else:
        to_stdout(models.roll_back(settings) if options.action == "rollback" else models.show(settings))


def _run_stage(stage: Stage, options: argparse.Namespace) -> int:
    def work(settings: Settings) -> None:
        to_stdout(_plan(stage, settings) if options.plan else _run(stage, settings))

    return _run_command(stage.name, options, stage.inputs, work)


def _run_command(
    name: str, options: argparse.Namespace, inputs: Sequence[str], work: Callable[[Settings], None]
) -> int:
    """Load the settings, run the command and return its exit status; errors go to stderr."""
    try:
        settings = load(options.config, options.set, inputs)
        with translated_errors(settings):
            work(settings)
    except UserError as error:
        to_stderr(f"tonality {name}: {error}")
        return error.exit_status
    except KeyboardInterrupt as interruption:
        to_stderr(f"tonality {name}: interrupted{''.join(f': {advice}' for advice in interruption.args)}")
        return _INTERRUPTED
    except Exception:
        to_stderr(traceback.format_exc().rstrip("\n"))  # Python's own traceback would show secrets
        return 1
    finally:
        _flush_stdout()
    return 0


def _plan(stage: Stage, settings: Settings) -> str:
    """Describe what the stage would do, without a run record and without a session."""
    return str(_checked(stage, settings).plan(settings))


def _run(stage: Stage, settings: Settings) -> str:
    """Run the stage with its record, and in a Spark session if it needs one."""
    implementation = _checked(stage, settings)
    with Run(stage.name, settings) as record:
        to_stderr(f"tonality {stage.name}: run {record.id}")
        if not stage.spark:
            return str(implementation.run(settings, record))
        from tonality.runtime.spark.session import in_run, spark_session

        with spark_session(stage.name, settings.spark) as spark, in_run(spark, record, settings.spark):
            work = partial(implementation.run, settings, record, spark)
            return str(work() if stage.composite else with_retries(work))


def _checked(stage: Stage, settings: Settings) -> ModuleType:
    """The stage's module, after it, and Spark if needed, have checked the settings."""
    implementation = stage.load()
    checks = [partial(implementation.check, settings)] if hasattr(implementation, "check") else []
    if stage.spark:
        from tonality.runtime.spark.session import check_session

        checks.append(partial(check_session, settings.spark))
    run_checks(checks)
    return implementation


def _flush_stdout() -> None:
    """Flush stdout now: at exit Python would complain about a closed pipe or a full disk."""
    try:
        if sys.stdout is not None:  # as it is if the shell has closed it
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
