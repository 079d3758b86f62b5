"""One run id in all logs, from the driver's console to the lines of Python workers, on a real cluster."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from kills import write_archive
from small_survey import write_model
from standalone import FAST_JAVA, Cluster

pytestmark = pytest.mark.cluster

REPOSITORY: Final = Path(__file__).parents[2]
LOG4J: Final = REPOSITORY / "conf" / "spark" / "executors-log4j2.properties"
SECRET: Final = "not-for-others"
TASK: Final = re.compile(
    r"tonality: task (\w+) work=(\w+) partition=(\d+) attempt=0 task=\d+(?: rows=(\d+) seconds=[\d.]+)?$"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    write_archive(place / "archive", 1)
    write_model(place / "root", 1)
    return place / "root"


def submitted(cluster: Cluster, root: Path, stage: str, **conf: str) -> tuple[dict[str, Any], str, str]:
    """The record of a run, the output of its driver and the log of its executors."""
    settings = {"paths.root": root, "paths.archive": root.with_name("archive"), "survey.title": f"s3://k:{SECRET}@b"}
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    with cluster.submit(REPOSITORY / "jobs" / f"{stage}.py", root, *options, sql_shuffle_partitions="2", **conf) as job:
        assert job.status() == 0, job.output[-3000:]
        output = job.output
    [file] = (root / "runs").glob(f"{stage}-*.json")
    record = json.loads(file.read_text())
    assert f"tonality {stage}: run {record['run']}\n" in output
    return record, output, cluster.executor_log(record["spark"]["application"])


def tasks(executors: str, run: str, event: str) -> list[tuple[int, int]]:
    """The partitions for which workers logged the event in that run, each with its rows."""
    found = [TASK.search(line) for line in executors.splitlines() if f"[{run}]" in line]
    return [(int(line[3]), int(line[4] or 0)) for line in found if line and line[1] == event]


def structured(executors: str) -> Iterator[dict[str, Any]]:
    """Java's lines, except those mixed up with a Python worker's line."""
    for line in executors.splitlines():
        with suppress(ValueError):
            if isinstance(found := json.loads(line), dict):
                yield found


def test_driver_record_executors_and_python_workers_name_one_run(cluster: Cluster, root: Path) -> None:
    logged = f"{FAST_JAVA} -Dlog4j2.configurationFile=file:{LOG4J}"
    record, _, executors = submitted(cluster, root, "clean", executor_extraJavaOptions=logged)
    run = record["run"]
    assert record["spark"]["master"] == cluster.master
    java = re.findall(rf"INFO \[{run}\] Executor: Finished task [^\n]*\(task [\d.]+ in stage ", executors)
    assert java, "log4j's lines have the run's id, and the task's name"
    started, ended = (tasks(executors, run, event) for event in ("begins", "ends"))
    assert {partition for partition, _ in started} == {partition for partition, _ in ended} != set()
    assert sum(rows for _, rows in ended) == record["counts"]["lines"] > 3000
    assert SECRET not in executors + json.dumps(record)


def test_structured_logging_has_the_same_id_and_scoring_reports_its_rows(cluster: Cluster, root: Path) -> None:
    record, output, executors = submitted(cluster, root, "score", log_structuredLogging_enabled="true")
    runs = {line["context"]["mdc.run"] for line in structured(executors) if "mdc.run" in line.get("context", {})}
    assert runs == {record["run"]}
    assert sum(rows for _, rows in tasks(executors, record["run"], "ends")) == sum(record["counts"].values()) > 2900
    assert SECRET not in output + executors + json.dumps(record)
