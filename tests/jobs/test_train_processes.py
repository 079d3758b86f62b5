"""`train` in several processes, started by pyspark's TorchDistributor: its messages and its leftovers."""

import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pyarrow.parquet as pq
import pyspark
import pytest
from prepared import SMALL, write_dataset
from pyspark.sql import SparkSession

from tonality.model.registry.registry import ModelRegistry
from tonality.model.training.checkpoint import Checkpoint
from tonality.runtime.diagnostics.errors import InputError, SettingsError, UserError
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.spark import torch_launcher
from tonality.stages import train

pytestmark = pytest.mark.slow

KNOWN: Final = ("hsperfdata", "spark-", "blockmgr-", "torch")
"""Temporary files of Java and of torchrun beside an executor, whose folders Spark's cluster removes."""
PATIENCE_SECONDS: Final = 120
"""A run that hangs fails its test."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "out", [600, 200, 200])


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, in which nothing may remain, nor any process that uses it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert not training_processes(folder)
    assert not [file for file in folder.iterdir() if not file.name.startswith(KNOWN)]


def training_processes(temporary_folder: Path) -> dict[str, psutil.Process]:
    """The training processes by rank: torchrun puts them into other sessions, so they are known by their command only."""
    found = {}
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if words[-1:] and words[-1].startswith(str(temporary_folder)) and "-m" not in words:
                found[process.environ()["RANK"]] = process
        except (psutil.NoSuchProcess, psutil.AccessDenied, KeyError):
            continue
    return found


def run_here(root: Path, *overrides: str, processes: int = 2) -> str:
    """Run the stage in the existing session."""
    own = [f"paths.root={root}", f"train.processes={processes}"]
    settings = load(overrides=[*SMALL, *own, *overrides])
    with Run("train", settings) as record:
        return train.run(settings, record)


def test_the_command_prints_the_same_as_with_one_process_and_leaves_nothing_but_the_model(
    root: Path, temporary_folder: Path
) -> None:
    options = [*SMALL, "train.processes=2", "spark.memory=1g", "train.learning_rate=0.01", f"paths.root={root}"]
    command = [str(Path(sys.executable).parent / "tonality"), "train"]
    command += [part for option in options for part in ("--set", option)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stderr
    [summary] = done.stdout.splitlines()
    assert summary.startswith("model ")
    assert "on 600 validation rows" in summary
    [_run, _starting, *lines] = done.stderr.splitlines()
    assert [line.removeprefix("tonality train: ").partition(":")[0] for line in lines] == [
        "epoch 1 of 2",
        "epoch 2 of 2",
    ], "no noise, nothing twice"
    assert not list(temporary_folder.glob("torch*")), "nor what torchrun would leave"
    model = ModelRegistry(str(root)).read_production()
    assert model.metrics["processes"] == 2
    assert "by 1 thread in each of 2 processes." in model.card
    assert model.metrics["epochs"][-1]["valid"]["accuracy"] > 0.8
    assert [file.suffix for file in (root / "runs").iterdir()] == [".json"]
    assert not list((root / "checkpoint").iterdir())


def test_an_existing_session_is_used_and_stays(
    spark: SparkSession, root: Path, capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tonality")
    assert "on 600 validation rows" in run_here(root, "train.batch_size=66", processes=3)
    assert spark.range(3).count() == 3
    assert capsys.readouterr() == ("", "")
    assert [message.partition(":")[0] for message in caplog.messages] == ["epoch 1 of 2", "epoch 2 of 2"]


def test_fewer_row_groups_than_processes_are_refused_before_anything_is_started(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_launcher, "run_in_processes", lambda *_: pytest.fail("was started"))
    with pytest.raises(InputError, match="3 row groups with rows for 4 processes"):
        run_here(root, processes=4)


def test_a_batch_that_the_processes_cannot_share_is_refused_at_once(root: Path) -> None:
    with pytest.raises(SettingsError, match=r"train\.batch_size is 64 and train\.processes 3"):
        run_here(root, processes=3)


def break_second_row_group(root: Path) -> None:
    """Of two processes, the first reads the first row group and the second this one."""
    file = root / "dataset" / "split=train" / "part.parquet"
    place = pq.ParquetFile(file).metadata.row_group(1).column(0)
    content = bytearray(file.read_bytes())
    content[place.data_page_offset + 12 : place.data_page_offset + 60] = b"\xff" * 48
    file.write_bytes(content)


def test_the_error_of_one_process_is_the_error_of_the_run(spark: SparkSession, root: Path, capsys: Any) -> None:
    break_second_row_group(root)
    with pytest.raises(InputError, match=r"split=train/part\.parquet cannot be read: .*`prepare`"):
        run_here(root)
    assert "Traceback" not in capsys.readouterr().err
    [record] = (root / "runs").iterdir()
    assert record.suffix == ".json", "no folder of errors remains"


def test_a_full_disk_is_reported_though_the_error_cannot_be_written_to_a_file(spark: SparkSession, root: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))
    try:
        with pytest.raises(UserError, match=r"no checkpoint can be written to .*: File too large"):
            run_here(root, "train.checkpoint_steps=3")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Bystander(threading.Thread):
    """Does something once processes train and have written a checkpoint."""

    def __init__(self, root: Path, strike: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._checkpoint, self._strike, self._born = root / "checkpoint" / "train.safetensors", strike, time.time()

    def run(self) -> None:
        while time.time() < self._born + PATIENCE_SECONDS:
            if self._checkpoint.exists() and self._checkpoint.stat().st_mtime > self._born:
                return self._strike()
            time.sleep(0.02)
        return None


def kill_one(temporary_folder: Path) -> None:
    training_processes(temporary_folder)["1"].kill()


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_training_that_lost_a_process_or_was_interrupted_resumes(
    spark: SparkSession, root: Path, temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tonality")
    long = ("train.epochs=5000", "train.patience=0")
    Bystander(root, lambda: kill_one(temporary_folder)).start()
    with pytest.raises(UserError, match=r"process 1 \(counted from 0\) was ended by SIGKILL.*resumes from the last"):
        run_here(root, *long)
    assert "Traceback" not in caplog.text
    assert not training_processes(temporary_folder), "the other one was ended"

    Bystander(root, interrupt).start()
    with pytest.raises(KeyboardInterrupt, match=r"train again to resume from .*train\.safetensors"):
        run_here(root, *long)
    assert not training_processes(temporary_folder), "they have saved and ended"
    assert f"resuming from {root}/checkpoint/train.safetensors: epoch" in caplog.text
    assert "Traceback" not in caplog.text
    assert not list((root / "runs").glob("*.errors"))
    assert spark.range(3).count() == 3


def test_ctrl_c_at_a_terminal_reaches_every_process_at_once_and_still_leaves_a_checkpoint(
    root: Path, temporary_folder: Path
) -> None:
    options = [*SMALL, "train.batch_size=2", "train.epochs=5000", "train.patience=0", "train.processes=2"]
    options += ["spark.memory=1g", f"paths.root={root}"]
    command = [str(Path(sys.executable).parent / "tonality"), "train"]
    command += [part for option in options for part in ("--set", option)]
    checkpoint = root / "checkpoint" / "train.safetensors"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as training:
        wait_for(checkpoint.exists)
        os.killpg(training.pid, signal.SIGINT)
        _, output = training.communicate(timeout=PATIENCE_SECONDS)
    assert training.returncode == 130
    assert output.splitlines()[-1].startswith(f"tonality train: interrupted: train again to resume from {checkpoint}")
    assert "Traceback" not in output
    saved = Checkpoint(str(checkpoint), "").read()
    assert saved
    assert saved.position["step"] > 0, "saved within an epoch, which only Ctrl-C does here"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


CLUSTER: Final = """
import os, sys
from tonality.cli.main import main
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark import torch_launcher
from tonality.runtime.spark.session import spark_session

torch_launcher._REGISTRATION_SECONDS = 0.0
with spark_session("tests", SparkSettings(master="local-cluster[2,1,1024]", memory="1g", progress=False)) as spark:
    while torch_launcher._slots(spark) < 2:
        pass
    torch_launcher._REGISTRATION_SECONDS = 2  # both executors have registered
    for more in (["train.processes=3", "train.batch_size=66"], ["train.device=cuda"], ["train.processes=2"]):
        options = [*sys.argv[1:], "train.processes=2", *more]
        status = main(["train", *(part for option in options for part in ("--set", option))])
        print("exit status", status, flush=True)
        print("", file=sys.stderr, flush=True)
"""


def test_on_a_cluster_a_process_runs_in_each_slot_and_missing_resources_are_reported(
    root: Path, tmp_path: Path, temporary_folder: Path
) -> None:
    home = tmp_path / "spark"  # executors write their logs below it
    home.mkdir()
    for part in Path(pyspark.__path__[0]).iterdir():
        (home / part.name).symlink_to(part)
    environment = {**os.environ, "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
    command = [sys.executable, "-c", CLUSTER, *SMALL, "paths.root=out"]
    done = subprocess.run(
        command,
        cwd=root.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_SECONDS,
    )
    shutil.rmtree(home / "work")
    for script in temporary_folder.glob(
        "tmp*/train.py"
    ):  # where one rank fails, Spark ends the other's worker uncleared
        shutil.rmtree(script.parent)
    statuses = [line for line in done.stdout.splitlines() if line.startswith("exit status")]
    assert statuses == ["exit status 2", "exit status 2", "exit status 0"], done.stderr
    refused, without_gpu, trained = done.stderr.strip().split("\n\n")
    assert "train.processes needs 3 tasks, but the cluster runs 2 tasks at once: request more" in refused
    assert "train.device is cuda, and torch" in without_gpu
    assert [line.split(": ")[1].split("-")[0] for line in trained.splitlines()] == [
        "run train",
        "epoch 1 of 2",
        "epoch 2 of 2",
    ]
    assert "Traceback" not in done.stderr
    assert ModelRegistry(str(root)).read_production().metrics["processes"] == 2
