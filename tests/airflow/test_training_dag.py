"""The training DAG under a live scheduler: the production model after it."""

from datetime import datetime
from typing import Any

import pytest
from live import Airflow
from week import TRAINING, Training

pytestmark = pytest.mark.airflow


def test_unpausing_starts_the_last_whole_month_and_none_before_it(
    unconfigured: dict[str, list[dict[str, Any]]],
) -> None:
    [run] = unconfigured[TRAINING]
    begins, ends, queued = (
        datetime.fromisoformat(run[name]) for name in ("data_interval_start", "data_interval_end", "queued_at")
    )
    assert begins < ends < queued
    assert (begins.day, begins.hour, ends.day, ends.hour) == (1, 3, 1, 3)
    assert (queued - ends).days <= 31 >= (ends - begins).days


def test_every_stage_of_a_training_succeeds(airflow: Airflow, trainings: list[Training]) -> None:
    for training in trainings:
        tasks = airflow.tasks(training.run)
        assert {name: (task["state"], task["try_number"]) for name, task in tasks.items()} == dict.fromkeys(
            ["prepare", "train", "evaluate", "promote"], ("success", 1)
        )


def test_a_better_model_is_promoted(airflow: Airflow, trainings: list[Training]) -> None:
    better, _ = trainings
    assert better.after != better.before
    assert f"model {better.after} replaces {better.before} in production" in airflow.log(better.run, "promote")


def test_a_worse_model_is_not(airflow: Airflow, trainings: list[Training]) -> None:
    better, worse = trainings
    assert worse.after == worse.before == better.after
    log = airflow.log(worse.run, "promote")
    assert f"keeping model {better.after}: " in log
    assert "is not better: log loss" in log


def test_settings_of_one_run_reach_its_stages(airflow: Airflow, trainings: list[Training]) -> None:
    learns, hardly = (airflow.log(training.run, "train") for training in trainings)
    assert "'train.learning_rate=1e-9'" in hardly
    assert "train.learning_rate" not in learns
