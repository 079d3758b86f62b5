"""Airflow: one day of tweets, cleaned, scored and reported, for every data interval.

Settings come from the Airflow Variable `tonality_config`, the path of a TOML file that the workers can read. The
commands run in the environment named by the Variable `tonality_bin`, the folder that holds `tonality`.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

_DAY = "{{ data_interval_start | ds }}"
_COMMAND = "{{ var.value.tonality_bin }}/tonality {stage} --config {{ var.value.tonality_config }}"


def _stage(name: str, options: str = "") -> BashOperator:
    command = _COMMAND.replace("{stage}", name)
    return BashOperator(task_id=name, bash_command=f"{command} {options}".strip())


with DAG(
    "tonality_daily",
    description="clean, score and report one day of tweets",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2015, 12, 10),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
) as dag:
    clean = _stage("clean", f"--set archive.since={_DAY} --set archive.until={_DAY}")
    score = _stage("score", f"--set score.since={_DAY} --set score.until={_DAY}")
    report = _stage("report")
    clean >> score >> report
