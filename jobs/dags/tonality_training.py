"""A new model: `prepare`, `train`, `evaluate`, `promote`.

`promote` puts it into production if it beats the production model on the same held-out rows, and keeps that otherwise;
the last line of its log shows which. An interrupted training resumes from its checkpoint when it is retried.

Stages can be put in front, by the environment of all Airflow processes: `TONALITY_FRONT_STAGES=label` first labels the
tweets of the table by their emoticons, so that `prepare` uses them too. Separate several stages with commas.

Settings come from the Variable `tonality`, those of one run from its parameter `set`; see tonality_operator.py. `train`
and `promote` need no Spark: plain Python runs them on the worker. For a training in several processes name a Connection
for it in the Variable:

    "stages": {"train": {"connection": "spark_default", "set": ["train.processes=4"]}}
"""

import os
from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, chain

from tonality_operator import FIRST_TWEET, TASK_DEFAULTS, TonalityOperator, settings_param

_FRONT = [stage.strip() for stage in os.environ.get("TONALITY_FRONT_STAGES", "").split(",") if stage.strip()]

with DAG(
    "tonality_training",
    description="train a model, and promote it if it beats the production model",
    schedule=CronDataIntervalTimetable("0 3 1 * *", timezone="UTC"),
    start_date=FIRST_TWEET,
    catchup=False,
    max_active_runs=1,  # dataset, checkpoint and evaluation belong to one run at a time
    params={"set": settings_param()},
    default_args=TASK_DEFAULTS,
    tags=["tonality"],
    doc_md=__doc__,
) as dag:
    chain(
        *(TonalityOperator(task_id=stage) for stage in _FRONT),
        TonalityOperator(task_id="prepare", overrides=["corpus.labelled=true"] if "label" in _FRONT else []),
        TonalityOperator(task_id="train", spark=False, execution_timeout=timedelta(days=3)),
        TonalityOperator(task_id="evaluate"),
        TonalityOperator(task_id="promote", spark=False),
    )
