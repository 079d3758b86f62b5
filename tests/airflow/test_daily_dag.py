"""The daily DAG under a live scheduler: what a backfill leaves, whatever is killed meanwhile, and what it does not start."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from live import Airflow

from conftest import DAYS, FIRST, KILLED, Survey, Week

pytestmark = pytest.mark.airflow

RUNS: Final = {"run", "tweets_run"}
"""Columns that name the runs which wrote a row."""


def test_unpausing_starts_the_last_whole_day_and_none_before_it(unconfigured: list[dict[str, Any]]) -> None:
    [run] = unconfigured
    started = datetime.fromisoformat(run["queued_at"])
    assert datetime.fromisoformat(run["data_interval_end"]) == started.astimezone(UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    assert datetime.fromisoformat(run["data_interval_start"]) == datetime.fromisoformat(
        run["data_interval_end"]
    ) - timedelta(days=1)


def test_without_its_variable_a_task_fails_at_once_and_says_what_to_do(
    airflow: Airflow, unconfigured: list[dict[str, Any]]
) -> None:
    [run] = unconfigured
    tasks = airflow.tasks(run)
    assert (run["state"], tasks["clean"]["state"], tasks["clean"]["try_number"]) == ("failed", "failed", 1)
    assert tasks["score"]["state"] == "upstream_failed"
    assert "there is no Variable tonality: airflow variables set tonality '{" in airflow.log(run, "clean")


def test_a_backfill_runs_every_day_of_the_week_once_and_two_at_a_time(week: Week) -> None:
    first = datetime.fromisoformat(f"{FIRST}T00:00+00:00")
    assert [datetime.fromisoformat(run["data_interval_start"]) for run in week.runs] == [
        first + timedelta(days=number) for number in range(DAYS)
    ]
    assert {run["state"] for run in week.runs} == {"success"}
    assert most_at_once(week.runs) == 2


def test_a_clean_whose_java_is_killed_while_it_publishes_is_tried_again_and_ends_well(
    airflow: Airflow, week: Week
) -> None:
    assert week.kill.hit, "the run had published before it could be killed"
    assert [target for target, _ in week.kill.moves if target == f"tweets/day={KILLED}"]
    [run] = [run for run in week.runs if run["data_interval_start"].startswith(KILLED)]
    clean = airflow.tasks(run)["clean"]
    assert (clean["state"], clean["try_number"]) == ("success", 2)
    assert "Error code is: -9" in airflow.log(run, "clean", 1)
    for other in week.runs:
        assert other is run or airflow.tasks(other)["clean"]["try_number"] == 1


@pytest.mark.parametrize("name", ["tweets", "scored"])
def test_the_week_day_by_day_equals_the_week_at_once_row_for_row(
    survey: Survey, week: Week, straight: Path, name: str
) -> None:
    by_days, at_once = rows(survey.root, name), rows(straight, name)
    assert at_once.num_rows > 100 * DAYS
    assert len(set(at_once["day"].to_pylist())) == DAYS
    assert by_days.equals(at_once)


def test_the_last_report_of_the_week_has_the_figures_of_the_report_at_once(
    survey: Survey, week: Week, straight: Path
) -> None:
    figures = (straight / "report" / "dynamics.csv").read_text()
    assert len(figures.splitlines()) == 1 + DAYS
    assert (survey.root / "report" / "dynamics.csv").read_text() == figures


def test_nothing_is_left_half_done(survey: Survey, week: Week) -> None:
    assert [*(survey.root / "_staging").iterdir(), *(survey.root / "_journal").iterdir()] == []


def test_the_summary_of_a_stage_ends_its_log(airflow: Airflow, survey: Survey, week: Week) -> None:
    first, last = airflow.log(week.runs[0], "clean"), airflow.log(week.runs[-1], "report")
    assert f"records of 1 file(s), {FIRST}..{FIRST}:" in first
    assert str(survey.root / "report" / "index.html") in last


def test_no_other_runs_were_started(airflow: Airflow, week: Week) -> None:
    assert len(airflow.runs("tonality_daily", "scheduled")) == 1
    assert len(airflow.runs("tonality_daily", "backfill")) == DAYS


def most_at_once(runs: list[dict[str, Any]]) -> int:
    """How many runs were between their start and their end at some time."""
    moments = [(run["start_date"], 1) for run in runs] + [(run["end_date"], -1) for run in runs]
    count = most = 0
    for _, change in sorted(moments):
        count += change
        most = max(most, count)
    return most


def rows(root: Path, name: str) -> pa.Table:
    """A table but for the runs that wrote it, in an order that depends on nothing else."""
    found = ds.dataset(root / name, partitioning="hive", format="parquet").to_table()
    kept = found.select(sorted(set(found.column_names) - RUNS))
    return kept.sort_by([("tweet_id", "ascending"), ("created_at", "ascending")]).combine_chunks()
