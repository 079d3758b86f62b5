"""Encoding of labelled tweets as Arrow batches inside Spark: texts to stems, stems to padded training rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.pandas.types import from_arrow_schema

from tonality.model.dataset.metadata import SplitStats
from tonality.runtime.storage.schema import DATASET
from tonality.text.preprocess import TextPreprocessor
from tonality.text.rules import Rules
from tonality.text.token_ids import StemEncoder

__all__ = ["count_rows", "encode", "with_stems"]

_Batches = Iterator[pa.RecordBatch]


def with_stems(frame: DataFrame, rules: Rules) -> DataFrame:
    """Return the frame's `text` and `label` as `stems` and `label`."""
    return frame.select("text", "label").mapInArrow(_stemmer(rules), "stems string, label float")


def _stemmer(rules: Rules) -> Callable[[_Batches], _Batches]:
    def stem(batches: _Batches) -> _Batches:
        preprocessor = TextPreprocessor(rules)
        for batch in batches:
            yield pa.RecordBatch.from_pydict({"stems": preprocessor.stem_array(batch["text"]), "label": batch["label"]})

    return stem


def encode(frame: DataFrame, stems: Sequence[str], unknown: Literal["train", "drop"], max_length: int) -> DataFrame:
    """Return the frame's `stems` and `label` as rows of schema.DATASET, without tweets that have no token id."""
    vocabulary = frame.sparkSession.sparkContext.broadcast(list(stems))

    def encode_batches(batches: _Batches) -> _Batches:
        encoder = StemEncoder(vocabulary.value, unknown, max_length)
        for batch in batches:
            yield _encode_batch(batch, encoder, max_length)

    return frame.select("stems", "label").mapInArrow(encode_batches, from_arrow_schema(DATASET))


def _encode_batch(batch: pa.RecordBatch, encoder: StemEncoder, max_length: int) -> pa.RecordBatch:
    ids = encoder.encode(batch["stems"])
    lengths = ids.lengths
    tokens = np.zeros((len(lengths), max_length), np.int32)
    tokens[np.arange(max_length) < lengths[:, None]] = ids.flat
    offsets = np.arange(len(lengths) + 1, dtype=np.int32) * max_length
    columns = {
        "tokens": pa.ListArray.from_arrays(offsets, tokens.ravel()),
        "length": pa.array(lengths, pa.int32()),
        "label": batch["label"],
        "stems": batch["stems"],
    }
    return pa.RecordBatch.from_pydict(columns, schema=DATASET).filter(pa.array(lengths > 0))


def count_rows(rows: DataFrame) -> SplitStats:
    """Count rows of schema.DATASET, and hash their content, for the dataset's metadata."""
    # a sum of decimals, which do not overflow; in an exclusive or, repeated tweets would cancel each other
    hashes = F.coalesce(F.sum(F.xxhash64("stems", "label").cast("decimal(20, 0)")), F.lit(0))
    counts = rows.agg(
        F.count("*").alias("rows"), F.count_if(F.col("label") == 1).alias("positive"), hashes.alias("hash")
    ).collect()[0]
    return SplitStats(rows=counts.rows, positive=counts.positive, content=f"{int(counts['hash']) % 2**64:016x}")
