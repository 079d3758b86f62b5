"""The peak memory of a Python worker while `clean` reads each of some files, and the reading speed.

    python tests/benchmarks/memory.py FILE... [--json FILE]

Use large files, such as a .json.gz and a .json of 2 GiB. Duplicates are kept, so that a file made of many copies of
another is written whole.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from worker_memory import worker_memory

from tonality.runtime.runs.record import Run
from tonality.runtime.settings.load import load
from tonality.runtime.spark.session import spark_session
from tonality.stages import clean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with spark_session("memory", load().spark) as spark:
        found = [measure(spark, file.resolve()) for file in options.files]
    for figures in found:
        print(
            f"{figures['file']:<24} {figures['bytes']:>14,} bytes {figures['tweets']:>12,} tweets "
            f"{figures['seconds']:>8.0f} s, a Python worker took up to {figures['worker_bytes'] / 2**20:,.0f} MiB"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def measure(spark: SparkSession, file: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as root:
        settings = load(overrides=[f"paths.archive={file}", f"paths.root={root}", "archive.deduplicate=false"])
        with worker_memory() as memory, Run("clean", settings) as record:
            started = time.perf_counter()
            clean.run(settings, record, spark)
            seconds = time.perf_counter() - started
    return {
        "file": file.name,
        "bytes": file.stat().st_size,
        "tweets": record.facts["counts"]["tweets"],
        "seconds": seconds,
        "worker_bytes": memory.peak,
    }


if __name__ == "__main__":
    main()
