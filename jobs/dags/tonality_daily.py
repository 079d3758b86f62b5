"""One day of tweets per run: `clean`, `score`, `report`.

A run replaces exactly the days of its data interval, so it may be retried, cleared, backfilled and run in parallel with
runs of other days: the result is the same. `report` draws all scored days, one run at a time.

    airflow backfill create --dag-id tonality_daily --from-date 2015-12-10 --to-date 2015-12-16 --max-active-runs 2

A run that is triggered by hand has the interval of the day that ended last, or none: then it fails with a message.

Settings come from the Variable `tonality`, those of one run from its parameter `set`; see tonality_operator.py. An
error in the settings fails a task at once; anything else, such as a late archive, is retried.
"""

from airflow.sdk import DAG, CronDataIntervalTimetable

from tonality_operator import FIRST_TWEET, TASK_DEFAULTS, TonalityOperator, first_day, last_day, settings_param

_SINCE = "{{ first_day(data_interval_start, logical_date) }}"
_UNTIL = "{{ last_day(data_interval_end) }}"

with DAG(
    "tonality_daily",
    description="clean, score and report one day of tweets",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=FIRST_TWEET,
    catchup=False,
    max_active_runs=2,
    params={"set": settings_param()},
    user_defined_macros={"first_day": first_day, "last_day": last_day},
    default_args=TASK_DEFAULTS,
    tags=["tonality"],
    doc_md=__doc__,
) as dag:
    clean = TonalityOperator(task_id="clean", overrides=[f"archive.since={_SINCE}", f"archive.until={_UNTIL}"])
    score = TonalityOperator(task_id="score", overrides=[f"score.since={_SINCE}", f"score.until={_UNTIL}"])
    report = TonalityOperator(task_id="report", max_active_tis_per_dag=1)
    clean >> score >> report
