"""Arguments of the `tonality` command and of the scripts in jobs/: the parsers and their help texts."""

import argparse
import os
from datetime import date
from typing import Final, NoReturn

from tonality import __version__
from tonality.ingest.formats.text_files import TEXT_COLUMN, TEXT_FORMATS
from tonality.runtime.diagnostics.escaping import escaped_name
from tonality.runtime.diagnostics.logs import LOG_FORMATS, TEXT
from tonality.stages import STAGES, Stage

__all__ = ["MODELS", "MODEL_ACTIONS", "RUNS", "SCORE_TEXT", "command_parser", "job_parser"]

SCORE_TEXT: Final = "score-text"
MODELS: Final = "models"
RUNS: Final = "runs"
"""The commands that are no stages."""

MODEL_ACTIONS: Final = {"use": "a model", "rollback": "", "add": "a folder", "remove": "a model"}
"""The argument of each action of `models` except `list`."""

_LOG_FORMAT: Final = "TONALITY_LOG_FORMAT"
"""The environment variable with the default of --log-format, for schedulers that start several commands."""

_DESCRIPTION: Final = "What a country's Twitter thinks: from raw archives to a survey page."
_EPILOG: Final = (
    "Exit status: 0 done, 2 an error in the settings, 3 nothing usable in the input, 1 anything else. "
    "conf/default.toml lists every setting."
)
_SCORE_TEXT_SUMMARY: Final = "Score the texts of a file or of stdin and write them to stdout with their scores."
_SCORE_TEXT_DESCRIPTION: Final = f"""\
{_SCORE_TEXT_SUMMARY}
Needs a model, but neither Java nor Spark. Each text gets its probability of being
positive and its tone by survey.positive and survey.negative: the same that `score`
gives a tweet with that text on a CPU, with the precision of score.precision.

  lines  one text per line; written as probability, tone and text, separated by
         tabs (tabs in the text become spaces)
  csv    a table with a header; the columns probability and tonality are added
  tsv    the same with tabs
  jsonl  one object per line; the keys probability and tonality are added

Texts are written in order and as soon as they arrive: `tail -f` may be piped in.
A text without stems, such as an empty line, a null or words in another alphabet
(or with unknown stems only, if vocabulary.unknown was drop), has no probability
(null in jsonl) and the tone none. Blank lines of csv, tsv and jsonl are dropped.
A record that cannot be read (not UTF-8, not a JSON object, too few or too many
fields, no such column) ends the command with exit status 3 and the line number,
after all records before it have been written. A summary goes to stderr.
"""
_MODELS_SUMMARY: Final = "List the trained models, or choose the one in production."
_MODELS_DESCRIPTION: Final = f"""\
{_MODELS_SUMMARY}
Each model has its own folder in models/ under paths.root, named by the hash of its
content. models/current.json names the production model: the one that scores.

  list             list all models with their metrics, oldest first (the default)
  use MODEL        put this model into production; a prefix of its name is enough
  rollback         put the previous production model back into production; `promote`
                   ignores the one that it replaces until you `use` it
  add FOLDER       copy a model from another place; it goes into production if no
                   model is yet
  remove MODEL     delete a model that is not in production

Days that another model has scored keep their scores until `score` is run for them
again; every scored row names its model.
"""
_RUNS_SUMMARY: Final = "List the runs of paths.root, or show one in full: its settings, its results and its end."
_RUNS_DESCRIPTION: Final = f"""\
{_RUNS_SUMMARY}
Reads the records in runs/ under paths.root, and needs neither Java nor Spark.

A run is done, failed, interrupted, running or killed. `lost` is a run that started
on another machine and has not recorded its end; `damaged` is a record that cannot
be read. A lock shows that a run is still running if the root is on a local disk;
elsewhere its process does, on the machine that runs it only.
"""

_Commands = argparse._SubParsersAction


class _Parser(argparse.ArgumentParser):
    """A parser whose errors quote arguments, which may be names of files, on one line."""

    def error(self, message: str) -> NoReturn:
        super().error(escaped_name(message))


def command_parser() -> argparse.ArgumentParser:
    """The parser of the `tonality` command; its result names the command in `command`."""
    parser = _Parser(prog="tonality", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"tonality {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="stage")
    for stage in STAGES.values():
        command = commands.add_parser(stage.name, help=stage.summary, description=_describe(stage), epilog=_EPILOG)
        _add_options(command, stage)
    _add_score_text(commands)
    _add_models(commands)
    _add_runs(commands)
    return parser


def job_parser(stage: Stage) -> argparse.ArgumentParser:
    """The parser of a stage's script in jobs/."""
    parser = _Parser(description=_describe(stage), epilog=_EPILOG)
    _add_options(parser, stage)
    return parser


def _describe(stage: Stage) -> str:
    return f"{stage.summary} Reads {stage.reads}. Writes {stage.writes}."


def _add_options(parser: argparse.ArgumentParser, stage: Stage) -> None:
    parser.set_defaults(plan=False)
    if stage.plan:
        parser.add_argument("--plan", action="store_true", help="show what a run would read and do; write nothing")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", action="append", default=[], metavar="FILE", help="a TOML file of settings; later files override"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, as in --set train.epochs=2"
    )
    _add_logging(parser)


def _add_logging(parser: argparse.ArgumentParser) -> None:
    level = parser.add_mutually_exclusive_group()
    level.add_argument("-v", "--verbose", action="store_true", help="log details, and the exception behind an error")
    level.add_argument("-q", "--quiet", action="store_true", help="log only warnings and errors")
    parser.add_argument(
        "--log-format",
        type=_log_format,
        default=os.environ.get(_LOG_FORMAT, TEXT),
        metavar="|".join(LOG_FORMATS),
        help=f"lines for people, or JSON objects; by default {_LOG_FORMAT} in the environment, or text",
    )


def _add_command(commands: "_Commands[_Parser]", name: str, summary: str, description: str) -> argparse.ArgumentParser:
    """Add a command that is no stage; the line breaks of its description are kept."""
    formatter = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=summary, description=description, epilog=_EPILOG, formatter_class=formatter)


def _add_score_text(commands: "_Commands[_Parser]") -> None:
    command = _add_command(commands, SCORE_TEXT, _SCORE_TEXT_SUMMARY, _SCORE_TEXT_DESCRIPTION)
    command.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="a file or URL, plain or compressed (gzip, bzip2, Zstandard); by default -, plain text from stdin",
    )
    command.add_argument("--model", metavar="DIR", help="the model's folder; by default the production model")
    command.add_argument(
        "--format",
        choices=TEXT_FORMATS,
        help="the format of the texts; by default from FILE's suffix: .csv, .tsv, .jsonl, .ndjson or .json; else lines",
    )
    command.add_argument("--text", metavar="COLUMN", help=f"the column or key of the texts; by default {TEXT_COLUMN}")
    _add_settings(command)


def _add_models(commands: "_Commands[_Parser]") -> None:
    command = _add_command(commands, MODELS, _MODELS_SUMMARY, _MODELS_DESCRIPTION)
    command.add_argument("action", nargs="?", choices=("list", *MODEL_ACTIONS), default="list")
    command.add_argument("model", nargs="?", metavar="MODEL", help="a model's name or its prefix; for add, a folder")
    _add_settings(command)


def _add_runs(commands: "_Commands[_Parser]") -> None:
    command = _add_command(commands, RUNS, _RUNS_SUMMARY, _RUNS_DESCRIPTION)
    command.add_argument("run", nargs="?", metavar="RUN", help="a run id, or any unique part of one")
    command.add_argument("--stage", choices=list(STAGES), help="only runs of this stage")
    command.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="only runs that were to process this day")
    command.add_argument(
        "--part-of", metavar="ID", help="only parts of this run of `pipeline` or of jobs/daily.sh; a prefix is enough"
    )
    command.add_argument("--failed", action="store_true", help="only runs that did not succeed, and damaged records")
    command.add_argument("--last", type=_count, metavar="N", help="the newest N of these")
    formats = command.add_mutually_exclusive_group()
    formats.add_argument(
        "--json",
        dest="form",
        action="store_const",
        const="json",
        help="one JSON object per line: the record and the state of the run",
    )
    formats.add_argument(
        "--logfmt",
        dest="form",
        action="store_const",
        const="logfmt",
        help="key=value pairs, one line per run, for shells: the numbers and the state",
    )
    _add_settings(command)


def _log_format(text: str) -> str:
    if text not in LOG_FORMATS:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {' or '.join(LOG_FORMATS)}")
    return text


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a date as 2015-12-10") from None


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected 1 or more")
    return int(text)
