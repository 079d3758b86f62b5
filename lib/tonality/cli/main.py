"""The command, `tonality <stage>`, and every job: settings loaded, the stage run, faults turned into exit statuses."""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from types import ModuleType
from typing import Final

from tonality import __version__
from tonality.ingest.formats.text_files import FORMS, TEXT
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

_DESCRIPTION: Final = "What a country's Twitter thinks: from raw archives to a survey page."
_EPILOG: Final = (
    "Exit status: 0 done, 2 a fault of the settings, 3 nothing usable in the input, 1 anything else. "
    "conf/default.toml lists every setting."
)
_INTERRUPTED: Final = 130

_SCORE_TEXT: Final = "score-text"
_SCORE_TEXT_SUMMARY: Final = "Score texts of a file or stdin, and write them to stdout with what they were given."
_SCORE_TEXT_DESCRIPTION: Final = f"""\
{_SCORE_TEXT_SUMMARY}
Needs a model, and neither Java nor Spark. A text gets the probability of being
positive, and the tone by survey.positive and survey.negative, that `score` would
give a tweet of that text on a processor, in score.precision.

  lines  a text a line; written as probability, tone and text with tabs between
         (tabs in the text become spaces)
  csv    a table with a header; the columns probability and tonality are added
  tsv    the same with tabs
  jsonl  an object a line; the keys probability and tonality are added

Each text is written once, in order, and as soon as it comes: `tail -f` may feed
it. One without a stem, such as an empty line, a null or words in letters of other
languages (and of unknown stems alone, if vocabulary.unknown was drop), has no
probability (null in jsonl) and the tone none. Blank lines of csv, tsv and jsonl
are left out. A record that cannot be read (no UTF-8, no JSON object, too few or
too many fields, no such column) ends it with exit status 3 and the number of the
line, once all before it are written. stderr has a summary.
"""

_MODELS: Final = "models"
_MODELS_SUMMARY: Final = "List the trained models, and say which of them scores."
_MODELS_DESCRIPTION: Final = f"""\
{_MODELS_SUMMARY}
Models stand side by side in models/ under paths.root, each in a folder that is
named by its content; models/current.json says which of them scores.

  list             every model, oldest first, and how well it reads (the default)
  use MODEL        let this one score from now on; the first letters will do
  rollback         let the one score that did before the current one, which
                   `promote` leaves out from now on, until it is used
  add FOLDER       take a model over from another place; it scores from now on
                   where none does yet
  remove MODEL     delete one that is not the current one

Days that were scored by another model keep its scores until `score` is run for
them; every scored row names its model.
"""
_MODEL_ACTIONS: Final = {"use": "a model", "rollback": "", "add": "a folder", "remove": "a model"}
"""What each action but the listing is about."""
_RUNS: Final = "runs"
_RUNS_SUMMARY: Final = (
    "List the runs of paths.root, or tell everything of one: what each was asked for and how it ended."
)
_RUNS_DESCRIPTION: Final = f"""\
{_RUNS_SUMMARY}
Reads the records in runs/ under paths.root, and needs neither Java nor Spark.

A run is done, failed, interrupted, running or killed; `lost` is one that has not
written how it ended and cannot be seen from here, since it began on another
machine; `damaged` is a record that cannot be read. Whether a run still goes on is
told by a lock on a local disk, elsewhere by its process, on the machine where it
runs alone.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The `tonality` command: its exit status."""
    parser = argparse.ArgumentParser(prog="tonality", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"tonality {__version__}")
    commands = parser.add_subparsers(dest="stage", required=True, metavar="stage")
    for stage in STAGES.values():
        command = commands.add_parser(stage.name, help=stage.summary, description=_describe(stage), epilog=_EPILOG)
        _add_options(command, stage)
    _add_score_text(commands)
    _add_models(commands)
    _add_runs(commands)
    options = parser.parse_args(arguments)
    others = {_SCORE_TEXT: _score_text, _MODELS: _models, _RUNS: _show_runs}
    if options.stage in others:
        return _obey(options.stage, options, (), partial(others[options.stage], options))
    return _execute(STAGES[options.stage], options)


def run_job(name: str, arguments: Sequence[str] | None = None) -> int:
    """What a script of jobs/ does: the stage of that name. Its exit status."""
    parser = argparse.ArgumentParser(description=_describe(STAGES[name]), epilog=_EPILOG)
    _add_options(parser, STAGES[name])
    options = parser.parse_args(arguments)
    return _execute(STAGES[name], options)


def _describe(stage: Stage) -> str:
    return f"{stage.summary} Reads {stage.reads}. Writes {stage.writes}."


def _add_options(parser: argparse.ArgumentParser, stage: Stage) -> None:
    parser.set_defaults(plan=False)
    if stage.plan:
        parser.add_argument(
            "--plan",
            action="store_true",
            help="say what a run would meet and do; write nothing",
        )
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", action="append", default=[], metavar="FILE", help="a TOML file of settings; later files override"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, as in --set train.epochs=2"
    )


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    """A command that is no stage, whose description has lines of its own."""
    form = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=summary, description=description, epilog=_EPILOG, formatter_class=form)


def _add_score_text(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """A command that is no stage: it reads no table, and writes neither one nor a run record."""
    command = _add_command(commands, _SCORE_TEXT, _SCORE_TEXT_SUMMARY, _SCORE_TEXT_DESCRIPTION)
    command.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="a file or URL, plain or compressed (gzip, bzip2, Zstandard); - or none: stdin, plain",
    )
    command.add_argument("--model", metavar="DIR", help="the model's folder; by default the current one")
    command.add_argument(
        "--format",
        choices=FORMS,
        help="how the texts are held; by default as FILE's name ends: .csv, .tsv, .jsonl, .ndjson or .json; else lines",
    )
    command.add_argument("--text", metavar="COLUMN", help=f"the column or key of the texts; by default {TEXT}")
    _add_settings(command)


def _add_runs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command that reads what others have left: it writes nothing."""
    command = _add_command(commands, _RUNS, _RUNS_SUMMARY, _RUNS_DESCRIPTION)
    command.add_argument("run", nargs="?", metavar="RUN", help="a run's id, or a part of it that no other has")
    command.add_argument("--stage", dest="of_stage", choices=list(STAGES), help="runs of this stage alone")
    command.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="runs that were asked for this day")
    command.add_argument(
        "--part-of", metavar="ID", help="parts of that run of `pipeline`, or of that night, by its beginning"
    )
    command.add_argument("--failed", action="store_true", help="runs that did not end well, and damaged records, alone")
    command.add_argument("--last", type=_count, metavar="N", help="the newest N of these")
    forms = command.add_mutually_exclusive_group()
    forms.add_argument(
        "--json",
        dest="form",
        action="store_const",
        const="json",
        help="a JSON object a line: the record, and the state of the run",
    )
    forms.add_argument(
        "--logfmt",
        dest="form",
        action="store_const",
        const="logfmt",
        help="key=value on a line, for shells: the numbers and the state",
    )
    _add_settings(command)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a date as 2015-12-10") from None


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected 1 or more")
    return int(text)


def _show_runs(options: argparse.Namespace, settings: Settings) -> None:
    from tonality.cli import runs

    expected = RunQuery(options.run, options.of_stage, options.day, options.part_of, options.failed, options.last)
    to_stdout(runs.run(settings, expected, options.form), end="")


def _score_text(options: argparse.Namespace, settings: Settings) -> None:
    from tonality.cli import score_text

    if summary := score_text.run(settings, options.file, options.format, options.text, options.model):
        to_stderr(summary)  # stdout has the texts


def _add_models(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _add_command(commands, _MODELS, _MODELS_SUMMARY, _MODELS_DESCRIPTION)
    command.add_argument("action", nargs="?", choices=("list", *_MODEL_ACTIONS), default="list")
    command.add_argument("model", nargs="?", metavar="MODEL", help="a model's name or its beginning; for add, a folder")
    _add_settings(command)


def _models(options: argparse.Namespace, settings: Settings) -> None:
    from tonality.cli import models

    expected = _MODEL_ACTIONS.get(options.action)
    if bool(expected) != bool(options.model):
        found = f"found {options.model!r}" if options.model else "found none"
        raise SettingsError(f"`models {options.action}` takes {expected or 'no name'}: {found}")
    acts = {"use": models.use, "add": models.add, "remove": models.remove}
    if options.action in acts:
        to_stdout(acts[options.action](settings, options.model))
    else:
        to_stdout(models.roll_back(settings) if options.action == "rollback" else models.show(settings))


def _execute(stage: Stage, options: argparse.Namespace) -> int:
    def work(settings: Settings) -> None:
        to_stdout(_plan(stage, settings) if options.plan else _run(stage, settings))

    return _obey(stage.name, options, stage.inputs, work)


def _obey(name: str, options: argparse.Namespace, inputs: Sequence[str], work: Callable[[Settings], None]) -> int:
    """Load the settings and do the work: the exit status, faults said on stderr."""
    try:
        settings = load(options.config, options.set, inputs)
        with translated_errors(settings):
            work(settings)
    except UserError as fault:
        to_stderr(f"tonality {name}: {fault}")
        return fault.exit_status
    except KeyboardInterrupt as interruption:
        to_stderr(f"tonality {name}: interrupted{''.join(f': {why}' for why in interruption.args)}")
        return _INTERRUPTED
    except Exception:
        to_stderr(traceback.format_exc().rstrip("\n"))  # Python's own way would show what is secret in it
        return 1
    finally:
        _settle_stdout()
    return 0


def _plan(stage: Stage, settings: Settings) -> str:
    """What the stage would do, which neither leaves a record nor starts a session."""
    return str(_checked(stage, settings).plan(settings))


def _run(stage: Stage, settings: Settings) -> str:
    """Run the stage with its record, in a Spark session where it needs one."""
    implementation = _checked(stage, settings)
    with Run(stage.name, settings) as record:
        to_stderr(f"tonality {stage.name}: run {record.id}")
        if not stage.spark:
            return str(implementation.run(settings, record))
        from tonality.runtime.spark.session import in_run, spark_session

        with spark_session(stage.name, settings.spark) as spark, in_run(spark, record, settings.spark):
            work = partial(implementation.run, settings, record, spark)
            return str(work() if stage.of_stages else with_retries(work))


def _checked(stage: Stage, settings: Settings) -> ModuleType:
    """The stage's module, once it, and Spark where it needs it, have nothing against the settings."""
    implementation = importlib.import_module(f"tonality.stages.{stage.name}")
    checks = [partial(implementation.check, settings)] if hasattr(implementation, "check") else []
    if stage.spark:
        from tonality.runtime.spark.session import check_session

        checks.append(partial(check_session, settings.spark))
    run_checks(checks)
    return implementation


def _settle_stdout() -> None:
    """Python would write what is left to a pipe that nobody reads, or a full disk, and complain as it ends."""
    try:
        if sys.stdout is not None:  # as it is where the shell has closed it
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
