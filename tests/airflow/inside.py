"""The part of the tests that runs in Airflow's own environment: `inside.py dags|tasks|days FOLDER`.

`dags` reads the folder like a DAG processor and prints the result as a line of JSON. `tasks` executes a task for each
line of stdin, a JSON object with its id, environment and need of Spark, and prints its exception or null. `days` renders
the settings of each task of the daily DAG for each line of stdin, a JSON object with the times of a run.
"""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag

STDOUT = os.dup(1)
os.dup2(2, 1)  # Airflow logs to stdout


def write(value):
    os.write(STDOUT, f"{json.dumps(value)}\n".encode())


def dags(folder):
    bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="tests")
    found = {dag.dag_id: in_words(dag) for dag in bag.dags.values()}
    write({"errors": bag.import_errors, "dags": found, "modules": sorted({name.split(".")[0] for name in sys.modules})})


def in_words(dag):
    return {
        "timetable": f"{type(dag.timetable).__name__} {dag.timetable.expression} {dag.timetable.timezone}",
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "tags": sorted(dag.tags),
        "documented": bool(dag.doc_md),
        "tasks": [
            {
                "id": task.task_id,
                "after": sorted(task.upstream_task_ids),
                "retries": task.retries,
                "overrides": list(task.overrides),
                "spark": task.spark,
                "limited": task.execution_timeout is not None,
            }
            for task in dag.topological_sort()
        ],
    }


def days(folder):
    bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="tests")
    clean, score, report = bag.dags["tonality_daily"].topological_sort()
    for line in sys.stdin:
        times = {name: datetime.fromisoformat(time) for name, time in json.loads(line).items()}
        try:
            environment = clean.get_template_env()
            write([clean.render_template(list(task.overrides), times, environment) for task in (clean, score, report)])
        except Exception as error:
            write({"kind": type(error).__name__, "message": str(error)})


def tasks(folder):
    sys.path.insert(0, folder)
    from tonality_operator import TonalityOperator

    for line in sys.stdin:
        request = json.loads(line)
        before = dict(os.environ)
        os.environ.update(request["environment"])
        try:
            task = TonalityOperator(task_id=request["task"], spark=request["spark"], name="tonality")
            task.execute({"params": {}, "run_id": "manual"})
            write(None)
        except Exception as error:
            write({"kind": type(error).__name__, "message": str(error)})
        finally:
            os.environ.clear()
            os.environ.update(before)


if __name__ == "__main__":
    {"dags": dags, "tasks": tasks, "days": days}[sys.argv[1]](sys.argv[2])
