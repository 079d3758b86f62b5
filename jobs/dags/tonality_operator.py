"""A stage of Tonality as an Airflow task, run by `spark-submit` with the settings of the Variable `tonality`.

The Variable is read when a task runs. It is a JSON object with these keys; paths are as the workers see them:

    python           a Python with Tonality; `spark-submit` is searched beside it, then on PATH (required)
    jobs             the folder of the jobs (required)
    config           settings files, later ones override (required; a list)
    set              settings as for --set, applied after the files (a list)
    connection       the Spark Connection (`spark_default`)
    conf             Spark properties (an object)
    properties_file, files, py_files, jars, packages
                     the options of `spark-submit` with these names
    env              environment variables (an object)
    stages           any of the above for a single stage; lists and objects are extended, other values replaced:
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
FIRST_TWEET: Final = datetime(2006, 3, 21, tzinfo=UTC)
"""The start date of the DAGs: no tweet is older."""
TASK_DEFAULTS: Final = {
    "retries": 3,
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(hours=1),
    "execution_timeout": timedelta(hours=6),
}
"""Retries and time limit of a task."""

_BACKFILL: Final = "airflow backfill create --dag-id tonality_daily --from-date 2015-12-10 --to-date 2015-12-10"
"""The command that runs a day, for users who trigger a run by hand."""

_TEXT, _LIST, _OBJECT = "a string", "a list of strings", "an object of strings and numbers"
_SUBMIT_OPTIONS: Final = ("properties_file", "files", "py_files", "jars", "packages")
_KEYS: Final = {
    **dict.fromkeys(("python", "jobs", "connection", *_SUBMIT_OPTIONS), _TEXT),
    **dict.fromkeys(("config", "set"), _LIST),
    **dict.fromkeys(("conf", "env"), _OBJECT),
}
_REQUIRED: Final = ("python", "jobs", "config")

_SETTINGS_ERROR: Final = 2
_EXIT_STATUS: Final = re.compile(r"Error code is: (\d+)\.")
"""In messages of SparkSubmitHook. In cluster mode it is not the driver's, which `spark-submit` does not know."""


def settings_param() -> Param:
    """The DAG parameter with the settings of one run, as for --set."""
    return Param(
        [],
        type="array",
        items={"type": "string"},
        title="Settings of this run",
        description='section.key=value, one per line, as for --set: `score.days="all"`, `train.epochs=4`',
    )


def first_day(interval_start: object, logical_date: object) -> str:
    """The first day of a run's data interval, for templates.

    Raises AirflowFailException if the run has no interval, or that of another day than its logical date: Airflow gives
    a run that is triggered by hand no interval, or today's if it has a logical date.
    """
    if not isinstance(interval_start, datetime) or not isinstance(logical_date, datetime):
        raise AirflowFailException(
            f"this run has no data interval, so there is no day to process. Run a day with {_BACKFILL}"
        )
    if logical_date < interval_start:
        raise AirflowFailException(
            f"this run was requested for {logical_date:%Y-%m-%d}, but has the data interval of "
            f"{interval_start:%Y-%m-%d}, as Airflow gives it to runs that are triggered by hand. Run a day with "
            f"{_BACKFILL}"
        )
    return f"{interval_start:%Y-%m-%d}"


def last_day(interval_end: datetime) -> str:
    """The last day of a data interval, whose end is midnight of the next day."""
    return f"{interval_end - timedelta(microseconds=1):%Y-%m-%d}"


class TonalityOperator(SparkSubmitOperator):
    """Runs the stage named by the task's id, as `spark-submit jobs/<stage>.py`.

    Errors in the Variable or in Tonality's settings fail the task at once: a retry would meet them again.

    :param overrides: settings that override all others, as for --set (templated)
    :param spark: False for a stage that needs no Spark: plain Python runs it, on workers with neither Java nor Spark,
        and SIGTERM ends it in an orderly way. It is submitted anyway if the Variable has a `connection` for it.
    """

    template_fields: ClassVar[Sequence[str]] = (*SparkSubmitOperator.template_fields, "overrides")

    def __init__(self, *, overrides: Sequence[str] = (), spark: bool = True, **kwargs: Any) -> None:
        kwargs.setdefault("name", "tonality {{ task.label }} {{ run_id }}")
        super().__init__(**kwargs)
        self.overrides = overrides
        self.spark = spark
        self._process: SubprocessHook | None = None

    def execute(self, context: Context) -> None:
        """Run the stage with the settings of the Variable, the DAG run's parameter `set` and the task."""
        config = _stage_config(self.label)
        settings = [*config["set"], *context["params"].get("set", ()), *self.overrides]
        arguments = [part for file in config["config"] for part in ("--config", file)]
        arguments += [part for setting in settings for part in ("--set", setting)]
        job = f"{config['jobs'].rstrip('/')}/{self.label}.py"
        with _environment(config, context["run_id"]):
            if self.spark or "connection" in config["stage"]:
                self._submit(job, arguments, config, context)
            else:
                self._run([config["python"], job, *arguments])

    def on_kill(self) -> None:
        """End the process or the Spark job."""
        if self._process:
            self._process.send_sigterm()
        else:
            super().on_kill()

    def _submit(self, job: str, arguments: list[str], config: Mapping[str, Any], context: Context) -> None:
        self.application, self.application_args, self.conf = job, arguments, config["conf"]
        for option in _SUBMIT_OPTIONS:
            setattr(self, option, config.get(option))
        self._conn_id = config.get("connection", self._conn_id)
        _check_connection(self._conn_id)
        try:
            super().execute(context)
        except FileNotFoundError as error:
            raise AirflowFailException(
                f"{error.filename} is neither beside {config['python']} nor on the worker's PATH: install Spark, or "
                f"name in the Variable {VARIABLE} a python that has it in the same folder"
            ) from error
        except AirflowException as error:
            status = _EXIT_STATUS.search(str(error))
            if status and int(status[1]) == _SETTINGS_ERROR:
                raise AirflowFailException(f"{error}\n{self._advice()}") from error
            raise

    def _run(self, command: list[str]) -> None:
        self._process = SubprocessHook()
        result = self._process.run_command(command, cwd=str(Path.cwd()))
        if result.exit_code == _SETTINGS_ERROR:
            raise AirflowFailException(f"{result.output}\n{self._advice()}")
        if result.exit_code:
            raise AirflowException(f"{self.label} ended with exit status {result.exit_code}: {result.output}")

    def _advice(self) -> str:
        return (
            f"{self.label} refuses its settings, so it is not retried: correct the settings named in the log, in the "
            f"files or the Variable {VARIABLE}, then clear this task and those after it."
        )


def _stage_config(stage: str) -> dict[str, Any]:
    """The Variable's content merged with its keys for the stage, which are also under `stage`.

    Raises AirflowFailException with all errors at once.
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
        raise AirflowFailException(f"there is no Variable {VARIABLE}: run airflow variables set {VARIABLE} '{example}'")
    try:
        variable = json.loads(text)
    except ValueError as error:
        raise AirflowFailException(f"the Variable {VARIABLE} is not JSON: {error}") from error
    if errors := list(_errors(variable)):
        raise AirflowFailException("\n".join(f"Variable {VARIABLE}: {error}" for error in errors))
    of_stage = variable.pop("stages", {}).get(stage, {})
    return {**_merge(variable, of_stage), "stage": of_stage}


def _errors(variable: object) -> Iterator[str]:
    if not isinstance(variable, dict):
        yield f"found {_kind(variable)}, expected an object with the keys {', '.join(_REQUIRED)}"
        return
    for key in _REQUIRED:
        if key not in variable:
            yield f"{key} is missing: expected {_KEYS[key]}"
    yield from _key_errors({key: value for key, value in variable.items() if key != "stages"}, "", "stages")
    stages = variable.get("stages", {})
    if not isinstance(stages, dict):
        yield f"stages: found {_kind(stages)}, expected an object of objects, by stage name"
        return
    if wrong := [stage for stage, keys in stages.items() if not isinstance(keys, dict)]:
        yield from (f"stages.{stage}: found {_kind(stages[stage])}, expected an object" for stage in wrong)
        return
    for stage, keys in stages.items():
        yield from _key_errors(keys, f"stages.{stage}.")
    yield from _path_errors(variable, stages)


def _key_errors(content: Mapping[str, object], prefix: str, *others: str) -> Iterator[str]:
    known = [*_KEYS, *others]
    for key, value in content.items():
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
    """The kind of a value, without its content, which may be secret and would be in the log."""
    if isinstance(value, dict):
        wrong = [f"{name} is {_kind(part)}" for name, part in value.items() if not isinstance(part, str | int | float)]
        return f"an object in which {', '.join(wrong)}" if wrong else "an object"
    if isinstance(value, list):
        return "a list with values other than strings" if any(not isinstance(part, str) for part in value) else "a list"
    if isinstance(value, str):
        return "a string" if value else "an empty string"
    return json.dumps(value) if value is None or isinstance(value, bool) else "a number"


def _path_errors(variable: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Errors of paths that must exist on this worker; URLs are left to Spark."""
    python, jobs = variable.get("python"), variable.get("jobs")
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


def _merge(variable: Mapping[str, Any], of_stage: Mapping[str, Any]) -> dict[str, Any]:
    """Both together: lists and objects are joined, of other values the stage's are taken."""
    merged = {**variable, **of_stage}
    for key, kind in _KEYS.items():
        if kind == _LIST:
            merged[key] = [*variable.get(key, ()), *of_stage.get(key, ())]
        elif kind == _OBJECT:
            both = {**variable.get(key, {}), **of_stage.get(key, {})}
            merged[key] = {name: value if isinstance(value, str) else json.dumps(value) for name, value in both.items()}
    return merged


@contextmanager
def _environment(config: Mapping[str, Any], run_id: str) -> Iterator[None]:
    """Set the environment of driver and workers: their own Python instead of Airflow's, and the id of the DAG run."""
    python = shutil.which(config["python"])
    assert python, "the Variable was checked"
    changes = {
        "PATH": f"{Path(python).absolute().parent}:{os.environ['PATH']}",
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "TONALITY_PART_OF": run_id,
        **config["env"],
    }
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _check_connection(name: str) -> None:
    """Refuse an unknown Connection: SparkSubmitHook would only warn and use `yarn` instead."""
    try:
        BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise AirflowFailException(
            f"there is no Connection {name}: name one of `airflow connections list` in the Variable {VARIABLE}, or run "
            f"airflow connections add {name} --conn-type spark --conn-host yarn (or spark://head:7077, local[*])"
        ) from error
