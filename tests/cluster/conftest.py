"""Fixtures of the cluster tests: the cluster, started for the first test that needs it, and expected tables."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest
from small_survey import Republication, Survey, scored, write_model, write_scored, write_tweets
from standalone import FAST_JAVA, Cluster

DAYS: Final = 16
ROWS: Final = 3000
MANY_DAYS: Final = 80
FEW_ROWS: Final = 4


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """A master and two workers of one core each, all alive and idle."""
    shared_cluster.restore()
    return shared_cluster


@pytest.fixture(scope="session")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Tweets that take a while to score, and their scores from `tonality score` in local mode."""
    place = tmp_path_factory.mktemp("survey")
    write_model(place / "unscored", 1)
    write_tweets(place / "unscored", DAYS, ROWS)
    return Survey(place / "unscored", scored_locally(place / "unscored", place / "local"))


@pytest.fixture(scope="session")
def republication(tmp_path_factory: pytest.TempPathFactory) -> Republication:
    """Many days that one model has scored and another is about to score."""
    place = tmp_path_factory.mktemp("republication")
    days = write_tweets(place / "unscored", MANY_DAYS, FEW_ROWS)
    latter = write_model(place / "unscored", 2)
    whole = scored_locally(place / "unscored", place / "local")
    published = shutil.copytree(place / "unscored", place / "published")
    write_scored(published, whole, "former")
    return Republication(published, days, "former", latter, whole)


def scored_locally(root: Path, copy: Path) -> pa.Table:
    shutil.copytree(root, copy)
    command = [str(Path(sys.executable).parent / "tonality"), "score"]
    settings = {"paths.root": copy, "spark.master": "local[2]", "spark.memory": "1g"}
    command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    subprocess.run(command, env={**os.environ, "SPARK_SUBMIT_OPTS": FAST_JAVA}, check=True)
    return scored(copy)
