"""Labelled tweets as Arrow batches inside Spark: texts cut into stems, stems encoded into padded training rows."""

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

__all__ = ["encoded", "side_of", "with_stems"]

_Batches = Iterator[pa.RecordBatch]


def with_stems(frame: DataFrame, rules: Rules) -> DataFrame:
    """The frame's `text` and `label` as `stems` and `label`."""
    return frame.select("text", "label").mapInArrow(_stemmer(rules), "stems string, label float")


def _stemmer(rules: Rules) -> Callable[[_Batches], _Batches]:
    def stem(batches: _Batches) -> _Batches:
        cleaner = TextPreprocessor(rules)
        for batch in batches:
            yield pa.RecordBatch.from_pydict({"stems": cleaner.stem_array(batch["text"]), "label": batch["label"]})

    return stem


def encoded(frame: DataFrame, stems: Sequence[str], unknown: Literal["train", "drop"], max_length: int) -> DataFrame:
    """The frame's `stems` and `label` as rows of schema.DATASET. Tweets that have no number at all are left out."""
    vocabulary = frame.sparkSession.sparkContext.broadcast(list(stems))

    def number(batches: _Batches) -> _Batches:
        numbering = StemEncoder(vocabulary.value, unknown, max_length)
        for batch in batches:
            yield _number_batch(batch, numbering, max_length)

    return frame.select("stems", "label").mapInArrow(number, from_arrow_schema(DATASET))


def _number_batch(batch: pa.RecordBatch, numbering: StemEncoder, max_length: int) -> pa.RecordBatch:
    numbers = numbering.encode(batch["stems"])
    lengths = numbers.lengths
    tokens = np.zeros((len(lengths), max_length), np.int32)
    tokens[np.arange(max_length) < lengths[:, None]] = numbers.flat
    offsets = np.arange(len(lengths) + 1, dtype=np.int32) * max_length
    columns = {
        "tokens": pa.ListArray.from_arrays(offsets, tokens.ravel()),
        "length": pa.array(lengths, pa.int32()),
        "label": batch["label"],
        "stems": batch["stems"],
    }
    return pa.RecordBatch.from_pydict(columns, schema=DATASET).filter(pa.array(lengths > 0))


def side_of(rows: DataFrame) -> SplitStats:
    """What the dataset's note says of rows of schema.DATASET."""
    # added up as decimals, which do not overflow; by exclusive or, repeated tweets would cancel each other
    hashes = F.coalesce(F.sum(F.xxhash64("stems", "label").cast("decimal(20, 0)")), F.lit(0))
    found = rows.agg(F.count("*").alias("rows"), F.count_if(F.col("label") == 1).alias("positive"), hashes.alias("sum"))
    side = found.collect()[0]
    return SplitStats(rows=side.rows, positive=side.positive, content=f"{int(side['sum']) % 2**64:016x}")
