"""A stage of Tonality as a task of Airflow: the Variable `tonality`, read as the task runs, and `spark-submit`.

The Variable is JSON. What it may hold, with paths as the workers see them:

    python           the Python that has Tonality; `spark-submit` is looked for beside it, then on PATH (required)
    jobs             the folder of the jobs (required)
    config           files of settings, the later wins (required; a list)
    set              settings as --set takes them, after the files (a list)
    connection       the Spark Connection (`spark_default`)
    conf             properties of Spark (an object)
    properties_file, files, py_files, jars, packages
                     the options of `spark-submit` of these names
    env              variables of the environment (an object)
    stages           any of the above but `stages` for one stage, added to lists and objects and otherwise replacing:
                     {"train": {"set": ["train.epochs=4"]}}
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Final

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import BaseHook, Context, Param, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException

VARIABLE: Final = "tonality"
FIRST_MOMENT: Final = datetime(2006, 3, 21, tzinfo=UTC)
"""When a DAG may begin: no tweet is older."""
PATIENCE: Final = {
    "retries": 3,
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(hours=1),
    "execution_timeout": timedelta(hours=6),
}
"""How often a task is tried again, and how long it may take."""

_BACKFILL: Final = "airflow backfill create --dag-id tonality_daily --from-date 2015-12-10 --to-date 2015-12-10"
"""How a day is run, for those who trigger a run by hand."""

_TEXT, _LIST, _OBJECT = "a text", "a list of texts", "an object of texts and numbers"
_SUBMIT_OPTIONS: Final = ("properties_file", "files", "py_files", "jars", "packages")
_KEYS: Final = {
    **dict.fromkeys(("python", "jobs", "connection", *_SUBMIT_OPTIONS), _TEXT),
    **dict.fromkeys(("config", "set"), _LIST),
    **dict.fromkeys(("conf", "env"), _OBJECT),
}
_REQUIRED: Final = ("python", "jobs", "config")

_SETTINGS_FAULT: Final = 2
_EXIT_STATUS: Final = re.compile(r"Error code is: (\d+)\.")
"""Where SparkSubmitHook tells it; of a driver in client mode, since in cluster mode `spark-submit` does not know it."""


def settings_param() -> Param:
    """A parameter of a DAG: settings for one run of it, as --set takes them."""
    return Param(
        [],
        type="array",
        items={"type": "string"},
        title="Settings of this run",
        description='section.key=value, one a line, as --set takes them: `score.days="all"`, `train.epochs=4`',
    )


def first_day(interval_start: object, logical_date: object) -> str:
    """The first day of a run's data interval, for a template.

    Raises AirflowFailException where the run has none, or has that of another day than it was asked for: Airflow gives
    a run that is triggered by hand no interval, and with a logical date the interval of today's.
    """
    if not isinstance(interval_start, datetime) or not isinstance(logical_date, datetime):
        raise AirflowFailException(
            f"this run has no data interval, so there is no day to work on. Run a day by {_BACKFILL}"
        )
    if logical_date < interval_start:
        raise AirflowFailException(
            f"this run was asked for {logical_date:%Y-%m-%d} and has the data interval of {interval_start:%Y-%m-%d}, "
            f"which is what Airflow gives runs that are triggered by hand. Run a day by {_BACKFILL}"
        )
    return f"{interval_start:%Y-%m-%d}"


def last_day(interval_end: datetime) -> str:
    """The last day of a data interval, whose end is the first moment of the day after."""
    return f"{interval_end - timedelta(microseconds=1):%Y-%m-%d}"


class TonalityOperator(SparkSubmitOperator):
    """The stage that the task's id names, as `spark-submit jobs/<stage>.py`.

    A fault of the settings, of Tonality's or of the Variable, fails the task at once: another try would find the same.

    :param overrides: settings that come after all others, as --set takes them (templated)
    :param spark: False for a stage that needs no Spark: it is run by Python alone, which SIGTERM ends in an orderly
        way, on workers with neither Java nor Spark. With a `connection` of its own in the Variable it is submitted.
    """

    template_fields: ClassVar[Sequence[str]] = (*SparkSubmitOperator.template_fields, "overrides")

    def __init__(self, *, overrides: Sequence[str] = (), spark: bool = True, **kwargs: Any) -> None:
        kwargs.setdefault("name", "tonality {{ task.label }} {{ run_id }}")
        super().__init__(**kwargs)
        self.overrides = overrides
        self.spark = spark
        self._process: SubprocessHook | None = None

    def execute(self, context: Context) -> None:
        """Run the stage with the settings of the Variable, of the DAG run's parameter `set` and of the task."""
        asked = _asked(self.label)
        settings = [*asked["set"], *context["params"].get("set", ()), *self.overrides]
        arguments = [part for file in asked["config"] for part in ("--config", file)]
        arguments += [part for setting in settings for part in ("--set", setting)]
        job = f"{asked['jobs'].rstrip('/')}/{self.label}.py"
        with _environment(asked, context["run_id"]):
            if self.spark or "connection" in asked["stage"]:
                self._submit(job, arguments, asked, context)
            else:
                self._run([asked["python"], job, *arguments])

    def on_kill(self) -> None:
        """End what was started."""
        if self._process:
            self._process.send_sigterm()
        else:
            super().on_kill()

    def _submit(self, job: str, arguments: list[str], asked: Mapping[str, Any], context: Context) -> None:
        self.application, self.application_args, self.conf = job, arguments, asked["conf"]
        for option in _SUBMIT_OPTIONS:
            setattr(self, option, asked.get(option))
        self._conn_id = asked.get("connection", self._conn_id)
        _check_connection(self._conn_id)
        try:
            super().execute(context)
        except FileNotFoundError as error:
            raise AirflowFailException(
                f"there is no {error.filename}, neither beside {asked['python']} nor on the worker's PATH: "
                f"install Spark, or name a python beside which it stands in the Variable {VARIABLE}"
            ) from error
        except AirflowException as failure:
            status = _EXIT_STATUS.search(str(failure))
            if status and int(status[1]) == _SETTINGS_FAULT:
                raise AirflowFailException(f"{failure}\n{self._mend()}") from failure
            raise

    def _run(self, command: list[str]) -> None:
        self._process = SubprocessHook()
        result = self._process.run_command(command, cwd=str(Path.cwd()))
        if result.exit_code == _SETTINGS_FAULT:
            raise AirflowFailException(f"{result.output}\n{self._mend()}")
        if result.exit_code:
            raise AirflowException(f"{self.label} ended with exit status {result.exit_code}: {result.output}")

    def _mend(self) -> str:
        return (
            f"{self.label} refuses its settings, so it is not tried again: mend what the log names, in the "
            f"files or the Variable {VARIABLE}, then clear this task and those after it."
        )


def _asked(stage: str) -> dict[str, Any]:
    """What the Variable says for the stage, `stage` being what it says for that one alone.

    Raises AirflowFailException, for all faults at once.
    """
    text = Variable.get(VARIABLE, default=None)
    if text is None:
        example = json.dumps(
            {
                "python": "/srv/tonality/.venv/bin/python",
                "jobs": "/srv/tonality/jobs",
                "config": ["/srv/tonality/mine.toml"],
            }
        )
        raise AirflowFailException(f"there is no Variable {VARIABLE}: airflow variables set {VARIABLE} '{example}'")
    try:
        said = json.loads(text)
    except ValueError as error:
        raise AirflowFailException(f"the Variable {VARIABLE} is no JSON: {error}") from error
    if faults := list(_faults(said)):
        raise AirflowFailException("\n".join(f"Variable {VARIABLE}: {fault}" for fault in faults))
    alone = said.pop("stages", {}).get(stage, {})
    return {**_merged(said, alone), "stage": alone}


def _faults(said: object) -> Iterator[str]:
    if not isinstance(said, dict):
        yield f"found {_kind(said)}, expected an object with the keys {', '.join(_REQUIRED)}"
        return
    for key in _REQUIRED:
        if key not in said:
            yield f"{key} is missing: expected {_KEYS[key]}"
    yield from _faults_of_keys({key: value for key, value in said.items() if key != "stages"}, "", "stages")
    stages = said.get("stages", {})
    if not isinstance(stages, dict):
        yield f"stages: found {_kind(stages)}, expected an object of objects, by the names of stages"
        return
    if wrong := [stage for stage, keys in stages.items() if not isinstance(keys, dict)]:
        yield from (f"stages.{stage}: found {_kind(stages[stage])}, expected an object" for stage in wrong)
        return
    for stage, keys in stages.items():
        yield from _faults_of_keys(keys, f"stages.{stage}.")
    yield from _faults_of_places(said, stages)


def _faults_of_keys(said: Mapping[str, object], prefix: str, *others: str) -> Iterator[str]:
    known = [*_KEYS, *others]
    for key, value in said.items():
        if key not in _KEYS:
            near = get_close_matches(key, known, 1)
            yield f"{prefix}{key} is unknown, {f'did you mean {near[0]}?' if near else 'expected: ' + ', '.join(known)}"
        elif not _is(_KEYS[key], value):
            yield f"{prefix}{key}: found {_kind(value)}, expected {_KEYS[key]}"


def _is(kind: str, value: object) -> bool:
    if kind == _TEXT:
        return isinstance(value, str) and bool(value)
    if kind == _LIST:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, dict) and all(isinstance(one, str | int | float) for one in value.values())


def _kind(value: object) -> str:
    """What was found, without what it says: that may be secret, and stands in the log for all to read."""
    if isinstance(value, dict):
        wrong = [f"{name} is {_kind(part)}" for name, part in value.items() if not isinstance(part, str | int | float)]
        return f"an object in which {', '.join(wrong)}" if wrong else "an object"
    if isinstance(value, list):
        return "a list with more than texts" if any(not isinstance(part, str) for part in value) else "a list"
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    return json.dumps(value) if value is None or isinstance(value, bool) else "a number"


def _faults_of_places(said: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Of what this worker would have to find; a store's addresses are for Spark to look up."""
    python, jobs = said.get("python"), said.get("jobs")
    if isinstance(python, str) and python and not shutil.which(python):
        yield f"python: {python} cannot be run on this worker"
    if not isinstance(jobs, str) or not jobs or "://" in jobs:
        return
    if not Path(jobs).is_dir():
        yield f"jobs: there is no folder {jobs} on this worker"
        return
    for stage in stages:
        if not Path(jobs, f"{stage}.py").is_file():
            yield f"stages.{stage}: there is no {stage}.py in {jobs}"


def _merged(said: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**said, **alone}
    for key, kind in _KEYS.items():
        if kind == _LIST:
            merged[key] = [*said.get(key, ()), *alone.get(key, ())]
        elif kind == _OBJECT:
            both = {**said.get(key, {}), **alone.get(key, {})}
            merged[key] = {name: value if isinstance(value, str) else json.dumps(value) for name, value in both.items()}
    return merged


@contextmanager
def _environment(asked: Mapping[str, Any], run_id: str) -> Iterator[None]:
    """What the driver and its workers find: their own Python, none of Airflow's, and what their run is a part of."""
    python = shutil.which(asked["python"])
    assert python, "the Variable was checked"
    changes = {
        "PATH": f"{Path(python).absolute().parent}:{os.environ['PATH']}",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "TONALITY_PART_OF": run_id,
        **asked["env"],
    }
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _check_connection(name: str) -> None:
    """Refuse a name that nobody knows: SparkSubmitHook would take `yarn` for it, and say so in passing."""
    try:
        BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise AirflowFailException(
            f"there is no Connection {name}: name one of `airflow connections list` in the Variable {VARIABLE}, or run "
            f"airflow connections add {name} --conn-type spark --conn-host yarn (or spark://head:7077, local[*])"
        ) from error
