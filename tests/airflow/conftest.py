"""Fixtures of the Airflow tests: one Airflow, a sample, and the results of its DAGs, each step once."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import Airflow
from strobe import strike
from week import DAILY, DAYS, FIRST, KILLED, LAST, SMALL_SPARK, TRAINING, Backfill, Survey, Training


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return Survey.sampled(tmp_path_factory.mktemp("survey"))


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    with Airflow(tmp_path_factory.mktemp("airflow") / "home", SMALL_SPARK) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def unconfigured(airflow: Airflow) -> dict[str, list[dict[str, Any]]]:
    """The scheduled runs of each DAG, unpaused before the Variable was set."""
    for dag in (DAILY, TRAINING):
        airflow.command("dags", "unpause", dag)
    return {dag: airflow.ended(dag, "scheduled", 1) for dag in (DAILY, TRAINING)}


@pytest.fixture(scope="session")
def configured(airflow: Airflow, survey: Survey, unconfigured: object) -> Survey:
    """The survey, with the Variable and the Connection set for it."""
    airflow.command("connections", "add", "spark_default", "--conn-type", "spark", "--conn-host", "local[2]")
    airflow.command("variables", "set", "tonality", json.dumps(survey.variable()))
    return survey


@pytest.fixture(scope="session")
def trainings(airflow: Airflow, configured: Survey) -> list[Training]:
    """After a network that has learned next to nothing: the training of one that learns, then of one that does not."""
    hardly = ("train.epochs=1", "train.learning_rate=1e-9")
    configured.tonality("prepare")
    configured.tonality("train", *hardly)
    found = []
    for settings in ((), hardly):
        before = configured.production_model()
        run = airflow.trigger(TRAINING, *settings)
        found.append(Training(run, before, configured.production_model()))
    return found


@pytest.fixture(scope="session")
def backfill(airflow: Airflow, survey: Survey, trainings: object) -> Backfill:
    """A week, two days at a time; the Java of one day's `clean` is killed while it publishes."""
    dates = ["--from-date", FIRST, "--to-date", LAST, "--max-active-runs", "2"]
    airflow.command_alone("backfill", "create", "--dag-id", DAILY, *dates)
    kill = strike(airflow, survey.root, KILLED)
    return Backfill(airflow.ended(DAILY, "backfill", DAYS), kill)


@pytest.fixture(scope="session")
def at_once(survey: Survey, trainings: object) -> Path:
    """The root of the same week, run at once from the command line with the same model."""
    root = survey.place / "at-once"
    shutil.copytree(survey.root / "models", root / "models")
    survey.tonality("clean", f"paths.root={root}", f"archive.since={FIRST}", f"archive.until={LAST}")
    survey.tonality("score", f"paths.root={root}")
    survey.tonality("report", f"paths.root={root}")
    return root
