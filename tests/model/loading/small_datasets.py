"""Small datasets as `prepare` writes them: several files with several row groups each."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tonality.runtime.storage import schema

MAX_LENGTH = 16
GROUP_ROWS = 40
GROUPS = 27
VOCABULARY = 1_200


def make_rows(count: int, seed: int = 1) -> pa.Table:
    """Distinguishable rows: the id of the first stem is the index of the row, plus 2."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, MAX_LENGTH - 3, count)
    tokens = [[row + 2, *rng.integers(2, 99, length - 1)] for row, length in enumerate(lengths)]
    return pa.table(
        {
            "tokens": [[*row, *[0] * (MAX_LENGTH - len(row))] for row in tokens],
            "length": lengths,
            "label": rng.integers(0, 2, count),
            "stems": [" ".join(f"стем{token}" for token in row) for row in tokens],
        }
    ).cast(schema.DATASET)


def write_files(folder: Path, rows: pa.Table, files: int = 3) -> Path:
    folder.mkdir(parents=True)
    bounds = np.linspace(0, rows.num_rows, files + 1).astype(int)
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        pq.write_table(rows[start:end], folder / f"part-{number:05}.snappy.parquet", row_group_size=GROUP_ROWS)
    (folder / "_SUCCESS").touch()
    return folder


def as_pyarrow_reads(table: pa.Table) -> list[tuple[tuple[int, ...], int, float]]:
    """Each row as (stems, length, label)."""
    return [
        (tuple(row["tokens"][: row["length"]]), row["length"], row["label"])
        for row in table.select(["tokens", "length", "label"]).to_pylist()
    ]
