"""Training without Spark and Java: where both are missing, it can be imported, and learns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def spark_less(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python cannot import pyspark, and PATH holds no programs."""
    site, empty = tmp_path / "site", tmp_path / "empty"
    site.mkdir()
    empty.mkdir()
    (site / "sitecustomize.py").write_text("import sys\nsys.modules['pyspark'] = sys.modules['py4j'] = None\n")
    without = {name: value for name, value in os.environ.items() if name not in ("JAVA_HOME", "SPARK_HOME")}
    return without | {"PYTHONPATH": str(site), "PATH": str(empty)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("module", ["pyspark", "pyspark.sql", "py4j"])
def test_spark_cannot_be_imported_in_this_environment(spark_less, module):
    assert "ModuleNotFoundError" in run(spark_less, "-c", f"import {module}").stderr


def test_java_cannot_be_run_in_this_environment(spark_less):
    assert run(spark_less, "-c", "import shutil; print(shutil.which('java'))").stdout == "None\n"


def test_the_job_and_its_stage_are_imported(spark_less):
    script = "import runpy, tonality.stages.train; runpy.run_path('jobs/train.py', run_name='imported')"
    finished = run(spark_less, "-c", script)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.slow
def test_the_benchmark_of_an_epoch_learns_and_prints_its_figures(spark_less, tmp_path):
    figures = tmp_path / "figures.json"
    options = ("--rows", "600", "--epochs", "2", "--batch-size", "64", "--device", "cpu", "--precision", "float32")
    finished = run(spark_less, "tests/benchmarks/epoch.py", *options, "--json", str(figures))
    assert finished.returncode == 0, finished.stderr
    first, *_, last = finished.stdout.splitlines()
    assert first.startswith("float32 on a processor, by ")
    assert f"torch {torch.__version__}" in first
    assert "600 tweets for training, 120 for validation, batches of 64" in first
    assert "rows/s" in last
    report = json.loads(figures.read_text())
    assert report["rows"] == {"train": 600, "valid": 120}
    assert [epoch["number"] for epoch in report["epochs"]] == [1, 2]
    assert report["epochs"][1]["loss"] < report["epochs"][0]["loss"]
    assert all(epoch["rows_per_second"] > 0 and 0 <= epoch["accuracy"] <= 1 for epoch in report["epochs"])
    for epoch in report["epochs"]:
        assert f"{epoch['accuracy']:.4f}" in finished.stdout
