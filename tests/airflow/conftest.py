"""What the tests of Airflow share: one Airflow, a sample, and what its DAGs make of it, step by step, each once."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import Airflow
from strobe import strike
from week import DAYS, SMALL_SPARK, FIRST, KILLED, LAST, Backfill, Survey, Training


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return Survey.sampled(tmp_path_factory.mktemp("survey"))


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    with Airflow(tmp_path_factory.mktemp("airflow") / "home", SMALL_SPARK) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def unconfigured(airflow: Airflow) -> list[dict[str, Any]]:
    """The scheduled runs of a daily DAG that was unpaused before anybody had made the Variable."""
    airflow.command("dags", "unpause", "tonality_daily")
    return airflow.ended("tonality_daily", "scheduled", 1)


@pytest.fixture(scope="session")
def configured(airflow: Airflow, survey: Survey, unconfigured: object) -> Survey:
    """The survey, of which the DAGs know."""
    airflow.command("connections", "add", "spark_default", "--conn-type", "spark", "--conn-host", "local[2]")
    airflow.command("variables", "set", "tonality", json.dumps(survey.variable()))
    return survey


@pytest.fixture(scope="session")
def first_training(airflow: Airflow, configured: Survey) -> Training:
    """The scheduled run of the training DAG, where there was no model."""
    before = configured.current_model()
    airflow.command("dags", "unpause", "tonality_training")
    [run] = airflow.ended("tonality_training", "scheduled", 1)
    return Training(run, before, configured.current_model())


@pytest.fixture(scope="session")
def worse_training(airflow: Airflow, configured: Survey, first_training: Training) -> Training:
    """A run that somebody asked for, of a network that learns next to nothing."""
    hardly = {"set": ["train.epochs=1", "train.learning_rate=1e-9"]}
    airflow.command("dags", "trigger", "tonality_training", "--conf", json.dumps(hardly))
    [run] = airflow.ended("tonality_training", "manual", 1)
    return Training(run, first_training.after, configured.current_model())


@pytest.fixture(scope="session")
def backfill(airflow: Airflow, configured: Survey, worse_training: Training) -> Backfill:
    """A week, two days at a time; the Java of one day's `clean` is killed while it publishes."""
    dates = ["--from-date", FIRST, "--to-date", LAST, "--max-active-runs", "2"]
    airflow.command("backfill", "create", "--dag-id", "tonality_daily", *dates)
    kill = strike(airflow, configured.root, KILLED)
    return Backfill(airflow.ended("tonality_daily", "backfill", DAYS), kill)


@pytest.fixture(scope="session")
def at_once(survey: Survey, worse_training: Training) -> Path:
    """The root of the same week, run at once by the command line with the same model."""
    root = survey.place / "at-once"
    shutil.copytree(survey.root / "models", root / "models")
    survey.tonality("clean", f"paths.root={root}", f"archive.since={FIRST}", f"archive.until={LAST}")
    survey.tonality("score", f"paths.root={root}")
    survey.tonality("report", f"paths.root={root}")
    return root
