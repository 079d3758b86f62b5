"""The files of jobs/dags/ as a DAG processor reads them, and what a task says of a Variable that is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from live import DAGS, ENVIRONMENT, REPOSITORY, settings

pytestmark = pytest.mark.airflow

HEAVY: Final = {"pyspark", "torch", "tonality", "pandas", "numpy", "pyarrow", "kubernetes"}
GOOD: Final = {"python": sys.executable, "jobs": str(REPOSITORY / "jobs"), "config": []}
CONNECTED: Final = {"AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[1]"})}
REFUSED: Final = "AirflowFailException"
"""What a task ends with that Airflow does not try again."""


def inside(home: Path, mode: str, lines: str = "", **environment: str) -> list[Any]:
    """What Airflow's own Python says of the folder of the DAGs."""
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
    clean, score, report = daily["tasks"]
    assert [(task["id"], task["after"]) for task in daily["tasks"]] == [
        ("clean", []),
        ("score", ["clean"]),
        ("report", ["score"]),
    ]
    for task, table in ((clean, "archive"), (score, "score")):
        since, until = task["overrides"]
        assert since == f"{table}.since={{{{ data_interval_start | ds }}}}"
        assert until.startswith(f"{table}.until=")
        assert "data_interval_end" in until
    assert report["overrides"] == []


def test_a_training_is_prepared_trained_evaluated_and_promoted_without_spark_where_none_is_needed(
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
def test_intervals_are_those_of_an_explicit_timetable_in_utc_and_tasks_are_tried_again(
    parsed: dict[str, Any], dag: str, cron: str, runs: int
) -> None:
    found = parsed["dags"][dag]
    assert found["timetable"] == f"CronDataIntervalTimetable {cron} UTC"
    assert (found["catchup"], found["max_active_runs"]) == (False, runs)
    assert (found["tags"], found["documented"]) == (["tonality"], True)
    assert all(task["retries"] == 3 and task["limited"] for task in found["tasks"])


def test_stages_can_be_put_in_front_of_a_training_and_labels_are_then_learned_from(tmp_path: Path) -> None:
    [found] = inside(tmp_path, "dags", TONALITY_FRONT_STAGES="clean, label")
    clean, label, prepare, *others = found["dags"]["tonality_training"]["tasks"]
    assert [(task["id"], task["after"]) for task in (clean, label, prepare)] == [
        ("clean", []),
        ("label", ["clean"]),
        ("prepare", ["label"]),
    ]
    assert prepare["overrides"] == ["corpus.labelled=true"]
    assert [task["id"] for task in others] == ["train", "evaluate", "promote"]


def fault(home: Path, variable: object, task: str = "clean", **environment: str) -> dict[str, str]:
    """What a task ends with where the Variable is that, in JSON, or the text that it is."""
    text = variable if isinstance(variable, str) else json.dumps(variable)
    asked = {"task": task, "environment": {"AIRFLOW_VAR_TONALITY": text, **environment}}
    [found] = inside(home, "tasks", json.dumps(asked))
    return dict(found)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        pytest.param("{'python': 1}", ["the Variable tonality is no JSON", "line 1 column 2"], id="no JSON"),
        pytest.param([], ["found [], wanted an object with the keys python, jobs, config"], id="no object"),
        pytest.param(
            {**GOOD, "confg": {}, "set": "train.epochs=2", "jobs": ""},
            [
                "Variable tonality: confg is unknown, did you mean config?",
                'Variable tonality: set: found "train.epochs=2", wanted a list of texts',
                'Variable tonality: jobs: found "", wanted a text',
            ],
            id="all faults at once",
        ),
        pytest.param(
            {"python": "/nowhere/python", "jobs": "/nowhere", "stages": {"train": {"sett": []}}},
            [
                "config is missing: wanted a list of texts",
                "stages.train.sett is unknown, did you mean set?",
                "python: /nowhere/python cannot be run on this worker",
                "jobs: there is no folder /nowhere on this worker",
            ],
            id="nothing is where it was said to be",
        ),
        pytest.param(
            {**GOOD, "stages": {"trian": {}}}, ["stages.trian: there is no trian.py in"], id="a stage that is none"
        ),
    ],
)
def test_a_mistake_in_the_variable_is_named_and_not_tried_again(
    tmp_path: Path, variable: object, said: list[str]
) -> None:
    found = fault(tmp_path, variable)
    assert found["kind"] == REFUSED
    for part in said:
        assert part in found["message"]


def test_a_connection_that_is_missing_is_named_and_not_taken_for_yarn(tmp_path: Path) -> None:
    found = fault(tmp_path, {**GOOD, "connection": "spark_gpu"})
    assert found["kind"] == REFUSED
    assert "there is no Connection spark_gpu: airflow connections add spark_gpu" in found["message"]


def test_a_missing_spark_is_named(tmp_path: Path) -> None:
    variable = {**GOOD, "python": "/usr/bin/env", "env": {"PATH": "/nowhere"}}
    found = fault(tmp_path, variable, **CONNECTED)
    assert found["kind"] == REFUSED
    assert "there is no spark-submit, neither beside /usr/bin/env nor on the worker's PATH" in found["message"]


@pytest.mark.parametrize("stage", ["clean", "train"])
def test_settings_that_a_stage_refuses_are_not_tried_again_and_the_message_says_which(
    tmp_path: Path, stage: str
) -> None:
    variable = {**GOOD, "set": ["archive.sinze=2015-12-10"]}
    found = fault(tmp_path, variable, stage, **CONNECTED)
    assert found["kind"] == REFUSED
    assert "archive.sinze" in found["message"]
    assert f"{stage} refuses its settings" in found["message"]


def test_what_another_try_may_mend_is_tried_again(tmp_path: Path) -> None:
    """An archive that is late, exit status 3."""
    variable = {**GOOD, "set": [f"paths.archive={tmp_path}/*.json", f"paths.root={tmp_path}/root"]}
    found = fault(tmp_path, variable, **CONNECTED)
    assert found["kind"] == "AirflowException"
    assert "no file found at" in found["message"]
