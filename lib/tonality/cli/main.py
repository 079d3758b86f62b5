"""The `tonality` command and the scripts in jobs/: load the settings, run a stage, turn errors into exit statuses."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Final

from tonality.cli.arguments import MODEL_ACTIONS, MODELS, RUNS, SCORE_TEXT, command_parser, job_parser
from tonality.runtime.diagnostics.console import to_stdout
from tonality.runtime.diagnostics.errors import SettingsError, UserError, run_checks
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.diagnostics.logs import add_to_log_context, log_context, log_to_stderr
from tonality.runtime.explain.system import translated_errors
from tonality.runtime.runs.query import RunQuery
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.settings.sections import Settings
from tonality.runtime.spark.retry import with_retries
from tonality.stages import STAGES, Stage

__all__ = ["main", "run_job"]

_LOG: Final = logging.getLogger(__name__)

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
        _LOG.info(summary)  # stdout has the texts


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
    log_to_stderr(_log_level(options), options.log_format)
    with log_context(stage=name):
        try:
            settings = load(options.config, options.set, inputs)
            with translated_errors(settings):
                work(settings)
        except UserError as error:
            _LOG.error(error)
            _LOG.debug("the error in full", exc_info=True)
            return error.exit_status
        except KeyboardInterrupt as interruption:
            _LOG.error(escaped_name(f"interrupted{''.join(f': {advice}' for advice in interruption.args)}"))
            return _INTERRUPTED
        except Exception:
            _LOG.exception("unexpected error")
            return 1
        finally:
            _flush_stdout()
    return 0


def _log_level(options: argparse.Namespace) -> int:
    if options.verbose:
        return logging.DEBUG
    return logging.WARNING if options.quiet else logging.INFO


def _plan(stage: Stage, settings: Settings) -> str:
    """Describe what the stage would do, without a run record and without a session."""
    return str(_checked(stage, settings).plan(settings))


def _run(stage: Stage, settings: Settings) -> str:
    """Run the stage with its record, and in a Spark session if it needs one."""
    implementation = _checked(stage, settings)
    with Run(stage.name, settings) as record:
        add_to_log_context(run=record.id)
        _LOG.info(f"run {record.id}")
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
