"""A small output of `prepare`: a dataset that a small network learns in no time."""

import json
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tonality.runtime.storage import schema
from tonality.text.token_ids import vocabulary_fingerprint

STEMS: Final = [f"слово{number}" for number in range(100)]
WIDTH: Final = 12
SMALL: Final = ("network.hidden=16", "network.embedding=16", "train.batch_size=64", "train.device=cpu")
"""Settings of a small network."""


def write_side(folder: Path, groups: list[int], seed: int) -> dict[str, int]:
    """Row groups of these sizes, of tweets whose labels follow from their stems nine times in ten."""
    random = np.random.default_rng(seed)
    count = sum(groups)
    labels, lengths = random.integers(0, 2, count), random.integers(4, 9, count)
    half = np.where(random.random((count, WIDTH)) < 0.9, labels[:, None], 1 - labels[:, None])
    tokens = schema.FIRST_STEM_ID + random.integers(0, 50, (count, WIDTH)) + 50 * half
    tokens[np.arange(WIDTH) >= lengths[:, None]] = schema.PADDING_ID
    table = pa.table({"tokens": tokens.tolist(), "length": lengths, "label": labels, "stems": [""] * count})
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / "part.parquet", schema.DATASET) as writer:
        for start, size in zip(np.cumsum([0, *groups]), groups, strict=False):
            writer.write_table(table.slice(start, size).cast(schema.DATASET), row_group_size=size)
    return {"rows": count, "positive": int(labels.sum())}


def write_dataset(root: Path, groups: list[int]) -> Path:
    """Write the output of `prepare`."""
    sides = {"train": (groups, 1), "valid": ([300, 300], 2)}
    rows = {name: write_side(root / "dataset" / f"split={name}", *how) for name, how in sides.items()}
    columns = {"id": range(schema.FIRST_STEM_ID, schema.FIRST_STEM_ID + len(STEMS)), "stem": STEMS}
    vocabulary = pa.table({**columns, "count": [10] * len(STEMS)}).select(schema.VOCABULARY.names)
    (root / "vocabulary").mkdir()
    pq.write_table(vocabulary.cast(schema.VOCABULARY), root / "vocabulary" / "part.parquet")
    metadata = {
        "vocabulary": vocabulary_fingerprint(STEMS),
        "stems": len(STEMS),
        "rows": rows,
        "dropped": {},
        "max_length": WIDTH,
        "unknown": "train",
        "seed": 1,
        "valid_fraction": 0.2,
        "rules_fingerprint": "c0ffee",
        "rules": {"name": "ru"},
    }
    (root / "dataset" / "_dataset.json").write_text(json.dumps(metadata))
    return root
