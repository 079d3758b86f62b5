"""`spark-submit jobs/score.py` on a cluster of two workers: its guarantees, whichever process is killed."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from kills import Job, Reader, Rows
from small_survey import Republication, Survey, scored
from standalone import Cluster

pytestmark = pytest.mark.cluster

SCRIPT: Final = Path(__file__).parents[2] / "jobs" / "score.py"
KILLED: Final = -9
PATIENCE_SECONDS: Final = 2.0
"""Spark reports a loss sooner; if it does not, nothing was lost."""
PAUSE_SECONDS: Final = 0.01
"""The pause between two looks of a reader, which shares the cores with the job."""


def submit(cluster: Cluster, root: Path) -> Job:
    """Submit the job in many tasks."""
    small = {"sql_files_maxPartitionBytes": "131072", "sql_files_openCostInBytes": "4096"}
    return cluster.submit(SCRIPT, root, "--set", f"paths.root={root}", **small)


def test_a_cluster_scores_the_table_that_one_machine_scores_bit_for_bit(
    cluster: Cluster, survey: Survey, tmp_path: Path
) -> None:
    root = shutil.copytree(survey.unscored, tmp_path / "root")
    with submit(cluster, root) as job:
        assert job.status() == 0, job.output[-3000:]
    assert len(set(survey.scored["probability"].to_pylist())) > survey.scored.num_rows / 2
    assert scored(root).equals(survey.scored)


@pytest.mark.parametrize(
    ("kill", "loss"),
    [
        pytest.param(Cluster.kill_executor, "ExecutorLostFailure", id="an executor"),
        pytest.param(Cluster.kill_python, "Python worker exited unexpectedly", id="a Python worker"),
        pytest.param(Cluster.kill_worker, "worker lost", id="a worker with its executor"),
    ],
)
def test_a_kill_in_the_middle_costs_no_row(
    cluster: Cluster, survey: Survey, tmp_path: Path, kill: Callable[[Cluster], bool], loss: str
) -> None:
    root = shutil.copytree(survey.unscored, tmp_path / "root")
    with submit(cluster, root) as job:
        strike(cluster, job, kill, loss)
        assert job.lasts(0), f"the kill came too late: {job.output[-3000:]}"
        alive = cluster.alive()
        assert job.status() == 0, job.output[-3000:]
    assert alive == (1 if kill is Cluster.kill_worker else 2)
    assert scored(root).equals(survey.scored)


def strike(cluster: Cluster, job: Job, kill: Callable[[Cluster], bool], loss: str) -> None:
    """Kill processes while Python scores, until Spark reports the loss: a worker may have been between two tasks."""
    again = 0.0
    while loss not in job.output and job.lasts(0.1):
        if time.monotonic() > again and kill(cluster):
            again = time.monotonic() + PATIENCE_SECONDS
    assert again, f"nothing to kill: {job.output[-3000:]}"
    assert loss in job.output, f"nothing was lost: {job.output[-3000:]}"


def test_a_driver_killed_while_it_publishes_leaves_old_and_new_days_and_the_next_run_finishes(
    cluster: Cluster, republication: Republication, tmp_path: Path
) -> None:
    old, new = (days_by(republication, model) for model in (republication.former, republication.latter))
    for attempt in range(5):
        root = shutil.copytree(republication.published, tmp_path / str(attempt) / "root")
        with Reader(root / "scored", set(republication.days), "model", PAUSE_SECONDS) as reader:
            kill_while_it_publishes(cluster, root, republication.days[0])
            after_kill = reader.look()
            with submit(cluster, root) as job:
                assert job.status() == 0, job.output[-3000:]
        for day, contents in reader.found.items():
            assert contents <= {old[day], new[day]}, f"a reader found {day} neither old nor new"
        assert reader.look() == new
        assert scored(root).equals(republication.scored)
        assert [*(root / "_staging").iterdir(), *(root / "_journal").iterdir()] == []
        replaced = sum(after_kill[day] == new[day] for day in after_kill)
        print(f"{replaced} of {len(after_kill)} days were new; {reader.looks:,} looks")
        if 0 < replaced < len(after_kill):
            return
    pytest.fail("five times too late")


def kill_while_it_publishes(cluster: Cluster, root: Path, first: str) -> None:
    """Kill the driver as soon as its first day has replaced the old one."""
    cluster.restore()
    with submit(cluster, root) as job:
        cluster.wait_until(lambda: job.stands("_staging/*/scored") or not job.lasts(0), "days are staged")
        assert job.wait_for(lambda: job.stands(f"_staging/*/scored/{first}/.replaced-by-*")), job.output[-3000:]
        job.kill_driver()
        assert job.status() == KILLED


def days_by(republication: Republication, model: str) -> dict[str, Rows]:
    """The rows that a reader finds in each day that the model has scored."""
    table = republication.scored
    ids: dict[str, set[tuple[int, str]]] = {day: set() for day in republication.days}
    for day, tweet in zip(table["day"].to_pylist(), table["tweet_id"].to_pylist(), strict=True):
        ids[f"day={day}"].add((tweet, model))
    return {day: frozenset(tweets) for day, tweets in ids.items()}
