"""A week of a small sample, run day by day by the DAGs and at once from the command line."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from live import REPOSITORY
from strobe import Strike

DAILY: Final = "tonality_daily"
TRAINING: Final = "tonality_training"
FIRST: Final = "2015-12-10"
DAYS: Final = int(os.environ.get("TONALITY_AIRFLOW_DAYS", "7"))
"""The length of the week, at least 4 days for two at a time beside a retry."""
LAST: Final = str(date.fromisoformat(FIRST) + timedelta(days=DAYS - 1))
KILLED: Final = "2015-12-12"
"""The day whose `clean` is killed."""
SMALL_SPARK: Final = {"SPARK_LOCAL_IP": "127.0.0.1"}
"""Environment of Spark on this machine only; Java's options are those of all tests."""
_SETTINGS: Final = """
[paths]
archive = "{place}/sample/archive/{{day}}.json.*"
corpus = "{place}/sample/corpus"
root = "{place}/root"
[archive]
languages = ["ru"]
lookback = 1
[spark]
master = "local[2]"
memory = "1g"
[sample]
tweets = 3000
labelled = 3000
[network]
embedding = 32
hidden = 32
[train]
batch_size = 32
"""


@dataclass(frozen=True)
class Survey:
    """A folder with a sample and settings for it, and with the root that the DAGs write to."""

    place: Path

    @classmethod
    def sampled(cls, place: Path) -> Self:
        """Create a survey with a new sample."""
        survey = cls(place)
        survey.settings.write_text(_SETTINGS.format(place=place))
        survey.tonality("sample", f"paths.archive={place}/sample/archive")
        return survey

    @property
    def root(self) -> Path:
        """The root that the DAGs write to."""
        return self.place / "root"

    @property
    def settings(self) -> Path:
        """The file of the settings."""
        return self.place / "settings.toml"

    def tonality(self, stage: str, *settings: str) -> None:
        """Run the command as a user would."""
        command = [str(Path(sys.executable).parent / "tonality"), stage, "--config", str(self.settings)]
        command += [part for setting in settings for part in ("--set", setting)]
        done = subprocess.run(command, env={**os.environ, **SMALL_SPARK}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]

    def variable(self) -> dict[str, Any]:
        """The Variable of the DAGs."""
        quiet = f"-Dlog4j2.configurationFile={(REPOSITORY / 'conf/spark/log4j2.properties').as_uri()}"
        conf = {
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": quiet,
            "spark.sql.shuffle.partitions": 4,
            "spark.ui.enabled": False,
        }
        jobs = str(REPOSITORY / "jobs")
        return {"python": sys.executable, "jobs": jobs, "config": [str(self.settings)], "conf": conf}

    def production_model(self) -> str:
        """The production model."""
        return str(json.loads((self.root / "models" / "current.json").read_text())["model"])


class Training(NamedTuple):
    """A run of the training DAG, with the production model before and after it."""

    run: dict[str, Any]
    before: str
    after: str


class Backfill(NamedTuple):
    """The runs of the week, and the kill of one of them."""

    runs: list[dict[str, Any]]
    kill: Strike
