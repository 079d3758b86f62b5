"""The vocabulary: stems in order of decreasing frequency in the training rows."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from tonality.runtime.storage.schema import FIRST_STEM_ID

__all__ = ["count_stems"]


def count_stems(train: DataFrame, size: int, min_count: int) -> DataFrame:
    """Rows of schema.VOCABULARY: the most frequent stems of the rows' `stems`, ties in order of the stem, ids from 2.

    `size` includes padding and unknown, so at most size - 2 stems get an id; stems rarer than `min_count` get none.
    """
    by_frequency = Window.orderBy(F.desc("count"), F.asc("stem")).rowsBetween(
        Window.unboundedPreceding, Window.currentRow
    )
    return (
        train.where(F.col("stems") != "")
        .select(F.explode(F.split("stems", " ")).alias("stem"))
        .groupBy("stem")
        .agg(F.count("*").alias("count"))
        .where(F.col("count") >= min_count)
        .orderBy(F.desc("count"), F.asc("stem"))
        .limit(size - FIRST_STEM_ID)
        .withColumn("id", (F.row_number().over(by_frequency) + F.lit(FIRST_STEM_ID - 1)).cast("int"))
        .select("id", "stem", "count")
    )
