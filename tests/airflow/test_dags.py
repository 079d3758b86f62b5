"""The files of jobs/dags/ as a DAG processor reads them, and the errors of a task with a wrong Variable."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from live import DAGS, ENVIRONMENT, REPOSITORY, settings

pytestmark = pytest.mark.airflow

HEAVY: Final = {"pyspark", "torch", "tonality", "pandas", "numpy", "pyarrow", "kubernetes"}
GOOD: Final = {"python": sys.executable, "jobs": str(REPOSITORY / "jobs"), "config": []}
REFUSED: Final = "AirflowFailException"
"""The exception of a task that Airflow does not retry."""
RETRIED: Final = "AirflowException"


def inside(home: Path, mode: str, lines: str = "", **environment: str) -> list[Any]:
    """The output of inside.py in Airflow's own environment."""
    command = [str(ENVIRONMENT / "bin" / "python"), str(Path(__file__).with_name("inside.py")), mode, str(DAGS)]
    known = {**settings(home), **environment}
    done = subprocess.run(command, input=lines, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    [found] = inside(tmp_path_factory.mktemp("airflow"), "dags")
    return dict(found)


def test_every_file_is_imported_and_none_imports_anything_heavy(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert sorted(parsed["dags"]) == ["tonality_daily", "tonality_training"]
    assert HEAVY.isdisjoint(parsed["modules"])


def test_a_day_is_cleaned_scored_and_reported_within_its_interval(parsed: dict[str, Any]) -> None:
    daily = parsed["dags"]["tonality_daily"]
    assert [(task["id"], task["after"]) for task in daily["tasks"]] == [
        ("clean", []),
        ("score", ["clean"]),
        ("report", ["score"]),
    ]


def test_a_run_processes_the_days_of_its_interval_and_none_if_its_date_is_another(tmp_path: Path) -> None:
    start, end = "2015-12-10T00:00:00+00:00", "2015-12-11T00:00:00+00:00"
    interval = {"data_interval_start": start, "data_interval_end": end}
    by_hand = "2015-12-11T09:30:00+00:00"
    times = [{**interval, "logical_date": start}, {**interval, "logical_date": by_hand}, {}]
    times.append({**interval, "logical_date": "2015-12-01T00:00:00+00:00"})
    scheduled, triggered, bare, past = inside(tmp_path, "days", "\n".join(json.dumps(one) for one in times))
    days = ["since=2015-12-10", "until=2015-12-10"]
    assert scheduled == triggered == [[f"{part}.{day}" for day in days] for part in ("archive", "score")] + [[]]
    assert (bare["kind"], past["kind"]) == (REFUSED, REFUSED)
    assert bare["message"].startswith(
        "this run has no data interval, so there is no day to process. Run a day with airflow"
    )
    assert past["message"].startswith("this run was requested for 2015-12-01, but has the data interval of 2015-12-10")


def test_a_training_runs_its_four_stages_with_spark_only_where_needed(
    parsed: dict[str, Any],
) -> None:
    training = parsed["dags"]["tonality_training"]
    assert [(task["id"], task["after"], task["spark"]) for task in training["tasks"]] == [
        ("prepare", [], True),
        ("train", ["prepare"], False),
        ("evaluate", ["train"], True),
        ("promote", ["evaluate"], False),
    ]


@pytest.mark.parametrize(
    ("dag", "cron", "runs"), [("tonality_daily", "0 0 * * *", 2), ("tonality_training", "0 3 1 * *", 1)]
)
def test_intervals_are_those_of_an_explicit_timetable_in_utc_and_tasks_are_retried(
    parsed: dict[str, Any], dag: str, cron: str, runs: int
) -> None:
    found = parsed["dags"][dag]
    assert found["timetable"] == f"CronDataIntervalTimetable {cron} UTC"
    assert (found["catchup"], found["max_active_runs"]) == (False, runs)
    assert (found["tags"], found["documented"]) == (["tonality"], True)
    assert all(task["retries"] == 3 and task["limited"] for task in found["tasks"])


def test_stages_can_be_put_in_front_of_a_training_and_their_labels_are_used(tmp_path: Path) -> None:
    [found] = inside(tmp_path, "dags", TONALITY_FRONT_STAGES="clean, label")
    clean, label, prepare, *others = found["dags"]["tonality_training"]["tasks"]
    assert [(task["id"], task["after"]) for task in (clean, label, prepare)] == [
        ("clean", []),
        ("label", ["clean"]),
        ("prepare", ["label"]),
    ]
    assert prepare["overrides"] == ["corpus.labelled=true"]
    assert [task["id"] for task in others] == ["train", "evaluate", "promote"]


class Case(NamedTuple):
    """A task with its Variable, and the expected exception with parts of its message."""

    variable: object
    kind: str
    message: list[str]
    task: str = "clean"
    connection: str | None = "local[1]"


CASES: Final = {
    "not JSON": Case("{'python': 1}", REFUSED, ["the Variable tonality is not JSON", "line 1 column 2"]),
    "not an object": Case([], REFUSED, ["found a list, expected an object with the keys python, jobs, config"]),
    "all errors at once": Case(
        {**GOOD, "confg": {}, "set": "train.epochs=2", "jobs": ""},
        REFUSED,
        [
            "Variable tonality: confg is unknown, did you mean config?",
            "Variable tonality: set: found a string, expected a list of strings",
            "Variable tonality: jobs: found an empty string, expected a string",
        ],
    ),
    "no secret": Case(
        {
            **GOOD,
            "env": {"AWS_SECRET_ACCESS_KEY": "geheim", "N": None},
            "stages": {"train": "geheim"},
            "conf": ["geheim"],
        },
        REFUSED,
        [
            "env: found an object in which N is null, expected an object of strings and numbers",
            "conf: found a list, expected an object of strings and numbers",
            "stages.train: found a string, expected an object",
        ],
    ),
    "missing paths": Case(
        {"python": "/nowhere/python", "jobs": "/nowhere", "stages": {"train": {"sett": []}}},
        REFUSED,
        [
            "config is missing: expected a list of strings",
            "stages.train.sett is unknown, did you mean set?",
            "python: /nowhere/python cannot be run on this worker",
            "jobs: there is no folder /nowhere on this worker",
        ],
    ),
    "an unknown stage": Case({**GOOD, "stages": {"trian": {}}}, REFUSED, ["stages.trian: there is no trian.py in"]),
    "an unknown connection": Case(
        GOOD,
        REFUSED,
        ["there is no Connection spark_default: name", "airflow connections add spark_default"],
        connection=None,
    ),
    "no Spark": Case(
        {**GOOD, "python": "/usr/bin/env", "env": {"PATH": "/nowhere"}},
        REFUSED,
        ["spark-submit is neither beside /usr/bin/env nor on the worker's PATH"],
    ),
    "settings that a job refuses": Case(
        {**GOOD, "set": ["archive.sinze=2015-12-10"]}, REFUSED, ["archive.sinze", "clean refuses its settings"]
    ),
    "settings that are refused without Spark": Case(
        {**GOOD, "set": ["train.epoch=2"]}, REFUSED, ["train.epoch", "train refuses its settings"], task="train"
    ),
    "a late archive": Case(
        {**GOOD, "set": ["paths.archive=/nowhere/*.json", "paths.root={place}/root"]},
        RETRIED,
        ["no file found at /nowhere/*.json"],
    ),
    "a missing dataset": Case(
        {**GOOD, "set": ["paths.root={place}/root"]}, RETRIED, ["train ended with exit status 3"], task="train"
    ),
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The exception of each case."""
    place = tmp_path_factory.mktemp("errors")
    tasks = []
    for case in CASES.values():
        text = case.variable if isinstance(case.variable, str) else json.dumps(case.variable)
        environment = {"AIRFLOW_VAR_TONALITY": text.replace("{place}", str(place))}
        if case.connection:
            spark = {"conn_type": "spark", "host": case.connection}
            environment["AIRFLOW_CONN_SPARK_DEFAULT"] = json.dumps(spark)
        tasks.append(json.dumps({"task": case.task, "spark": case.task != "train", "environment": environment}))
    return dict(zip(CASES, inside(place, "tasks", "\n".join(tasks)), strict=True))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.kind == REFUSED])
def test_an_error_of_the_settings_is_named_and_not_retried(ended: dict[str, dict[str, str]], name: str) -> None:
    assert ended[name]["kind"] == REFUSED
    assert "geheim" not in ended[name]["message"]
    for part in CASES[name].message:
        assert part in ended[name]["message"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.kind == RETRIED])
def test_an_error_that_may_pass_is_retried(ended: dict[str, dict[str, str]], name: str) -> None:
    assert ended[name]["kind"] == RETRIED
    for part in CASES[name].message:
        assert part in ended[name]["message"]
