"""Tweets per second of `clean` on statuses as large as Twitter's own, against a textbook Spark job and the limit.

    python tests/benchmarks/clean.py [--tweets N] [--files N] [--repeats N] [--no-bz2] [--data DIR] [--json FILE]

Three contenders read the same files in one run, in turns, each after a warm-up; the best of their turns counts:

- this job, `tonality.stages.clean`, in a running session, into a new root;
- the textbook job: `spark.read.json` with a schema, Spark's functions, a Python UDF for every text, `dropDuplicates`.
  It persists the parsed records: with gzip this is as fast as reading the archive again for each table, with bzip2
  faster;
- the limit: a bare loop that only decompresses, splits into lines, parses, picks the text and stems it. The figure is
  that of one process times the cores; the one below it is that of as many processes as cores at the same time.

The two jobs must write the same number of tweets and rejects and the same account of every file's records, or the
benchmark fails. Only ratios within one run are comparable; the figures themselves depend on the machine.
"""

import argparse
import bz2
import html
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.dataset as ds
import Stemmer
from big_statuses import Archive, write_archive
from isal import igzip
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F  # noqa: N812
from worker_memory import worker_memory

from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load, text_rules
from tonality.runtime.settings.sections import TextSettings
from tonality.runtime.spark.session import spark_session
from tonality.stages import clean
from tonality.text.preprocess import TextPreprocessor
from tonality.text.tweet_markup import unescape_html

CORES = os.cpu_count() or 1
SEED = 1
WARM_UP_SHARE = 5
"""The warm-up archive is this many times smaller: Java first has to compile the code that runs often."""
BZ2_SHARE = 5
"""The bzip2 archive is this many times smaller, since bzip2 takes longer."""

BATCH_ROWS = 4_096

OURS, TEXTBOOK, LIMIT, AT_ONCE = "this job", "textbook Spark job", "limit: one process x cores", "limit: all cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tweets", type=int, default=1_000_000, help="statuses in gzip; bzip2 has a fifth (1000000)")
    parser.add_argument("--files", type=int, default=8, help="files of each kind (8)")
    parser.add_argument("--repeats", type=int, default=2, help="turns of every contender (2)")
    parser.add_argument("--no-bz2", action="store_true", help="only gzip")
    parser.add_argument(
        "--data", type=Path, help="the folder of the archives, kept for later runs (a temporary folder)"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    sizes = {".json.gz": options.tweets} | ({} if options.no_bz2 else {".json.bz2": options.tweets // BZ2_SHARE})
    report: dict[str, Any] = {"machine": f"{platform.machine()}, {CORES} cores", "archives": {}}
    with tempfile.TemporaryDirectory() as folder, contenders(Path(folder)) as racers:
        data = options.data or Path(folder, "data")
        for ending, tweets in sizes.items():
            warm_up = write_archive(data, ending, tweets // WARM_UP_SHARE, CORES, SEED)
            archive = write_archive(data, ending, tweets, options.files, SEED)
            turns = race(racers, warm_up, archive, options.repeats)
            report["archives"][ending] = found = figures(archive, turns)
            print(table(archive, found))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


@dataclass(frozen=True)
class Turn:
    """One contender's run over an archive."""

    seconds: float
    counts: Counter[str]
    """The outcomes of the records: lines, tweets, notices, duplicates, rejects; the limit keeps duplicates."""
    worker_bytes: int = 0
    """The peak memory of a Python worker of this job."""


@contextmanager
def contenders(folder: Path) -> Iterator[dict[str, Callable[[Archive], Turn]]]:
    """Yield the contenders by name, while Spark and the processes of the limit run."""
    settings = load(overrides=[f"spark.master=local[{CORES}]", "spark.progress=false"]).spark
    with (
        ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool,
        spark_session("benchmark", settings) as spark,
    ):
        yield {
            OURS: partial(job_turn, run_ours, spark, folder / "ours"),
            TEXTBOOK: partial(job_turn, run_textbook, spark, folder / "textbook"),
            LIMIT: partial(limit_turn, pool, False),
            AT_ONCE: partial(limit_turn, pool, True),
        }


def race(
    racers: dict[str, Callable[[Archive], Turn]], warm_up: Archive, archive: Archive, repeats: int
) -> dict[str, list[Turn]]:
    """Run the contenders in turns, so that a machine that slows down does so for all, and check their counts."""
    for run in racers.values():
        run(warm_up)
    turns: dict[str, list[Turn]] = {name: [] for name in racers}
    for _ in range(repeats):
        for name, run in racers.items():
            turns[name].append(run(archive))
    all_counts = turns[OURS][0].counts
    for name in racers:
        expected = all_counts if name in (OURS, TEXTBOOK) else without_duplicates(all_counts)
        if wrong := [turn.counts for turn in turns[name] if turn.counts != expected]:
            raise SystemExit(f"{name} counts {dict(wrong[0])} in {archive.folder}, expected {dict(expected)}")
    if all_counts["lines"] != archive.lines:
        raise SystemExit(f"{all_counts['lines']} lines were read of {archive.folder}, which has {archive.lines}")
    return turns


def without_duplicates(counts: Counter[str]) -> Counter[str]:
    """The counts if duplicates are kept as tweets."""
    kept = counts["tweets"] + counts["duplicates"]
    return Counter({**{name: counts[name] for name in ("lines", "notices", "rejects")}, "tweets": kept})


def figures(archive: Archive, turns: dict[str, list[Turn]]) -> dict[str, Any]:
    """Tweets per second of every contender, and the ratios of this job to the others."""
    speeds = {name: archive.statuses / min(turn.seconds for turn in turns[name]) for name in turns}
    speeds[LIMIT] *= CORES
    return {
        "files": archive.files,
        "tweets": archive.statuses,
        "lines": archive.lines,
        "bytes": archive.bytes,
        "compressed_bytes": archive.compressed,
        "mean_status_bytes": archive.status_bytes,
        "tweets_per_second": speeds,
        "ratios": {f"this job / {name}": speeds[OURS] / speeds[name] for name in speeds if name != OURS},
        "peak_worker_bytes": max(turn.worker_bytes for turn in turns[OURS]),
        "seconds": {name: [turn.seconds for turn in turns[name]] for name in turns},
        "counts": dict(turns[OURS][0].counts),
    }


def table(archive: Archive, found: dict[str, Any]) -> str:
    head = (
        f"{archive.ending}: {archive.statuses:,} statuses of {archive.status_bytes / 1000:.2f} KB, {archive.lines:,} "
        f"lines, {archive.files} files, {archive.compressed / 1e6:.1f} MB ({archive.bytes / archive.compressed:.1f}x)"
    )
    rows = [head, f"  {'':<28} {'tweets/s':>10} {'this job / it':>14}"]
    for name, speed in found["tweets_per_second"].items():
        ratio = found["ratios"].get(f"this job / {name}", 1)
        rows.append(f"  {name:<28} {speed:>10,.0f} {ratio:>14.2f}")
    rows.append(f"  a Python worker of this job took up to {found['peak_worker_bytes'] / 2**20:,.0f} MB")
    return "\n".join(rows)


# The two jobs


def job_turn(
    run: Callable[[SparkSession, Archive, str], None], spark: SparkSession, root: Path, archive: Archive
) -> Turn:
    """Run a turn of a Spark job. Its output is counted and removed after the timing."""
    with worker_memory() as memory:
        started = time.perf_counter()
        run(spark, archive, str(root))
        seconds = time.perf_counter() - started
    counts = count_tables(root)
    shutil.rmtree(root)
    return Turn(seconds, counts, memory.peak)


def run_ours(spark: SparkSession, archive: Archive, root: str) -> None:
    settings = load(overrides=[f"paths.root={root}", f"paths.archive={archive.folder}"])
    with Run("clean", settings) as record:
        clean.run(settings, record, spark)


def count_tables(root: Path) -> Counter[str]:
    """The counts of a job's tables. Raises SystemExit if its accounts disagree."""
    names = ("lines", "tweets", "notices", "duplicates", "rejects")
    accounts = ds.dataset(root / "accounts").to_table(columns=list(names))
    counts = Counter({name: pa.compute.sum(accounts[name]).as_py() for name in names})
    for name in ("tweets", "rejects"):
        if (rows := ds.dataset(root / name).count_rows()) != counts[name]:
            raise SystemExit(f"{root}/{name} has {rows} rows, expected {counts[name]} by its accounts")
    return counts


# The textbook job

ENTITIES = "STRUCT<hashtags: ARRAY<STRUCT<text: STRING>>>"
TEXTS = {
    "text": "STRING",
    "full_text": "STRING",
    "entities": ENTITIES,
    "extended_tweet": f"STRUCT<full_text: STRING, entities: {ENTITIES}>",
}
"""The fields with the text of a status."""
STATUS = {
    **TEXTS,
    "id": "BIGINT",
    "created_at": "STRING",
    "lang": "STRING",
    "user": "STRUCT<screen_name: STRING>",
    "retweeted_status": f"STRUCT<{', '.join(f'{name}: {kind}' for name, kind in TEXTS.items())}>",
    "delete": "STRUCT<status: STRUCT<id: BIGINT>>",
    "broken": "STRING",
}
WORD = re.compile("[а-яё]+|[0-9]+")
STEMMERS: dict[str, Stemmer.Stemmer] = {}
"""Filled in the workers, since a stemmer cannot be pickled."""


def run_textbook(spark: SparkSession, archive: Archive, root: str) -> None:
    """The work of `clean` in textbook Spark; Arrow transfers the rows of UDFs, as by default."""
    parsed = (
        spark.read.schema(", ".join(f"{name} {kind}" for name, kind in STATUS.items()))
        .option("mode", "PERMISSIVE")
        .option("columnNameOfCorruptRecord", "broken")
        .json(archive.paths)
        .select(*textbook_columns())
        .withColumn("kind", textbook_kind())
        .drop("is_notice")
        .persist()
    )
    (
        parsed.where("kind = 'tweet'")
        .drop("kind", "broken")
        .dropDuplicates(["tweet_id"])
        .withColumn("text", F.udf(textbook_unescaped, "string", useArrow=True)("text"))
        .withColumn("stems", F.udf(textbook_stems, "string", useArrow=True)("text"))
        .withColumn("day", F.to_date("created_at"))
        .repartition("day")
        .write.partitionBy("day")
        .parquet(f"{root}/tweets")
    )
    rejects = parsed.where("kind = 'reject'").select("source", F.substring("broken", 1, 4096).alias("raw"))
    rejects.write.parquet(f"{root}/rejects")
    tweets = spark.read.parquet(f"{root}/tweets").groupBy("source").agg(F.count("*").alias("tweets"))
    (
        parsed.groupBy("source")
        .agg(
            F.count("*").alias("lines"),
            F.count_if(F.col("kind") == "tweet").alias("kept"),
            F.count_if(F.col("kind") == "notice").alias("notices"),
            F.count_if(F.col("kind") == "reject").alias("rejects"),
        )
        .join(tweets, "source", "left")
        .fillna(0, ["tweets"])
        .withColumn("duplicates", F.expr("kept - tweets"))
        .drop("kept")
        .coalesce(1)
        .write.parquet(f"{root}/accounts")
    )
    parsed.unpersist()


def textbook_columns() -> list[Column]:
    shown = F.coalesce("retweeted_status", F.struct(*TEXTS))
    extended = shown["extended_tweet"]
    hashtags = F.coalesce(extended["entities"]["hashtags"], shown["entities"]["hashtags"], F.array())
    return [
        F.input_file_name().alias("source"),
        F.col("id").alias("tweet_id"),
        # Spark cannot parse names of weekdays, so the time begins with the month.
        F.try_to_timestamp(F.substring("created_at", 5, 26), F.lit("MMM dd HH:mm:ss Z yyyy")).alias("created_at"),
        F.col("user.screen_name").alias("author"),
        "lang",
        F.coalesce(extended["full_text"], shown["full_text"], shown["text"]).alias("text"),
        F.transform(hashtags, lambda tag: F.lower(tag["text"])).alias("hashtags"),
        F.col("retweeted_status").isNotNull().alias("is_retweet"),
        F.col("delete").isNotNull().alias("is_notice"),
        "broken",
    ]


def textbook_kind() -> Column:
    return (
        F.when(F.col("broken").isNotNull(), "reject")
        .when(F.col("is_notice"), "notice")
        .when(F.col("tweet_id").isNull() | F.col("created_at").isNull() | F.col("text").isNull(), "reject")
        .otherwise("tweet")
    )


def textbook_unescaped(text: str) -> str:
    return html.unescape(text)


def textbook_stems(text: str) -> str:
    if not STEMMERS:
        STEMMERS["ru"] = Stemmer.Stemmer("russian")
    return " ".join(STEMMERS["ru"].stemWords(WORD.findall(text.lower())))


# The limit


def limit_turn(pool: ProcessPoolExecutor, at_once: bool, archive: Archive) -> Turn:
    """Run a turn of the bare loop: over all files in one process, or file by file in all processes."""
    tasks = [[path] for path in archive.paths] if at_once else [archive.paths]
    started = time.perf_counter()
    parts = list(pool.map(bare_loop, tasks))
    return Turn(time.perf_counter() - started, sum(parts, Counter()))


def bare_loop(paths: list[str]) -> Counter[str]:
    """The unavoidable work, with nothing around it."""
    cleaner = TextPreprocessor(text_rules(TextSettings()))
    lines = tweets = notices = 0
    texts: list[str] = []
    for path in paths:
        opener: Any = igzip.open if path.endswith(".gz") else bz2.open
        with opener(path, "rb") as file:
            for line in file:
                lines += 1
                try:
                    status = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if "delete" in status:
                    notices += 1
                    continue
                tweets += 1
                texts.append(shown_text(status))
                if len(texts) == BATCH_ROWS:
                    cleaner.stem_array(pa.array(texts))
                    texts.clear()
    cleaner.stem_array(pa.array(texts, pa.string()))
    return Counter(lines=lines, tweets=tweets, notices=notices, rejects=lines - tweets - notices)


def shown_text(status: dict[str, Any]) -> str:
    """The full text of a status; for a retweet, that of the original."""
    shown = status.get("retweeted_status", status)
    if extended := shown.get("extended_tweet"):
        return unescape_html(extended["full_text"])
    return unescape_html(shown["full_text"] if "full_text" in shown else shown["text"])


if __name__ == "__main__":
    main()
