"""Rows per second of whole stages, from the records of a pipeline's last runs, and the bytes of its tables.

    python tests/benchmarks/stages.py [ROOT] [--json FILE]

A stage's seconds are its whole work in the session, Java's warm-up included; only ratios within one run are comparable.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS: dict[str, Callable[[dict[str, Any]], int]] = {
    "clean": lambda record: record["counts"]["lines"],
    "label": lambda record: sum(record["counts"].values()),
    "prepare": lambda record: sum(side["rows"] for side in record["rows"].values()),
    "train": lambda record: record["metrics"]["rows"]["train"]["rows"] * len(record["metrics"]["epochs"]),
    "evaluate": lambda record: next(iter(record["models"].values()))["rows"],
    "score": lambda record: sum(record["counts"].values()),
    "report": lambda record: record["counts"]["tweets"],
}
"""A stage's rows: records of the archive, labelled rows, training rows times epochs, held-out rows, tweets."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path("out"), help="the pipeline's paths.root (out)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "stages": stages(options.root),
        "bytes": sizes(options.root),
    }
    for stage, found in report["stages"].items():
        print(
            f"{stage:<12} {found['rows']:>12,} rows {found['seconds']:>8.1f} s {found['rows_per_second']:>12,.0f} rows/s"
        )
    for table, size in report["bytes"].items():
        print(f"{table:<12} {size:>12,} bytes")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def stages(root: Path) -> dict[str, dict[str, float]]:
    """The last successful run of each stage."""
    last = {}
    for file in sorted((root / "runs").glob("*.json"), key=lambda file: file.stem.partition("-")[2]):
        record = json.loads(file.read_text())
        if record["stage"] in ROWS and record["fault"] is None:
            last[record["stage"]] = record
    found = {}
    for stage, rows in ROWS.items():
        if record := last.get(stage):
            count, seconds = rows(record), record["seconds"]
            found[stage] = {"rows": count, "seconds": seconds, "rows_per_second": count / seconds}
    return found


def sizes(root: Path) -> dict[str, int]:
    """The bytes of every table's files."""
    tables = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("_"))
    return {table.name: sum(file.stat().st_size for file in table.rglob("*") if file.is_file()) for table in tables}


if __name__ == "__main__":
    main()
