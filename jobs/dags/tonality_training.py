"""A new model: `prepare`, `train`, `evaluate`, `promote`.

`promote` makes it the current one where it beats the one that is, on the same held-out rows, and else leaves that; its
last line in the log says which. A training that was cut off goes on from its checkpoint when it is tried again.

Stages can be put in front, by the environment of all processes of Airflow: `TONALITY_FRONT_STAGES=label` labels the
tweets of the table by their emoticons first, and lets `prepare` learn from them. Several are separated by commas.

Settings come from the Variable `tonality`, those of one run from its parameter `set`; see tonality_operator.py. `train`
and `promote` need no Spark: Python alone runs them, on the worker. For a training in several processes name a
Connection for it in the Variable:

    "stages": {"train": {"connection": "spark_default", "set": ["train.processes=4"]}}
"""

import os
from datetime import timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, chain

from tonality_operator import FIRST_MOMENT, PATIENCE, TonalityOperator, settings_param

_FRONT = [stage.strip() for stage in os.environ.get("TONALITY_FRONT_STAGES", "").split(",") if stage.strip()]

with DAG(
    "tonality_training",
    description="train a model, and promote it where it beats the current one",
    schedule=CronDataIntervalTimetable("0 3 1 * *", timezone="UTC"),
    start_date=FIRST_MOMENT,
    catchup=False,
    max_active_runs=1,  # a dataset, a checkpoint and an evaluation are one run's
    params={"set": settings_param()},
    default_args=PATIENCE,
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
