"""The training DAG under a live scheduler: which model is the current one after it."""

import pytest
from live import Airflow

from conftest import Training

pytestmark = pytest.mark.airflow

STAGES = ["prepare", "train", "evaluate", "promote"]


def test_the_first_model_is_promoted(airflow: Airflow, first_training: Training) -> None:
    tasks = airflow.tasks(first_training.run)
    assert {name: tasks[name]["state"] for name in STAGES} == dict.fromkeys(STAGES, "success")
    assert first_training.before is None
    assert first_training.after is not None


def test_a_worse_model_is_not_and_the_run_ends_well(airflow: Airflow, worse_training: Training) -> None:
    tasks = airflow.tasks(worse_training.run)
    assert {name: tasks[name]["state"] for name in STAGES} == dict.fromkeys(STAGES, "success")
    assert worse_training.after == worse_training.before
