"""Seconds and memory of each epoch of training, reading included, on this machine's GPU or CPU.

    python tests/benchmarks/epoch.py [--data ROOT] [--rows N] [--device auto|cuda|cpu] [--precision NAME]
                                     [--batch-size N] [--epochs N] [--memory SIZE] [--json FILE]

ROOT is the output of `tonality prepare`. Without it a synthetic dataset is written first, untimed: stems with
Zipf's frequencies from a vocabulary of 100,000, tweets of 13 stems on average, and labels that depend on the stems.
Training is that of `tonality train`, with the defaults of [train] unless given here. It needs torch, pyarrow and
Petastorm, but neither Spark nor Java.

The first epoch also reads the dataset, and on a GPU loads its kernels; the later ones show the cost of an epoch. Memory
is the process' peak up to the epoch's end, the writing of a dataset included: with --data it is that of training only.
`--epochs 10 --memory 1k` shows whether it grows if each epoch reads again. The figures depend on the machine, and are
printed as a table; --json also writes them as JSON.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from tonality.model.dataset.metadata import read_metadata
from tonality.model.loading.row_groups import RowGroups
from tonality.model.metrics import Metrics
from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.hyperparameters import choose_device
from tonality.model.training.loop import train
from tonality.model.training.progress import Progress
from tonality.model.training.state import Epoch, TrainingResult
from tonality.runtime.diagnostics.errors import UserError
from tonality.runtime.settings.sections import Settings, TrainSettings
from tonality.runtime.storage import schema

VOCABULARY = 100_000
WIDTH, LONGEST, MEAN_LENGTH = 100, 47, 13
GROUP_ROWS, FILES = 8_192, 4
VALID_SHARE = 5
"""Training rows per validation row."""
LEANING_SHARE = 0.3
"""The share of stems that lean to one label."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="ROOT", help="a root prepared by `prepare` (a synthetic dataset)")
    parser.add_argument("--rows", type=int, default=160_000, help="training rows of the synthetic dataset (160000)")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="where to train (auto)")
    parser.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="precision of computations (auto)"
    )
    parser.add_argument("--batch-size", type=int, help="tweets per step (that of [train])")
    parser.add_argument("--epochs", type=int, default=3, help="passes over the training split (3)")
    parser.add_argument("--memory", help="larger splits are read again in each epoch: 1g, 1k (that of [train])")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.data or write_dataset(Path(folder), options.rows)
        try:
            vocabulary = read_metadata(str(root)).stems + schema.FIRST_STEM_ID if options.data else VOCABULARY
            report = measure(root, vocabulary, train_settings(options), options.device)
        except UserError as error:
            raise SystemExit(str(error)) from error
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def train_settings(options: argparse.Namespace) -> TrainSettings:
    """The defaults of [train] unless given as options; all epochs are run."""
    given = {"precision": options.precision, "epochs": options.epochs, "patience": 0}
    if options.batch_size:
        given["batch_size"] = options.batch_size
    if options.memory:
        given["memory"] = options.memory
    return TrainSettings(**given)


def measure(root: Path, vocabulary: int, settings: TrainSettings, device: str) -> dict[str, Any]:
    """Train, and return the figures."""
    sides = {name: str(root / "dataset" / f"split={name}") for name in ("train", "valid")}
    rows = {name: RowGroups(side, vocabulary).rows for name, side in sides.items()}
    watch = Watch()
    config = LSTMConfig(vocabulary, **Settings().network.model_dump())
    trained = train(config, sides["train"], sides["valid"], settings, choose_device(device), progress=watch)
    epochs = [figures(epoch, rows["train"], peak) for epoch, peak in zip(trained.epochs, watch.peaks, strict=True)]
    return {
        "machine": machine(trained),
        "rows": rows,
        "vocabulary": vocabulary,
        "batch_size": settings.batch_size,
        "first_epoch_seconds": epochs[0]["seconds"],
        "best_later_epoch_seconds": min((epoch["seconds"] for epoch in epochs[1:]), default=None),
        "accuracy": trained.best.valid.accuracy,
        "epochs": epochs,
    }


class Watch(Progress):
    """Progress that records the process' peak memory by the end of each epoch, in MiB."""

    def __init__(self) -> None:
        super().__init__()
        self.peaks: list[float] = []

    def epoch(self, loss: float, valid: Metrics) -> None:
        self.peaks.append(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**10 if sys.platform == "linux" else 2**20)
        )


def figures(epoch: Epoch, rows: int, peak: float) -> dict[str, Any]:
    seconds = rows / epoch.rows_per_second
    return {
        "number": epoch.number,
        "seconds": seconds,
        "rows_per_second": epoch.rows_per_second,
        "validation_seconds": epoch.seconds - seconds,
        "loss": epoch.loss,
        "valid_log_loss": epoch.valid.log_loss,
        "accuracy": epoch.valid.accuracy,
        "peak_mib": peak,
    }


def machine(trained: TrainingResult) -> dict[str, Any]:
    return {
        "computed": trained.computed,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "cuda": torch.version.cuda,
        "versions": {name: version(name) for name in ("torch", "numpy", "pyarrow", "petastorm")},
    }


def table(report: dict[str, Any]) -> str:
    where, rows = report["machine"], report["rows"]
    later = report["best_later_epoch_seconds"]
    lines = [
        f"{where['computed']}, torch {where['versions']['torch']}; "
        f"{rows['train']:,} tweets for training, {rows['valid']:,} for validation, batches of {report['batch_size']}",
        "",
        f"{'epoch':>5}{'seconds':>10}{'rows/s':>12}{'validation s':>14}{'loss':>9}{'accuracy':>10}{'MiB':>7}",
    ]
    lines += [
        f"{epoch['number']:>5}{epoch['seconds']:>10.2f}{epoch['rows_per_second']:>12,.0f}"
        f"{epoch['validation_seconds']:>14.2f}{epoch['loss']:>9.4f}{epoch['accuracy']:>10.4f}{epoch['peak_mib']:>7,.0f}"
        for epoch in report["epochs"]
    ]
    best = f"{later:.2f} s, {rows['train'] / later:,.0f} rows/s" if later else "none"
    return "\n".join([*lines, "", f"first epoch {report['first_epoch_seconds']:.2f} s; best later epoch: {best}"])


# The synthetic dataset


def write_dataset(root: Path, rows: int) -> Path:
    """Write both splits as `prepare` does, and return the root."""
    draws = np.random.default_rng(2016)
    ids = VOCABULARY - schema.FIRST_STEM_ID
    chances = np.cumsum(1 / (np.arange(ids) + 2.7))  # Mandelbrot's form of Zipf's law
    leanings = np.where(draws.random(ids) < LEANING_SHARE, draws.normal(size=ids), 0)
    for name, count in (("train", rows), ("valid", max(1, rows // VALID_SHARE))):
        side = root / "dataset" / f"split={name}"
        side.mkdir(parents=True)
        tweets = draw_tweets(count, chances / chances[-1], leanings, draws)
        part_rows = -(-count // FILES)
        for number, start in enumerate(range(0, count, part_rows)):
            part = tweets[start : start + part_rows]
            pq.write_table(part, side / f"part-{number:05}.parquet", row_group_size=GROUP_ROWS, compression="zstd")
    return root


def draw_tweets(
    count: int, chances: NDArray[np.float64], leanings: NDArray[np.float64], draws: np.random.Generator
) -> pa.Table:
    """Draw tweets: the more a tweet's stems lean to a label, the more likely it has that label."""
    lengths = np.clip(np.rint(draws.gamma(3.0, MEAN_LENGTH / 3.0, count)), 1, LONGEST).astype(np.int32)
    inside = np.arange(WIDTH) < lengths[:, None]
    stems = np.minimum(np.searchsorted(chances, draws.random(lengths.sum())), len(chances) - 1)
    tokens = np.full((count, WIDTH), schema.PADDING_ID, np.int32)
    tokens[inside] = stems + schema.FIRST_STEM_ID
    starts = np.cumsum(lengths) - lengths
    lean = np.add.reduceat(leanings[stems], starts)
    labels = draws.random(count) < 1 / (1 + np.exp(-2 * lean))
    padded = pa.ListArray.from_arrays(np.arange(0, tokens.size + 1, WIDTH, dtype=np.int32), tokens.ravel())
    columns = {"tokens": padded, "length": lengths, "label": labels.astype(np.float32), "stems": [""] * count}
    return pa.table(columns, schema=schema.DATASET)


if __name__ == "__main__":
    main()
