"""The memory of ten epochs of reading, streamed or kept in memory.

    python tests/benchmarks/reading_memory.py [--rows 400000] [--json FILE]

Each mode is measured in its own process, since one would reuse memory that the other has freed.
"""

import argparse
import gc
import json
import multiprocessing
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from tonality.model.loading.data_loader import Loader
from tonality.model.loading.row_groups import RowGroups
from tonality.runtime.storage import schema

VOCABULARY = 100_000
MAX_LENGTH = 100
GROUP_ROWS = 8_192
FILES = 8
EPOCHS = 10
SHOWN = (1, 2, 5, 10)
MODES = {"streamed": 0, "in memory": 2**30}
"""The bytes that each mode may keep in memory."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        in_new_process(write_dataset, folder, options.rows)
        found = {mode: in_new_process(measure, folder, memory) for mode, memory in MODES.items()}
    print(f"{options.rows:,} rows in row groups of {GROUP_ROWS:,}; MiB of resident memory (peak so far)")
    print(f"{'':<10}{'start':>9}" + "".join(f"{f'epoch {number}':>20}" for number in SHOWN))
    for mode, figures in found.items():
        after = (figures["after"][str(number)] for number in SHOWN)
        cells = (f"{f'{now / 2**20:,.0f} ({peak / 2**20:,.0f})':>20}" for now, peak in after)
        print(f"{mode:<10}{figures['start'] / 2**20:>9,.0f}" + "".join(cells))
    if options.json:
        options.json.write_text(json.dumps({"rows": options.rows, **found}, indent=2) + "\n")


def in_new_process(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def write_dataset(folder: str, count: int) -> None:
    rng = np.random.default_rng(1)
    for number in range(FILES):
        rows = count // FILES
        lengths = rng.integers(1, 25, rows)
        tokens = rng.integers(schema.FIRST_STEM_ID, VOCABULARY, (rows, MAX_LENGTH), dtype=np.int32)
        tokens[np.arange(MAX_LENGTH) >= lengths[:, None]] = schema.PADDING_ID
        lists = pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32) * MAX_LENGTH, tokens.ravel())
        columns = {"tokens": lists, "length": lengths, "label": rng.integers(0, 2, rows), "stems": pa.nulls(rows)}
        table = pa.table(columns).cast(schema.DATASET)
        pq.write_table(table, Path(folder) / f"part-{number:05}.snappy.parquet", row_group_size=GROUP_ROWS)


def measure(folder: str, memory: int) -> dict[str, Any]:
    """Bytes of resident memory at the start and, with the peak so far, after each epoch."""
    groups = RowGroups(folder, VOCABULARY)
    loader = Loader(groups, batch_size=256, seed=1, window=100_000, memory=memory)
    figures: dict[str, Any] = {"start": psutil.Process().memory_info().rss, "after": {}}
    with peak_memory() as peak:
        for number in range(1, EPOCHS + 1):
            with loader.epoch(number) as batches:
                rows = sum(batch.rows for batch in batches)
            assert rows == groups.rows
            figures["after"][str(number)] = psutil.Process().memory_info().rss, peak()
    gc.collect()
    figures["after a collection"] = psutil.Process().memory_info().rss
    figures["arrow"] = pa.total_allocated_bytes()
    return figures


@contextmanager
def peak_memory() -> Iterator[Any]:
    """Yield a function that returns the peak memory of this process so far, sampled every 10 ms."""
    process, ended, seen = psutil.Process(), threading.Event(), [0]

    def look() -> None:
        while not ended.wait(0.01):
            seen[0] = max(seen[0], process.memory_info().rss)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: seen[0]
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
