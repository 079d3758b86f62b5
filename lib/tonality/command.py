"""The command, `tonality <stage>`, and every job: settings loaded, the stage run, faults turned into exit statuses."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from types import ModuleType
from typing import Final

from tonality import __version__
from tonality.config import load
from tonality.console import say
from tonality.faults import Fault, ask_all
from tonality.mishaps import explained
from tonality.record import Run
from tonality.settings import Settings
from tonality.stages import STAGES, Stage

__all__ = ["main", "run_job"]

_DESCRIPTION: Final = "What a country's Twitter thinks: from raw archives to a survey page."
_EPILOG: Final = (
    "Exit status: 0 done, 2 a fault of the settings, 3 nothing usable in the input, 1 anything else. "
    "conf/default.toml lists every setting."
)
_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The `tonality` command: its exit status."""
    parser = argparse.ArgumentParser(prog="tonality", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"tonality {__version__}")
    commands = parser.add_subparsers(dest="stage", required=True, metavar="stage")
    for stage in STAGES.values():
        command = commands.add_parser(stage.name, help=stage.summary, description=_describe(stage), epilog=_EPILOG)
        _add_options(command, stage)
    options = parser.parse_args(arguments)
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
            help="say what would be read and how long it would take; write nothing",
        )
    parser.add_argument(
        "--config", action="append", default=[], metavar="FILE", help="a TOML file of settings; later files override"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, as in --set train.epochs=2"
    )


def _execute(stage: Stage, options: argparse.Namespace) -> int:
    try:
        settings = load(options.config, options.set, stage.inputs)
        with explained(settings):
            say(_plan(stage, settings) if options.plan else _run(stage, settings))
    except Fault as fault:
        print(f"tonality {stage.name}: {fault}", file=sys.stderr)  # noqa: T201
        return fault.exit_status
    except KeyboardInterrupt as interruption:
        print(f"tonality {stage.name}: interrupted{''.join(f': {why}' for why in interruption.args)}", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
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
        if not stage.spark:
            return str(implementation.run(settings, record))
        from tonality.session import spark_session

        with spark_session(stage.name, settings.spark) as spark:
            return str(implementation.run(settings, record, spark))


def _checked(stage: Stage, settings: Settings) -> ModuleType:
    """The stage's module, once it, and Spark where it needs it, have nothing against the settings."""
    implementation = importlib.import_module(f"tonality.stages.{stage.name}")
    checks = [partial(implementation.check, settings)] if hasattr(implementation, "check") else []
    if stage.spark:
        from tonality.session import check_session

        checks.append(partial(check_session, settings.spark))
    ask_all(checks)
    return implementation


def _settle_stdout() -> None:
    """Python would write what is left to a pipe that nobody reads, or a full disk, and complain as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
