"""One day of tweets a run: `clean`, `score`, `report`.

A run replaces the days of its data interval, whole, and no others, so that it may be tried again, cleared, backfilled
and run beside those of other days: what it leaves is the same. `report` draws all days that were scored, one run at a
time.

    airflow backfill create --dag-id tonality_daily --from-date 2015-12-10 --to-date 2015-12-16 --max-active-runs 2

A run that is triggered by hand has the interval of the day that ended last, or none: then it fails and says so.

Settings come from the Variable `tonality`, those of one run from its parameter `set`; see tonality_operator.py. A fault
of the settings fails a task at once; anything else, an archive that is late among it, is tried again.
"""

from airflow.sdk import DAG, CronDataIntervalTimetable

from tonality_operator import FIRST_MOMENT, PATIENCE, TonalityOperator, first_day, last_day, settings_param

_SINCE = "{{ first_day(data_interval_start, logical_date) }}"
_UNTIL = "{{ last_day(data_interval_end) }}"

with DAG(
    "tonality_daily",
    description="clean, score and report the tweets of a day",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=FIRST_MOMENT,
    catchup=False,
    max_active_runs=2,
    params={"set": settings_param()},
    user_defined_macros={"first_day": first_day, "last_day": last_day},
    default_args=PATIENCE,
    tags=["tonality"],
    doc_md=__doc__,
) as dag:
    clean = TonalityOperator(task_id="clean", overrides=[f"archive.since={_SINCE}", f"archive.until={_UNTIL}"])
    score = TonalityOperator(task_id="score", overrides=[f"score.since={_SINCE}", f"score.until={_UNTIL}"])
    report = TonalityOperator(task_id="report", max_active_tis_per_dag=1)
    clean >> score >> report
