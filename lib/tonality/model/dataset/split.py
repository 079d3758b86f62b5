"""The split into training and validation rows, by a hash of the stems: no text is ever in both."""

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

__all__ = ["TRAIN", "VALID", "shuffled", "with_split"]

TRAIN: Final = "train"
VALID: Final = "valid"

_BUCKETS: Final = 1_000_000


def with_split(frame: DataFrame, valid_fraction: float, seed: int) -> DataFrame:
    """Add a column `split`: valid for about this fraction of the distinct texts, else train."""
    bucket = F.pmod(F.xxhash64(F.lit(seed), "stems"), F.lit(_BUCKETS))
    return frame.withColumn("split", F.when(bucket < round(valid_fraction * _BUCKETS), VALID).otherwise(TRAIN))


def shuffled(frame: DataFrame, seed: int, parts: int) -> DataFrame:
    """Shuffle the rows into so many partitions, in a pseudo-random order that is the same on every cluster."""
    order = F.xxhash64(F.lit(seed), F.lit("order"), "stems", "label")
    return frame.repartition(parts, order).sortWithinPartitions(order, "stems", "label")
