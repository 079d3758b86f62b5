"""Rows per second of `score`, from Parquet to Parquet, against other ways to score a Spark table and upper limits.

    python tests/benchmarks/scoring.py [--tweets 2000000] [--rounds 3] [--json FILE]
    python tests/benchmarks/scoring.py --growth 1000000 [--json FILE]
    python tests/benchmarks/scoring.py --memory [--json FILE]

All take turns in one warm local session: `score` itself, with all its checks, counts and publishing; the network in a
pandas UDF, padded to 100, and in Spark's predict_batch_udf, on as many rows as they score in half a minute; fastText; a
pandas UDF that does nothing; and the bare network on tweets in memory, one process per core. One round uses distinct
tweets, one tweets of which half repeat another. --growth instead scores N tweets and ten times as many, and reports the
time and the workers' memory; --memory scores with 1, 2 and 4 workers. Only ratios are comparable; the figures depend on
the machine.
"""

import argparse
import json
import platform
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scoring_rivals as rivals
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812
from scoring_inputs import Texts, make_artifact, make_stems, write_root
from worker_memory import worker_memory

from tonality.model.inference.tone import tone
from tonality.model.registry.artifact import Artifact
from tonality.runtime.diagnostics.console import counted
from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.settings.sections import SparkSettings
from tonality.runtime.spark.session import spark_session
from tonality.runtime.storage import tables
from tonality.runtime.storage.schema import DAY, SCORED, TWEETS
from tonality.stages import score

PRECISIONS = ("float32", "bfloat16")
WARM_UP = 500_000
MEMORY_TWEETS = 800_000
PADDED_SHARE = 32
"""The padded ways score one tweet in this many, since they are about this many times slower."""


@dataclass(frozen=True)
class Bench:
    """The session, model and tweets of the measurements."""

    spark: SparkSession
    artifact: Artifact
    stems: list[str]
    folder: Path

    def root(self, name: str, tweets: int, repeats: bool = False) -> Path:
        place = self.folder / name
        return place if place.exists() else write_root(place, self.artifact, self.stems, tweets, repeats)


@contextmanager
def open_bench(workers: int) -> Iterator[Bench]:
    settings = SparkSettings(master=f"local[{workers}]", memory="4g")
    with tempfile.TemporaryDirectory() as folder, spark_session("scoring", settings) as spark:
        spark.sparkContext.addPyFile(rivals.__file__)
        stems = make_stems()
        yield Bench(spark, make_artifact(stems), stems, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tweets", type=int, default=2_000_000, help="tweets to score (2000000)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way, whose medians are reported (3)")
    parser.add_argument("--growth", type=int, metavar="N", help="score N tweets and ten times as many instead")
    parser.add_argument("--memory", action="store_true", help="report the memory of 1, 2 and 4 workers instead")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    if options.memory:
        figures = {str(workers): memory_of(workers) for workers in (1, 2, 4)}
    else:
        with open_bench(rivals.CORES) as bench:
            figures = (
                growth(bench, options.growth) if options.growth else compare(bench, options.tweets, options.rounds)
            )
    figures |= {"processor": platform.processor() or platform.machine(), "cores": rivals.CORES}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


# Comparison


def compare(bench: Bench, tweets: int, rounds: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    sample = Texts(bench.stems, seed=1).distinct(rivals.LIMIT_TWEETS)
    fast_text = rivals.fast_text(rivals.train_fasttext(sample, bench.folder))
    print(f"{tweets:,} tweets, {rivals.CORES} cores, medians of {counted(rounds, 'turn')}")
    for name, repeats in (("distinct", False), ("half repeated", True)):
        root = bench.root(name, tweets, repeats)
        ways = ways_to_score(bench, root, fast_text)
        if not repeats:
            ways |= {f"limit, {precision}": limit(bench, sample, precision) for precision in PRECISIONS}
        figures[name] = shown(name, run_rounds(ways, rounds))
    return figures


def ways_to_score(bench: Bench, root: Path, fast_text: rivals.Scoring) -> dict[str, Callable[[], dict[str, float]]]:
    """Each way by its name, as a function that takes a turn and returns rows per second."""
    spark, artifact = bench.spark, bench.artifact
    warm_up = bench.root("warm-up", WARM_UP)
    udfs = {
        "padded to 100 in a pandas UDF": (rivals.padded(spark, artifact), PADDED_SHARE),
        "padded to 100 in predict_batch_udf": (rivals.batch_prediction(spark, artifact), PADDED_SHARE),
        "fastText in a pandas UDF": (fast_text, 1),
        "a pandas UDF that does nothing": (rivals.identity(), 1),
    }
    ways: dict[str, Callable[[], dict[str, float]]] = {}
    for precision in PRECISIONS:
        stage_turn(spark, warm_up, precision)
        name = f"score, {precision}"
        ways[name] = lambda precision=precision, name=name: {name: stage_turn(spark, root, precision)}
    for name, (udf, share) in udfs.items():
        udf_turn(spark, warm_up, udf, share, bench.folder)
        ways[name] = lambda name=name, udf=udf, share=share: {name: udf_turn(spark, root, udf, share, bench.folder)}
    return ways


def stage_turn(spark: SparkSession, root: Path, precision: str) -> float:
    settings = load(overrides=[f"paths.root={root}", f"score.precision={precision}", "score.days=all"])
    started = time.perf_counter()
    with Run("score", settings) as record:
        score.run(settings, record, spark)
    return sum(record.facts["counts"].values()) / (time.perf_counter() - started)


def udf_turn(spark: SparkSession, root: Path, udf: rivals.Scoring, share: int, folder: Path) -> float:
    """Score from Parquet to Parquet, with the same columns; with a share, one tweet in so many of every day."""
    tweets = tables.read(spark, str(root), "tweets", TWEETS)
    if share > 1:
        tweets = tweets.where(F.col("tweet_id") % share == 0)
    scored = (
        tweets.withColumn("probability", udf(F.col("stems")))
        .withColumn("tonality", tone(F.col("probability"), 0.65, 0.45))
        .withColumn("model", F.lit("rival"))
        .withColumn("tweets_run", F.col("run"))
        .select(*SCORED.names)
    )
    target = folder / "rival"
    started = time.perf_counter()
    scored.write.partitionBy(DAY).parquet(str(target))
    seconds = time.perf_counter() - started
    rows = spark.read.parquet(str(target)).count()
    shutil.rmtree(target)
    return rows / seconds


def limit(bench: Bench, sample: Any, precision: str) -> Callable[[], dict[str, float]]:
    def turn() -> dict[str, float]:
        torchs, tiles = rivals.limits(bench.artifact.files(), sample, precision)
        return {f"bare LSTM of torch's, {precision}": torchs, f"bare network as here, {precision}": tiles}

    return turn


def run_rounds(ways: dict[str, Callable[[], dict[str, float]]], rounds: int) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for turn in ways.values():
            for name, rows_per_second in turn().items():
                rates[name].append(rows_per_second)
    return rates


def shown(title: str, rates: dict[str, list[float]]) -> dict[str, Any]:
    """Print the table, and return its values for JSON."""
    padded = rates["padded to 100 in a pandas UDF"]
    print(f"\n{title:38}{'rows/s':>11}{'x padded':>10}   of the bare LSTM   of the bare network")
    figures: dict[str, Any] = {}
    for name, turns in rates.items():
        precision = name.partition(", ")[2]
        figures[name] = {"rows_per_second": turns, "x_padded": ratio(turns, padded)}
        shares = ""
        if name.startswith("score") and f"bare LSTM of torch's, {precision}" in rates:
            figures[name]["of_torch"] = ratio(turns, rates[f"bare LSTM of torch's, {precision}"])
            figures[name]["of_bare"] = ratio(turns, rates[f"bare network as here, {precision}"])
            shares = f"{figures[name]['of_torch']:>19.2f}{figures[name]['of_bare']:>22.2f}"
        print(f"{name:38}{statistics.median(turns):>11,.0f}{figures[name]['x_padded']:>10.1f}{shares}", flush=True)
    return figures


def ratio(turns: list[float], others: list[float]) -> float:
    """The median of the ratios per round."""
    return statistics.median(one / other for one, other in zip(turns, others, strict=True))


# Scaling


def growth(bench: Bench, tweets: int) -> dict[str, Any]:
    stage_turn(bench.spark, bench.root("warm-up", WARM_UP), "auto")
    figures: dict[str, Any] = {}
    for count in (tweets, 10 * tweets):
        root = bench.root(f"{count}", count)
        with worker_memory() as memory:
            seconds = count / stage_turn(bench.spark, root, "auto")
        figures[f"{count}"] = {"seconds": seconds, "worker_peak_bytes": memory.peak}
        print(f"{count:>12,} tweets {seconds:>8.1f} s   a worker's peak {memory.peak / 2**20:>6,.0f} MiB", flush=True)
        shutil.rmtree(root)
    one, ten = figures.values()
    print(f"ten times the tweets take {ten['seconds'] / one['seconds']:.2f} times as long")
    return figures


# Memory


def memory_of(workers: int) -> dict[str, Any]:
    """Measure the memory of an executor's Python workers that share a model of full size."""
    with open_bench(workers) as bench:
        root = bench.root("memory", MEMORY_TWEETS)
        with worker_memory() as memory:
            stage_turn(bench.spark, root, "float32")
        java = java_peak(bench.spark)
    figures = {"workers": memory.workers, "worker_peak_bytes": memory.peak, "together_bytes": memory.together}
    megabytes = {name: f"{count / 2**20:,.0f} MiB" for name, count in figures.items() if name != "workers"}
    print(f"{memory.workers} workers: {megabytes}, Java {java / 2**20:,.0f} MiB", flush=True)
    return {**figures, "java_peak_bytes": java}


def java_peak(spark: SparkSession) -> int:
    """The peak resident memory of the driver's Java, which is also the executor's here."""
    process = spark.sparkContext._jvm.ProcessHandle.current().pid()
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


if __name__ == "__main__":
    main()
