"""`train` in one process, killed with SIGKILL and run again: it resumes and ends with the model of an undisturbed run."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest
from prepared import SMALL, write_dataset

from tonality.model.registry.registry import ModelRegistry

pytestmark = pytest.mark.slow

CHECKOUT: Final = Path(__file__).parents[2]
LONG: Final = ("train.epochs=60", "train.patience=0", "train.checkpoint_steps=40")
"""Some seconds, and a checkpoint every few hundredths of one, after each epoch too."""
PATIENCE_SECONDS: Final = 120


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "out", [600, 200, 200])


def checkpoint_of(root: Path) -> Path:
    return root / "checkpoint" / "train.safetensors"


def start(root: Path) -> subprocess.Popen[str]:
    options = [*SMALL, *LONG, f"paths.root={root}"]
    command = [sys.executable, CHECKOUT / "jobs" / "train.py"]
    command += [part for option in options for part in ("--set", option)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(root: Path) -> str:
    """Run a training to its end and return its stderr."""
    with start(root) as training:
        _, output = training.communicate(timeout=PATIENCE_SECONDS)
    assert training.returncode == 0, output
    return output


def kill_after_a_checkpoint(root: Path) -> None:
    """Kill a training once it has written a new checkpoint."""
    place = checkpoint_of(root)
    before = place.stat().st_mtime_ns if place.exists() else 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    with start(root) as training:
        while not place.exists() or place.stat().st_mtime_ns == before:
            assert training.poll() is None, training.communicate()[1]
            assert time.monotonic() < deadline, "no checkpoint came"
            time.sleep(0.01)
        training.kill()
        training.communicate()
    assert training.returncode == -9, "it was killed before its end"
    assert not (root / "models").exists()


def test_a_training_that_was_killed_twice_ends_in_the_model_of_an_undisturbed_one(root: Path, tmp_path: Path) -> None:
    kill_after_a_checkpoint(root)
    kill_after_a_checkpoint(root)
    assert f"resuming from {checkpoint_of(root)}: epoch " in finish(root)
    assert not checkpoint_of(root).exists()
    undisturbed = write_dataset(tmp_path / "undisturbed", [600, 200, 200])
    finish(undisturbed)
    assert (
        ModelRegistry(str(root)).read_production().fingerprint
        == ModelRegistry(str(undisturbed)).read_production().fingerprint
    )


def test_a_checkpoint_of_a_dataset_with_other_labels_is_ignored(root: Path) -> None:
    kill_after_a_checkpoint(root)
    place = root / "dataset" / "_dataset.json"
    metadata = json.loads(place.read_text())
    metadata["rows"]["train"]["content"] = "of other labels"
    place.write_text(json.dumps(metadata))
    output = finish(root)
    assert f"{checkpoint_of(root)} was written with other settings or another dataset: training starts over" in output
    assert "resuming" not in output
