"""The daily DAG under a live scheduler: the results of a backfill, despite kills, and the runs that it does not start."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from live import Airflow
from week import DAILY, DAYS, FIRST, KILLED, TRAINING, Backfill, Survey

pytestmark = pytest.mark.airflow

RUNS: Final = {"run", "tweets_run"}
"""Columns that name the runs which wrote a row."""


def test_unpausing_starts_the_last_whole_day_and_none_before_it(unconfigured: dict[str, list[dict[str, Any]]]) -> None:
    [run] = unconfigured[DAILY]
    begins, ends, queued = (
        datetime.fromisoformat(run[name]) for name in ("data_interval_start", "data_interval_end", "queued_at")
    )
    assert ends == queued.replace(hour=0, minute=0, second=0, microsecond=0)
    assert ends - begins == timedelta(days=1)


@pytest.mark.parametrize(("dag", "first", "second"), [(DAILY, "clean", "score"), (TRAINING, "prepare", "train")])
def test_without_its_variable_a_task_fails_at_once_with_the_command_to_set_it(
    airflow: Airflow, unconfigured: dict[str, list[dict[str, Any]]], dag: str, first: str, second: str
) -> None:
    [run] = unconfigured[dag]
    tasks = airflow.tasks(run)
    assert (run["state"], tasks[first]["state"], tasks[first]["try_number"]) == ("failed", "failed", 1)
    assert tasks[second]["state"] == "upstream_failed"
    assert "there is no Variable tonality: run airflow variables set tonality '{" in airflow.log(run, first)


def test_a_backfill_runs_every_day_of_the_week_once_and_two_at_a_time(backfill: Backfill) -> None:
    first = datetime.fromisoformat(f"{FIRST}T00:00+00:00")
    assert [datetime.fromisoformat(run["data_interval_start"]) for run in backfill.runs] == [
        first + timedelta(days=number) for number in range(DAYS)
    ]
    assert {run["state"] for run in backfill.runs} == {"success"}
    assert most_at_once(backfill.runs) == 2


def test_a_clean_whose_java_is_killed_while_it_publishes_is_retried_and_succeeds(
    airflow: Airflow, backfill: Backfill
) -> None:
    assert backfill.kill.hit, "the run had published before it could be killed"
    assert [target for target, _ in backfill.kill.moves if target == f"tweets/day={KILLED}"]
    [run] = [run for run in backfill.runs if run["data_interval_start"].startswith(KILLED)]
    clean = airflow.tasks(run)["clean"]
    assert (clean["state"], clean["try_number"]) == ("success", 2)
    assert "Error code is: -9" in airflow.log(run, "clean", 1)
    for other in backfill.runs:
        assert other is run or airflow.tasks(other)["clean"]["try_number"] == 1


@pytest.mark.parametrize("name", ["tweets", "scored"])
def test_the_week_day_by_day_equals_the_week_at_once_row_for_row(
    survey: Survey, backfill: Backfill, at_once: Path, name: str
) -> None:
    by_days, whole = rows(survey.root, name), rows(at_once, name)
    assert len(set(whole["day"].to_pylist())) == DAYS
    assert whole.num_rows > 50 * DAYS
    assert by_days.equals(whole)


def test_the_last_report_of_the_week_has_the_figures_of_the_report_at_once(
    survey: Survey, backfill: Backfill, at_once: Path
) -> None:
    figures = (at_once / "report" / "dynamics.csv").read_text()
    assert len(figures.splitlines()) == 1 + DAYS
    assert (survey.root / "report" / "dynamics.csv").read_text() == figures


def test_no_staging_or_journal_remains(survey: Survey, backfill: Backfill) -> None:
    assert [*(survey.root / "_staging").iterdir(), *(survey.root / "_journal").iterdir()] == []


def test_the_summary_of_a_stage_ends_its_log(airflow: Airflow, survey: Survey, backfill: Backfill) -> None:
    first, last = airflow.log(backfill.runs[0], "clean"), airflow.log(backfill.runs[-1], "report")
    assert f"records of 1 file, {FIRST}..{FIRST}:" in first
    assert str(survey.root / "report" / "index.html") in last


def test_the_records_of_a_day_name_the_run_of_the_dag(survey: Survey, backfill: Backfill) -> None:
    for stage in ("clean", "score", "report"):
        records = [json.loads(file.read_text()) for file in (survey.root / "runs").glob(f"{stage}-*.json")]
        assert {run["dag_run_id"] for run in backfill.runs} == {record["part_of"] for record in records}


def test_no_other_runs_were_started(airflow: Airflow, backfill: Backfill) -> None:
    assert len(airflow.runs(DAILY, "scheduled")) == 1
    assert len(airflow.runs(DAILY, "backfill")) == DAYS


def most_at_once(runs: list[dict[str, Any]]) -> int:
    """The largest number of runs at the same time."""
    moments = [(run["start_date"], 1) for run in runs] + [(run["end_date"], -1) for run in runs]
    count = most = 0
    for _, change in sorted(moments):
        count += change
        most = max(most, count)
    return most


def rows(root: Path, name: str) -> pa.Table:
    """A table without the runs that wrote it, in a fixed order."""
    found = ds.dataset(root / name, partitioning="hive", format="parquet").to_table()
    kept = found.select(sorted(set(found.column_names) - RUNS))
    return kept.sort_by([("tweet_id", "ascending"), ("created_at", "ascending")]).combine_chunks()
