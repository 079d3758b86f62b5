"""Rows per second and accuracy of training, against the 2016 network in Keras, plain PyTorch and the bare network.

    python tests/benchmarks/training.py --data ROOT|TABLE [--seeds N] [--rows N] [--keras PYTHON] [--json FILE]

ROOT is the output of `tonality prepare`. TABLE is a CSV with the columns text and label (positive or negative), from
which a dataset is first prepared with the text rules of 2016, conf/seed.toml, in English. All contestants learn from
the tokens of dataset/split=train, on the same cores, and are evaluated on split=valid:

- Keras 2016, padded: tests/benchmarks/keras_2016.py, batches of 32 left-padded to the dataset's width, one epoch;
- Keras 2016, by length: the same network, batches of 32 tweets sorted by length, with hardly any padding;
- plain PyTorch, padded: nn.Embedding, nn.LSTM and dense Adam, left-padded batches of 32, all of torch's threads. Only
  part of an epoch, to measure the speed;
- this, as in 2016: tonality.model.training with conf/seed.toml, batches of 32, one epoch;
- this, the defaults: tonality.model.training with conf/default.toml; if these compute in bfloat16, also in float32;
- the limit: tests/benchmarks/bare_network.py, the network forward and backward on batches in memory, in each precision
  that is used above.

They take turns, seed by seed, each in its own process, and the order rotates with each seed: a machine that slows down
does so for all, and ratios and differences are taken per seed. Speeds include reading but not validation. Seconds run
from the start of training, after imports and the construction of the network, to the end of the validation after an
epoch; "to Keras' accuracy", to the end of the first epoch that is as accurate as the one of Keras, padded. Only ratios
within one run are comparable; the figures themselves depend on the machine.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import torch
from bare_network import CORES, best_speed
from numpy.typing import NDArray
from scipy.stats import t as student
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tonality.model.dataset.metadata import read_metadata
from tonality.model.loading.ragged_rows import Rows
from tonality.model.loading.row_groups import RowGroups
from tonality.model.metrics import Metrics
from tonality.model.network.lstm import LSTMConfig
from tonality.model.training.hyperparameters import choose_precision
from tonality.model.training.loop import train
from tonality.model.training.progress import Progress
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.settings.load import conf_directory, load
from tonality.runtime.settings.sections import Settings
from tonality.runtime.storage.schema import FIRST_STEM_ID

KERAS, BY_LENGTH, PLAIN = "Keras 2016, padded", "Keras 2016, by length", "plain PyTorch, padded"
AS_IN_2016, DEFAULTS, IN_FLOAT32 = "this, as in 2016", "this, the defaults", "this, in float32"
LIMITS = {"float32": "limit in float32", "bfloat16": "limit in bfloat16"}
EXPECTED_SHARE = 0.7
"""The share of the limit that training should reach."""
SPLITS = ("train", "valid")
PLAIN_BATCH = 32

Turn = dict[str, Any]
"""The results of a contestant's run by name, in JSON-compatible values."""
Contestant = Callable[[int], Turn]
"""A function that runs with a seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a root prepared by `prepare`, or a CSV table")
    parser.add_argument("--seeds", type=int, default=5, help="turns of every contestant (5)")
    parser.add_argument("--rows", type=int, help="training rows, and half as many for validation (all)")
    parser.add_argument("--plain-rows", type=int, default=4_000, help="training rows of plain PyTorch (4000)")
    parser.add_argument("--keras", metavar="PYTHON", help="a Python with Keras and TensorFlow; none: no Keras")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = find_data(options.data, options.rows, Path(folder))
        turns = race(contestants(data, options.keras, options.plain_rows, Path(folder)), options.seeds)
        report = {"machine": machine(turns), "data": describe(data), "summary": summarize(turns), "turns": turns}
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


# The dataset


@dataclass(frozen=True)
class Data:
    """The dataset of all contestants."""

    root: str
    vocabulary: int
    """The number of rows of the embedding."""
    width: int
    """The length to which tweets are padded."""

    def side(self, name: str) -> str:
        return f"{self.root}/dataset/split={name}"

    def read(self, name: str) -> Rows:
        with RowGroups(self.side(name), self.vocabulary).read() as groups:
            return Rows.concatenate(list(groups))


def find_data(source: Path, rows: int | None, folder: Path) -> Data:
    """The requested dataset, whole or its first rows, which `prepare` has shuffled."""
    root = source if source.is_dir() else prepare_table(source, folder / "prepared")
    metadata = read_metadata(str(root))
    data = Data(str(root), metadata.stems + FIRST_STEM_ID, metadata.max_length)
    if rows is None:
        return data
    cut = Data(str(folder / "cut"), data.vocabulary, data.width)
    for side, count in zip(SPLITS, (rows, rows // 2), strict=True):
        Path(cut.side(side)).mkdir(parents=True)
        pq.write_table(ds.dataset(data.side(side)).head(count), f"{cut.side(side)}/part-00000.parquet")
    return cut


def prepare_table(source: Path, root: Path) -> Path:
    """Prepare the dataset of a table, and return its root."""
    settings = {
        "paths.corpus": source.resolve(),
        "paths.root": root,
        "corpus.format": "table",
        "text.language": "en",
        "spark.master": f"local[{CORES}]",
        "spark.progress": "false",
    }
    subprocess.run(
        [
            Path(sys.executable).with_name("tonality"),
            *("prepare", "--config", conf_directory() / "seed.toml"),
            *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")),
        ],
        env=os.environ | {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable},
        stdout=sys.stderr,
        check=True,
    )
    return root


def describe(data: Data) -> dict[str, Any]:
    sides = {name: data.read(name) for name in SPLITS}
    return {
        "rows": {name: len(rows) for name, rows in sides.items()},
        "vocabulary": data.vocabulary,
        "padded_to": data.width,
        "mean_stems": float(sides["train"].lengths.mean()),
    }


# The race


def contestants(data: Data, keras: str | None, plain_rows: int, folder: Path) -> dict[str, Contestant]:
    """The contestants by name."""
    racers: dict[str, Contestant] = {}
    if keras:
        tokens = folder / "tokens.npz"
        write_tokens(data, tokens)
        racers |= {
            KERAS: partial(run_keras, keras, tokens, "padded"),
            BY_LENGTH: partial(run_keras, keras, tokens, "by-length"),
        }
    seed_settings = str(conf_directory() / "seed.toml")
    racers |= {
        PLAIN: partial(in_new_process, run_plain, data, plain_rows),
        AS_IN_2016: partial(in_new_process, run_ours, data, [seed_settings], []),
        DEFAULTS: partial(in_new_process, run_ours, data, [], []),
        LIMITS["float32"]: partial(in_new_process, run_limit, data, torch.float32),
    }
    precision = choose_precision(Settings().train.precision, torch.device("cpu"))
    if precision != torch.float32:
        racers |= {
            IN_FLOAT32: partial(in_new_process, run_ours, data, [], ["train.precision=float32"]),
            LIMITS["bfloat16"]: partial(in_new_process, run_limit, data, precision),
        }
    return racers


def run_limit(data: Data, precision: torch.dtype, seed: int) -> Turn:
    """The speed of computing only the network."""
    return best_speed(data.read("train"), seed, precision)


def race(racers: dict[str, Contestant], seeds: int) -> dict[str, list[Turn]]:
    """The contestants' turns, one per seed."""
    names = list(racers)
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for seed in range(1, seeds + 1):
        first = (seed - 1) % len(names)
        for name in names[first:] + names[:first]:
            turns[name].append(racers[name](seed))
            print(f"seed {seed}, {name}: {turns[name][-1]['rows_per_second']:,.0f} rows/s", file=sys.stderr, flush=True)
    return turns


def in_new_process(run: Callable[..., Turn], *arguments: Any) -> Turn:
    """Run a function in a new process, and return its result."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run, *arguments).result()


# Keras


def write_tokens(data: Data, file: Path) -> None:
    """Write both splits in the format of keras_2016.py."""
    arrays: dict[str, Any] = {"vocabulary": data.vocabulary, "width": data.width}
    for name in SPLITS:
        rows = data.read(name)
        arrays |= {f"{name}_{part}": getattr(rows, part) for part in ("stems", "lengths", "labels")}
    np.savez(file, **arrays)


def run_keras(python: str, tokens: Path, batches: str, seed: int) -> Turn:
    script = Path(__file__).with_name("keras_2016.py")
    command = [python, script, tokens, "--seed", str(seed), "--batches", batches]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"{script.name} failed with {python}:\n{finished.stderr}")
    turn: Turn = json.loads(finished.stdout.splitlines()[-1])
    return turn


# This package


class Clock(Progress):
    """Progress that records the start of training and the end of each epoch's validation."""

    def __init__(self) -> None:
        self.started = math.nan
        self.ends: list[float] = []

    def start(self, epoch: int, epochs: int, rows: int, done: int = 0) -> None:
        if epoch == 1:
            self.started = time.perf_counter()

    def step(self, rows: int, loss: float) -> None:
        pass

    def epoch(self, loss: float, valid: Metrics) -> None:
        self.ends.append(time.perf_counter() - self.started)


def run_ours(data: Data, files: list[str], overrides: list[str], seed: int) -> Turn:
    """Train with these settings files, reading included."""
    settings = load(files, overrides)
    train_settings = settings.train.model_copy(update={"seed": seed})
    config = LSTMConfig(data.vocabulary, **settings.network.model_dump())
    clock = Clock()
    trained = train(config, data.side("train"), data.side("valid"), train_settings, torch.device("cpu"), progress=clock)
    rows = RowGroups(data.side("train"), data.vocabulary).rows
    seconds = [rows / epoch.rows_per_second for epoch in trained.epochs]
    return {
        "rows": rows * len(seconds),
        "training_seconds": sum(seconds),
        "rows_per_second": rows * len(seconds) / sum(seconds),
        "batch": train_settings.batch_size,
        "computed": trained.computed,
        "precision": trained.computed.partition(" ")[0],
        "best_epoch": trained.best.number,
        "epochs": [
            {
                "accuracy": epoch.valid.accuracy,
                "log_loss": epoch.valid.log_loss,
                "seconds_since_start": end,
                "rows_per_second": epoch.rows_per_second,
                "validation_seconds": epoch.seconds - training,
            }
            for epoch, training, end in zip(trained.epochs, seconds, clock.ends, strict=True)
        ],
    }


# Plain PyTorch


class Plain(nn.Module):
    """The conventional form of the network."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 128)
        self.lstm = nn.LSTM(128, 64, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(64, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))  # (B, T, hidden)
        logits: Tensor = self.dense(self.dropout(states[:, -1])).squeeze(1)
        return logits


def run_plain(data: Data, rows: int, seed: int) -> Turn:
    torch.manual_seed(seed)
    torch.set_num_threads(CORES)
    side = data.read("train")
    order = np.random.default_rng(seed).permutation(len(side))[:rows]
    tokens = torch.from_numpy(left_padded(side, order, data.width))
    labels = torch.from_numpy(side.labels[order])
    network = Plain(data.vocabulary)
    adam = torch.optim.Adam(network.parameters())
    started = time.perf_counter()
    for batch, expected in zip(tokens.split(PLAIN_BATCH), labels.split(PLAIN_BATCH), strict=True):
        adam.zero_grad()
        binary_cross_entropy_with_logits(network(batch), expected).backward()
        adam.step()
    seconds = time.perf_counter() - started
    return {"rows": len(order), "training_seconds": seconds, "rows_per_second": len(order) / seconds, "epochs": []}


def left_padded(side: Rows, rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The stems of these rows, left-padded with 0: (B, width)."""
    tokens = np.zeros((len(rows), width), np.int64)
    for place, row in enumerate(rows):
        length = side.lengths[row]
        tokens[place, width - length :] = side.stems[side.starts[row] :][:length]
    return tokens


# The figures


def summarize(turns: dict[str, list[Turn]]) -> dict[str, dict[str, Any]]:
    """Each contestant's figures over the seeds; comparisons with Keras and its precision's limit are made per seed."""
    return {
        name: figures(own, turns.get(KERAS, []), turns[LIMITS[own[0].get("precision", "float32")]])
        for name, own in turns.items()
    }


def figures(own: list[Turn], keras: list[Turn], limit: list[Turn]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rows_per_second": median_of(own, "rows_per_second"),
        "ratio_to_limit": ratio(own, limit),
        "ratio_to_keras": ratio(own, keras) if keras else None,
    }
    if not own[0]["epochs"]:
        return found
    found["accuracy"] = statistics.mean(map(accuracy, own))
    found["validation_seconds"] = statistics.median(turn["epochs"][0]["validation_seconds"] for turn in own)
    if keras and own is not keras:
        differences = [accuracy(turn) - accuracy(other) for turn, other in zip(own, keras, strict=True)]
        found["accuracy_difference"] = statistics.mean(differences)
        found["accuracy_difference_95"] = t_interval(differences)
    if keras:
        found |= to_the_accuracy_of(keras, own)
    return found


def median_of(turns: list[Turn], name: str) -> float:
    return statistics.median(turn[name] for turn in turns)


def ratio(own: list[Turn], other: list[Turn]) -> float:
    """The median over the seeds of the ratio of speeds."""
    pairs = zip(own, other, strict=True)
    return statistics.median(one["rows_per_second"] / two["rows_per_second"] for one, two in pairs)


def accuracy(turn: Turn) -> float:
    """The validation accuracy of the kept weights."""
    found: float = turn["epochs"][turn.get("best_epoch", 1) - 1]["accuracy"]
    return found


def t_interval(differences: list[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for a single difference."""
    count = len(differences)
    if count < 2:
        return None
    mean = statistics.mean(differences)
    half = student.ppf(0.975, count - 1) * statistics.stdev(differences) / math.sqrt(count)
    return mean - half, mean + half


def to_the_accuracy_of(keras: list[Turn], own: list[Turn]) -> dict[str, Any]:
    """Seconds to the accuracy of Keras with the same seed, and how many times sooner; None if half the seeds fail."""
    seconds = [seconds_to(accuracy(other), turn) for turn, other in zip(own, keras, strict=True)]
    theirs = [turn["epochs"][0]["seconds_since_start"] for turn in keras]
    median = statistics.median(seconds)
    sooner = statistics.median(other / taken for other, taken in zip(theirs, seconds, strict=True))
    reached = math.isfinite(median)
    return {
        "seconds_to_keras_accuracy": median if reached else None,
        "times_sooner": sooner if reached else None,
        "seeds_that_reached_it": sum(map(math.isfinite, seconds)),
    }


def seconds_to(expected: float, turn: Turn) -> float:
    """Seconds to the end of the first epoch with this accuracy; infinite if there is none."""
    ends = [epoch["seconds_since_start"] for epoch in turn["epochs"] if epoch["accuracy"] >= expected]
    return ends[0] if ends else math.inf


def machine(turns: dict[str, list[Turn]]) -> dict[str, Any]:
    versions = {name: version(name) for name in ("torch", "numpy", "pyarrow", "petastorm")}
    keras = {f"{name} (Keras)" if name == "numpy" else name: found for name, found in keras_versions(turns).items()}
    return {"cpu": cpu_model(), "cores": CORES, "python": platform.python_version(), "versions": versions | keras}


def keras_versions(turns: dict[str, list[Turn]]) -> dict[str, str]:
    return turns[KERAS][0]["versions"] if KERAS in turns else {}


def cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def table(report: dict[str, Any]) -> str:
    found, data, turns = report["summary"], report["data"], report["turns"]
    seeds = len(turns[DEFAULTS])
    head = (
        f"{data['rows']['train']:,} tweets for training, of {data['mean_stems']:.1f} stems, {data['rows']['valid']:,} "
        f"for validation; {data['vocabulary']:,} ids; {counted(seeds, 'seed')}; "
        f"{report['machine']['cpu']}, {CORES} cores"
    )
    titles = ("", "rows/s", "x Keras", "x limit", "accuracy", "less Keras' (95 %)", "s to Keras'", "sooner", "reached")
    lines = [head, "", row(*titles)]
    for name, own in found.items():
        lines.append(
            row(
                name,
                f"{own['rows_per_second']:,.0f}",
                shown(own["ratio_to_keras"], ".1f"),
                shown(own["ratio_to_limit"], ".2f"),
                shown(own.get("accuracy"), ".4f"),
                difference(own),
                reached(own, "seconds_to_keras_accuracy", ".1f"),
                reached(own, "times_sooner", ".1f"),
                f"{own['seeds_that_reached_it']} of {seeds}" if "seeds_that_reached_it" in own else "",
            )
        )
    return "\n".join([*lines, "", *(verdict(name, turns, found) for name in (DEFAULTS, IN_FLOAT32) if name in turns)])


def verdict(name: str, turns: dict[str, list[Turn]], found: dict[str, dict[str, Any]]) -> str:
    """The verdict on a contestant: is it as close to its limit as expected?"""
    share, limit = found[name]["ratio_to_limit"], turns[LIMITS[turns[name][0]["precision"]]][0]["best"]
    result = "as expected" if share >= EXPECTED_SHARE else "too little"
    return f"{name}: {share:.2f} of the limit ({limit}), {EXPECTED_SHARE} is expected: {result}"


def row(name: str, *cells: str) -> str:
    return f"{name:<25}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(cells, (9, 9, 9, 10, 27, 12, 8, 9), strict=True)
    )


def shown(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


def difference(own: dict[str, Any]) -> str:
    if "accuracy_difference" not in own:
        return ""
    interval = own["accuracy_difference_95"]
    ends = f" [{interval[0]:+.4f}, {interval[1]:+.4f}]" if interval else ""
    return f"{own['accuracy_difference']:+.4f}{ends}"


def reached(own: dict[str, Any], name: str, form: str) -> str:
    if name not in own:
        return ""
    return "not reached" if name.startswith("seconds") and own[name] is None else shown(own[name], form)


if __name__ == "__main__":
    main()
