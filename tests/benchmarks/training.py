"""Rows a second and accuracy of training, beside the 2016 network in Keras, plain PyTorch and the bare network.

    python tests/benchmarks/training.py --data ROOT|TABLE [--seeds N] [--rows N] [--keras PYTHON] [--json FILE]

ROOT is what `tonality prepare` made. TABLE is a CSV with the columns text and label (positive or negative), from which a
dataset is prepared first by the rules of 2016, conf/seed.toml, in English. All learn from the tokens of
dataset/split=train, on the same cores, and are measured on split=valid:

- Keras 2016, padded: tests/benchmarks/keras_2016.py, batches of 32 padded in front to the dataset's width, one epoch;
- Keras 2016, by length: the same network, batches of 32 tweets sorted by length, so that hardly any padding is left;
- plain PyTorch, padded: nn.Embedding, nn.LSTM and dense Adam, batches of 32 padded in front, all of torch's threads.
  A slice of an epoch, for its speed alone;
- this, as in 2016: tonality.model.training with conf/seed.toml, batches of 32, one epoch;
- this, the defaults: tonality.model.training with conf/default.toml; where these compute in bfloat16, in float32 too;
- the limit: tests/benchmarks/bare_network.py, the network forward and backward on batches that lie in memory, in each
  precision that somebody above computes in.

They take turns, seed by seed, each in a process of its own, and the first of a seed is the second of the one before: so
a machine that slows down does so for all, and ratios and differences are those of the same seed. Speeds count reading
and not validation. Seconds run from the start of training, with all imported and the network built, to the end of the
validation after an epoch; "to Keras' accuracy", to that of the first epoch that is as accurate as Keras, padded, was
after its own. Ratios within one run mean something; the figures themselves are the machine's.
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
from tonality.runtime.settings.load import conf_directory, load
from tonality.runtime.settings.sections import Settings
from tonality.runtime.storage.schema import FIRST_STEM_ID

KERAS, BY_LENGTH, PLAIN = "Keras 2016, padded", "Keras 2016, by length", "plain PyTorch, padded"
AS_IN_2016, DEFAULTS, IN_FLOAT32 = "this, as in 2016", "this, the defaults", "this, in float32"
LIMITS = {"float32": "limit in float32", "bfloat16": "limit in bfloat16"}
WANTED_SHARE = 0.7
"""Of the limit, that training should reach."""
SIDES = ("train", "valid")
PLAIN_BATCH = 32

Turn = dict[str, Any]
"""What a contestant's run gave, by name, in values that JSON knows."""
Contestant = Callable[[int], Turn]
"""Runs with a seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a root that `prepare` filled, or a CSV table")
    parser.add_argument("--seeds", type=int, default=5, help="turns of every contestant (5)")
    parser.add_argument("--rows", type=int, help="training rows, and half as many to validate on (all)")
    parser.add_argument("--plain-rows", type=int, default=4_000, help="training rows of plain PyTorch (4000)")
    parser.add_argument("--keras", metavar="PYTHON", help="a Python that has Keras and TensorFlow; none: no Keras")
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
    """A dataset that all learn from."""

    root: str
    vocabulary: int
    """Rows of the embedding."""
    width: int
    """What tweets are padded to."""

    def side(self, name: str) -> str:
        return f"{self.root}/dataset/split={name}"

    def read(self, name: str) -> Rows:
        with RowGroups(self.side(name), self.vocabulary).read() as groups:
            return Rows.concatenate(list(groups))


def find_data(source: Path, rows: int | None, folder: Path) -> Data:
    """The dataset that is asked for, whole or its first rows: `prepare` has mixed them."""
    root = source if source.is_dir() else prepared(source, folder / "prepared")
    note = read_metadata(str(root))
    data = Data(str(root), note.stems + FIRST_STEM_ID, note.max_length)
    if rows is None:
        return data
    cut = Data(str(folder / "cut"), data.vocabulary, data.width)
    for side, count in zip(SIDES, (rows, rows // 2), strict=True):
        Path(cut.side(side)).mkdir(parents=True)
        pq.write_table(ds.dataset(data.side(side)).head(count), f"{cut.side(side)}/part-00000.parquet")
    return cut


def prepared(source: Path, root: Path) -> Path:
    """A root with the dataset of a table."""
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
    sides = {name: data.read(name) for name in SIDES}
    return {
        "rows": {name: len(rows) for name, rows in sides.items()},
        "vocabulary": data.vocabulary,
        "padded_to": data.width,
        "mean_stems": float(sides["train"].lengths.mean()),
    }


# The race


def contestants(data: Data, keras: str | None, plain_rows: int, folder: Path) -> dict[str, Contestant]:
    """Those who take turns, by name."""
    racers: dict[str, Contestant] = {}
    if keras:
        tokens = folder / "tokens.npz"
        write_tokens(data, tokens)
        racers |= {
            KERAS: partial(keras_turn, keras, tokens, "padded"),
            BY_LENGTH: partial(keras_turn, keras, tokens, "by-length"),
        }
    seed_settings = str(conf_directory() / "seed.toml")
    racers |= {
        PLAIN: partial(in_a_process, plain_turn, data, plain_rows),
        AS_IN_2016: partial(in_a_process, our_turn, data, [seed_settings], []),
        DEFAULTS: partial(in_a_process, our_turn, data, [], []),
        LIMITS["float32"]: partial(in_a_process, limit_turn, data, torch.float32),
    }
    precision = choose_precision(Settings().train.precision, torch.device("cpu"))
    if precision != torch.float32:
        racers |= {
            IN_FLOAT32: partial(in_a_process, our_turn, data, [], ["train.precision=float32"]),
            LIMITS["bfloat16"]: partial(in_a_process, limit_turn, data, precision),
        }
    return racers


def limit_turn(data: Data, precision: torch.dtype, seed: int) -> Turn:
    """The speed that is left when nothing but the network is computed."""
    return best_speed(data.read("train"), seed, precision)


def race(racers: dict[str, Contestant], seeds: int) -> dict[str, list[Turn]]:
    """The contestants' turns, one a seed."""
    names = list(racers)
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for seed in range(1, seeds + 1):
        first = (seed - 1) % len(names)
        for name in names[first:] + names[:first]:
            turns[name].append(racers[name](seed))
            print(f"seed {seed}, {name}: {turns[name][-1]['rows_per_second']:,.0f} rows/s", file=sys.stderr, flush=True)
    return turns


def in_a_process(run: Callable[..., Turn], *arguments: Any) -> Turn:
    """What a function gives in a process that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run, *arguments).result()


# Keras


def write_tokens(data: Data, file: Path) -> None:
    """Both sides, as keras_2016.py reads them."""
    arrays: dict[str, Any] = {"vocabulary": data.vocabulary, "width": data.width}
    for name in SIDES:
        rows = data.read(name)
        arrays |= {f"{name}_{part}": getattr(rows, part) for part in ("stems", "lengths", "labels")}
    np.savez(file, **arrays)


def keras_turn(python: str, tokens: Path, batches: str, seed: int) -> Turn:
    script = Path(__file__).with_name("keras_2016.py")
    command = [python, script, tokens, "--seed", str(seed), "--batches", batches]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"{script.name} failed with {python}:\n{finished.stderr}")
    turn: Turn = json.loads(finished.stdout.splitlines()[-1])
    return turn


# Ours


class Clock(Progress):
    """Training tells it when it starts and when an epoch has been validated."""

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


def our_turn(data: Data, files: list[str], overrides: list[str], seed: int) -> Turn:
    """Training through the files of settings, reading included."""
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
    """The network as one writes it."""

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


def plain_turn(data: Data, rows: int, seed: int) -> Turn:
    torch.manual_seed(seed)
    torch.set_num_threads(CORES)
    side = data.read("train")
    order = np.random.default_rng(seed).permutation(len(side))[:rows]
    tokens = torch.from_numpy(padded_in_front(side, order, data.width))
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


def padded_in_front(side: Rows, rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The stems of these rows, with 0 before them: (B, width)."""
    tokens = np.zeros((len(rows), width), np.int64)
    for place, row in enumerate(rows):
        length = side.lengths[row]
        tokens[place, width - length :] = side.stems[side.starts[row] :][:length]
    return tokens


# The figures


def summarize(turns: dict[str, list[Turn]]) -> dict[str, dict[str, Any]]:
    """Each contestant's figures over the seeds; beside Keras and the limit of its precision stand those of one seed."""
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
    """The median of the seeds' ratios of speeds."""
    pairs = zip(own, other, strict=True)
    return statistics.median(one["rows_per_second"] / two["rows_per_second"] for one, two in pairs)


def accuracy(turn: Turn) -> float:
    """That of the weights that are kept."""
    found: float = turn["epochs"][turn.get("best_epoch", 1) - 1]["accuracy"]
    return found


def t_interval(differences: list[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None of a single difference."""
    count = len(differences)
    if count < 2:
        return None
    mean = statistics.mean(differences)
    half = student.ppf(0.975, count - 1) * statistics.stdev(differences) / math.sqrt(count)
    return mean - half, mean + half


def to_the_accuracy_of(keras: list[Turn], own: list[Turn]) -> dict[str, Any]:
    """Seconds until as accurate as Keras of the same seed, and how many times sooner; None: in half the seeds never."""
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
    """Until the end of the first epoch that is so accurate; infinite where none is."""
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
        f"{data['rows']['train']:,} tweets to learn from, of {data['mean_stems']:.1f} stems, {data['rows']['valid']:,} "
        f"to validate on; {data['vocabulary']:,} ids; {seeds} seeds; {report['machine']['cpu']}, {CORES} cores"
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
    """Whether a contestant is as near to its limit as it should be."""
    share, limit = found[name]["ratio_to_limit"], turns[LIMITS[turns[name][0]["precision"]]][0]["best"]
    said = "as expected" if share >= WANTED_SHARE else "too little"
    return f"{name}: {share:.2f} of the limit ({limit}), {WANTED_SHARE} is expected: {said}"


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
